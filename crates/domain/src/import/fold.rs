//! Which keys may be equal.
//!
//! Collations take for equal what differs in case, accents, width, trailing spaces or characters
//! that they ignore. The fold is coarser than all of them: keys that a collation takes for equal
//! have equal hashes. Keys of equal hashes may still differ; the database is asked about those.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fold_table::same;

/// A hash that is equal for keys which any collation of MySQL could take for equal.
#[must_use]
pub fn fold_key<'a>(parts: impl Iterator<Item = &'a str>) -> u128 {
    let mut fold = Fold::new();
    for part in parts {
        fold.part(part);
    }
    fold.hasher.finish128().as_u128()
}

/// What ends a part: no byte of any text.
const END_OF_PART: u8 = 0xff;
/// Bytes that go into the hash at once.
const BUFFER: usize = 64;

struct Fold {
    hasher: SipHasher13,
    buffer: [u8; BUFFER],
    len: usize,
    /// Spaces that matter only if something follows.
    spaces: usize,
    last: char,
    begun: bool,
}

impl Fold {
    fn new() -> Self {
        Self {
            hasher: SipHasher13::new(),
            buffer: [0; BUFFER],
            len: 0,
            spaces: 0,
            last: ' ',
            begun: false,
        }
    }

    fn part(&mut self, part: &str) {
        (self.begun, self.spaces, self.last) = (false, 0, ' ');
        if part.is_ascii() {
            for byte in part.bytes() {
                self.letter(char::from(byte.to_ascii_lowercase()));
            }
        } else {
            part.nfkd().for_each(|letter| self.wide(letter));
        }
        self.byte(END_OF_PART);
        self.hasher.write(&self.buffer[..self.len]);
        self.len = 0;
    }

    fn wide(&mut self, letter: char) {
        if letter.is_ascii() {
            return self.letter(letter.to_ascii_lowercase());
        }
        if let Some(letters) = same(letter) {
            return letters.chars().for_each(|it| self.letter(it));
        }
        if is_combining_mark(letter) {
            return;
        }
        // by way of upper case: ς and σ, ı and i are one
        for lower in letter.to_uppercase().flat_map(char::to_lowercase) {
            match same(lower) {
                Some(letters) => letters.chars().for_each(|it| self.letter(it)),
                None if is_combining_mark(lower) => {}
                None => self.letter(lower),
            }
        }
    }

    /// One folded letter. Some language takes i, j and y, u, v and w, ü and y for one. Doubled
    /// letters count once, e after a, o and u and h after c not at all, since `ß` is `s` to one
    /// collation and `ss` to another, `å` is `aa`, `ä` is `ae` and `ch` may be `c`.
    fn letter(&mut self, letter: char) {
        let letter = match letter {
            'j' | 'u' | 'v' | 'w' | 'y' => 'i',
            other => other,
        };
        if letter == ' ' {
            self.spaces += usize::from(self.begun);
            return;
        }
        if letter.is_control() {
            return;
        }
        let doubled = letter == self.last && letter.is_ascii_lowercase();
        let umlaut = letter == 'e' && matches!(self.last, 'a' | 'o' | 'i');
        let digraph = letter == 'h' && self.last == 'c';
        if (doubled || umlaut || digraph) && self.spaces == 0 {
            return;
        }
        for _ in 0..std::mem::take(&mut self.spaces) {
            self.byte(b' ');
        }
        self.begun = true;
        self.last = letter;
        let mut bytes = [0; 4];
        for byte in letter.encode_utf8(&mut bytes).bytes() {
            self.byte(byte);
        }
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        if self.len == BUFFER {
            self.hasher.write(&self.buffer);
            self.len = 0;
        }
        self.buffer[self.len] = byte;
        self.len += 1;
    }
}
