//! Finding rows of one file that have the same key, two million keys within 96 MiB. Two unique columns
//! of two million rows take 80 MiB (100 for the moment in which the last list grows and is copied), each
//! further one 40 more.
//!
//! Of each key [`KeyList`] remembers 20 bytes: a hash of its text folded coarser than any collation,
//! a hash of the text itself, the row. Keys with the same fold may be equal, and where two folds share
//! a hash they are asked about in vain; those with the same text are, under every collation. What is left, keys of one fold with different texts, is a
//! [`Question`] to the database: what marks all that are equal to this one? Each takes 12 bytes more,
//! and each text is asked about once, however many share a fold. Shown by `tests/it/keys.rs` and
//! `tests/it/duplicates.rs`.

use std::hash::{DefaultHasher, Hasher};

/// What is remembered of one key: fold (two words), text (two), row.
type Packed = [u32; 5];
/// Where the row stands.
const ROW: usize = 4;

/// The most related rows that a fault names (domain, `RowError`).
const MOST_RELATED: usize = 10;

/// One key of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Equal for all keys that a collation may find equal; of a list's the low 64 bits count.
    pub fold: u128,
    /// Equal for equal texts.
    pub text: u64,
    /// The row.
    pub row: u32,
}

impl Key {
    fn pack(self) -> Packed {
        let [_, _, a, b] = words(self.fold);
        let [_, _, c, d] = words(self.text.into());
        [a, b, c, d, self.row]
    }

    fn unpack(packed: &Packed) -> Self {
        let [a, b, c, d, row] = *packed;
        let joined = |high, low| u64::from(high) << 32 | u64::from(low);
        Self {
            fold: joined(a, b).into(),
            text: joined(c, d),
            row,
        }
    }
}

/// From the highest to the lowest, so that packed keys sort as their numbers.
fn words(number: u128) -> [u32; 4] {
    let bytes = number.to_be_bytes();
    let (words, _) = bytes.as_chunks::<4>();
    [words[0], words[1], words[2], words[3]].map(u32::from_be_bytes)
}

/// A hash of a key's text, the parts told apart.
pub fn text_hash<'a>(parts: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// The keys of all rows for one key set.
#[derive(Debug, Default)]
pub struct KeyList {
    keys: Vec<Packed>,
}

/// Asks for the key of a row, and what marks those that are equal to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The row.
    pub row: u32,
    /// Where the keys with its text stand in the list.
    from: u32,
    end: u32,
}

impl KeyList {
    /// Adds a key.
    pub fn push(&mut self, key: Key) {
        self.keys.push(key.pack());
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Packed>()
    }

    /// All keys have come: leaves those that share their fold with another.
    #[must_use]
    pub fn suspects(mut self) -> Suspects {
        self.keys.sort_unstable();
        keep_runs(&mut self.keys, same_fold);
        self.keys.shrink_to_fit();
        Suspects { keys: self.keys }
    }
}

/// Keys that share their fold, sorted by fold, text and row.
#[derive(Debug)]
pub struct Suspects {
    keys: Vec<Packed>,
}

impl Suspects {
    /// Bytes that it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Packed>()
    }

    /// All questions, by their rows, which rise: one for each text of those keys that share their fold
    /// with keys of another text.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        let mut from = 0;
        for group in self.keys.chunk_by(same_fold) {
            let texts = group.chunk_by(same_text);
            let differ = texts.clone().nth(1).is_some();
            for text in texts {
                let end = from + u32::try_from(text.len()).unwrap_or(u32::MAX);
                if differ {
                    let row = Key::unpack(&text[0]).row;
                    questions.push(Question { row, from, end });
                }
                from = end;
            }
        }
        questions.sort_unstable_by_key(|question| question.row);
        questions
    }

    /// Takes answers, a mark for each question: of keys with one fold those with equal marks are equal.
    pub fn answer(&mut self, questions: &[Question], marks: &[u64]) {
        for (question, mark) in questions.iter().zip(marks) {
            for packed in &mut self.keys[question.from as usize..question.end as usize] {
                let key = Key::unpack(packed);
                *packed = Key { text: *mark, ..key }.pack();
            }
        }
    }

    /// All questions have been answered: the rows whose keys are equal.
    #[must_use]
    pub fn settle(mut self) -> Duplicates {
        self.keys.sort_unstable();
        keep_runs(&mut self.keys, same_text);
        let count = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let mut by_row: Vec<u32> = (0..count).collect();
        by_row.sort_unstable_by_key(|at| self.keys[*at as usize][ROW]);
        Duplicates {
            keys: self.keys,
            by_row,
        }
    }
}

/// Rows that have their key in common with others.
#[derive(Debug)]
pub struct Duplicates {
    /// Sorted; a run of equal fold and text is a class.
    keys: Vec<Packed>,
    by_row: Vec<u32>,
}

impl Duplicates {
    /// Rows concerned.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Packed>() + self.by_row.capacity() * size_of::<u32>()
    }

    /// True when no two keys are equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Each row concerned, rising, with the first of the others that have its key.
    pub fn rows(&self) -> impl Iterator<Item = (u32, Vec<u32>)> + '_ {
        self.by_row.iter().map(|at| {
            let own = &self.keys[*at as usize];
            let from = self.keys.partition_point(|key| key[..ROW] < own[..ROW]);
            let class = self.keys[from..].iter();
            let class = class.take_while(|key| same_text(key, own));
            let others = class.map(|key| key[ROW]).filter(|row| *row != own[ROW]);
            (own[ROW], others.take(MOST_RELATED).collect())
        })
    }
}

fn same_fold(one: &Packed, other: &Packed) -> bool {
    one[..2] == other[..2]
}

fn same_text(one: &Packed, other: &Packed) -> bool {
    one[..ROW] == other[..ROW]
}

/// Keeps of sorted keys the runs of two and more, in place.
fn keep_runs(keys: &mut Vec<Packed>, same: fn(&Packed, &Packed) -> bool) {
    let mut kept = 0;
    let mut from = 0;
    while from < keys.len() {
        let mut end = from + 1;
        while end < keys.len() && same(&keys[from], &keys[end]) {
            end += 1;
        }
        if end - from > 1 {
            keys.copy_within(from..end, kept);
            kept += end - from;
        }
        from = end;
    }
    keys.truncate(kept);
}
