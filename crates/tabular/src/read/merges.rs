//! The merged ranges of a sheet.

use super::{ReadLimits, Refusal, place};

/// What is known of a sheet's merged ranges before a pass over it, and what the pass found.
///
/// They stand behind the rows in the file, so a first pass knows none ([`Merges::default`]). When
/// [`SheetRows::merges`](super::SheetRows::merges) is not empty afterwards, the sheet is read again
/// with them. A covered cell then is [`domain::SheetCell::Merged`], whatever the file holds there.
/// A row in which nothing stands but what a merge from elsewhere gives it is no row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merges {
    /// Each of more than one cell, by rising first row.
    ranges: Vec<Range>,
    filling: bool,
}

/// Upper left and lower right corner, as (row counted from 1, column counted from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) first: (u32, u16),
    pub(super) last: (u32, u16),
}

impl Merges {
    /// The same ranges; with `true` a covered cell gives what its range's first cell holds, instead
    /// of [`domain::SheetCell::Merged`].
    #[must_use]
    pub fn filling(mut self, yes: bool) -> Self {
        self.filling = yes;
        self
    }

    /// True when no range is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(super) fn is_filling(&self) -> bool {
        self.filling
    }

    pub(super) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Adds the range that a `mergeCell` names.
    pub(super) fn add(&mut self, raw: &[u8], limits: &ReadLimits) -> Result<(), Refusal> {
        let range = place::range(raw, limits)?;
        if range.first != range.last {
            self.ranges.push(range);
        }
        if self.ranges.len() > limits.merges {
            return Err(Refusal::beyond("the sheet has too many merged ranges"));
        }
        Ok(())
    }

    /// Puts the ranges in order when all have been added.
    pub(super) fn sort(&mut self) {
        self.ranges.sort_unstable();
    }
}
