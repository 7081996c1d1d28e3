//! Texts that differ, in pieces, and which of them are known to be equal.

use std::collections::HashMap;

use super::{Compared, MOST_KEY_CHARACTERS};

/// Bytes of keys of which two pieces make one statement: together far below the least
/// `max_allowed_packet` in use (16 MiB), also where every character is escaped.
const PIECE_BYTES: usize = 1 << 20;

/// The texts that differ as bytes, and for each key which of them it is.
pub(super) fn distinct(
    keys: Vec<Vec<String>>,
    compared: &[Compared],
) -> (Vec<Vec<String>>, Vec<usize>) {
    let mut known: HashMap<Vec<String>, usize> = HashMap::new();
    let mut places = Vec::with_capacity(keys.len());
    for mut key in keys {
        for (part, column) in key.iter_mut().zip(compared) {
            column.normal(part);
        }
        let next = known.len();
        places.push(*known.entry(key).or_insert(next));
    }
    let mut distinct = vec![Vec::new(); known.len()];
    for (key, place) in known {
        distinct[place] = key;
    }
    (distinct, places)
}

/// Texts that a key can hold, in pieces of bounded size. A longer one is equal to none.
pub(super) fn cut(distinct: &[Vec<String>]) -> Vec<Vec<usize>> {
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    let mut bytes = PIECE_BYTES;
    for (place, key) in distinct.iter().enumerate() {
        if key
            .iter()
            .any(|part| part.chars().count() > MOST_KEY_CHARACTERS)
        {
            continue;
        }
        bytes += key.iter().map(|part| part.len() + 3).sum::<usize>() + 3;
        if bytes > PIECE_BYTES {
            pieces.push(Vec::new());
            bytes = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(place);
        }
    }
    pieces
}

/// Texts that are known to be equal, as trees whose root is the first of them.
pub(super) struct Classes(Vec<usize>);

impl Classes {
    pub(super) fn new(texts: usize) -> Self {
        Self((0..texts).collect())
    }

    pub(super) fn first_of(&mut self, mut text: usize) -> usize {
        while self.0[text] != text {
            self.0[text] = self.0[self.0[text]];
            text = self.0[text];
        }
        text
    }

    pub(super) fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first_of(one), self.first_of(other));
        self.0[one.max(other)] = one.min(other);
    }
}
