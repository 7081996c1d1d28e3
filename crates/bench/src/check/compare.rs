//! Rows found against rows expected.

use anyhow::{Result, bail, ensure};

/// The cells of a row as MySQL writes them; None is null.
pub type Row = Vec<Option<String>>;

/// What stands in a column of the peers' table `member`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Decimal,
    Text,
    Date,
    DateTime,
}

/// id, member_no, name, mobile, email, level, points, balance, birthday, created_at, remark
pub(super) const KINDS: [Kind; 11] = [
    Kind::Integer,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Integer,
    Kind::Integer,
    Kind::Decimal,
    Kind::Date,
    Kind::DateTime,
    Kind::Text,
];

/// Compares in order, and counts.
pub(super) struct Comparison<I> {
    expected: I,
    rows: u64,
}

impl<I: Iterator<Item = Row>> Comparison<I> {
    pub(super) fn new(expected: I) -> Self {
        Self { expected, rows: 0 }
    }

    /// The next row of the file.
    pub(super) fn row(&mut self, found: &[Option<String>]) -> Result<()> {
        self.rows += 1;
        let rows = self.rows;
        let Some(expected) = self.expected.next() else {
            bail!("there is a row {rows}, and there should be none");
        };
        ensure!(
            found == expected,
            "row {rows} is {found:?} and should be {expected:?}"
        );
        Ok(())
    }

    /// How many rows there were; one that is missing at the end is told.
    pub(super) fn end(mut self) -> Result<u64> {
        let rows = self.rows;
        if let Some(expected) = self.expected.next() {
            bail!("after {rows} rows there is no {expected:?}");
        }
        Ok(rows)
    }
}
