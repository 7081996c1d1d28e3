//! What the reader of a file should know of.

use domain::Warning;

/// A kind of oddity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// Text longer than a cell holds was cut.
    CellTruncated,
    /// A date or time that the file cannot hold as one was written as text.
    DateAsText,
    /// Text that a program could take for a formula got an apostrophe before it.
    FormulaGuarded,
}

/// How often each kind was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    truncated: u64,
    dates: u64,
    guarded: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, oddity: Oddity) {
        match oddity {
            Oddity::CellTruncated => self.truncated += 1,
            Oddity::DateAsText => self.dates += 1,
            Oddity::FormulaGuarded => self.guarded += 1,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.truncated += other.truncated;
        self.dates += other.dates;
        self.guarded += other.guarded;
    }

    /// What was met, ordered by code.
    pub(crate) fn warnings(self) -> Vec<Warning> {
        let counts = [
            ("cell_truncated", self.truncated),
            ("date_as_text", self.dates),
            ("formula_guarded", self.guarded),
        ];
        let met = counts.into_iter().filter(|(_, count)| *count > 0);
        met.map(|(code, count)| Warning::new(code, count)).collect()
    }
}
