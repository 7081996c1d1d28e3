//! The directories that attempts write to, below `domain::task_prefix`.

use domain::{CompensateBizId, LeaseEpoch};
use store::AttemptsEnd;

/// A directory of one attempt, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptDirectory {
    /// `e<epoch>`: of an export, or of the reading of an import's file (export-worker's `job.rs`,
    /// import-worker's `batches.rs`).
    First(LeaseEpoch),
    /// `f<row>-e<epoch>`: of the end of an import (import-worker's `batches.rs`).
    Finish(CompensateBizId, LeaseEpoch),
}

impl AttemptDirectory {
    /// None for a name that no attempt gives: whatever it is, it is not ours to remove.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let epoch = |text: &str| {
            let number = text.strip_prefix('e')?.parse().ok()?;
            Some(LeaseEpoch(number))
        };
        match name.strip_prefix('f').and_then(|rest| rest.split_once('-')) {
            Some((row, rest)) => {
                let row = CompensateBizId(row.parse().ok()?);
                Some(Self::Finish(row, epoch(rest)?))
            }
            None => epoch(name).map(Self::First),
        }
    }

    /// Whether its attempt is over and nothing in it will be read again, unless it can be fetched.
    pub(crate) fn is_over(self, end: &AttemptsEnd) -> bool {
        match self {
            Self::First(epoch) => end.is_over(epoch),
            Self::Finish(row, epoch) => end.finish_is_over(row, epoch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_attempts_give_are_directories_of_attempts() {
        let first = |epoch| Some(AttemptDirectory::First(LeaseEpoch(epoch)));
        assert_eq!(AttemptDirectory::of("e7"), first(7));
        let finish = AttemptDirectory::Finish(CompensateBizId(12), LeaseEpoch(3));
        assert_eq!(AttemptDirectory::of("f12-e3"), Some(finish));
        for other in [
            "", "e", "e7x", "x7", "7", "f12", "f-e3", "f12-3", "f12-e", "kept",
        ] {
            assert_eq!(AttemptDirectory::of(other), None, "{other}");
        }
    }
}
