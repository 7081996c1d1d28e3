//! Work and messages that are set aside for a person: where they stand, and what may be done.

use crate::closed_set::closed_set;

/// The biz type of the row that brings a dead letter to the attention of a person. Such a row makes
/// no dead letter itself: given up, it leaves its letter [`DeadLetterStatus::Parked`].
pub const DEAD_LETTER: &str = "DEAD_LETTER";

closed_set! {
    /// Where a dead letter stands. The first and the last wait for a person.
    DeadLetterStatus {
        /// Nobody has acted on it.
        Open = "OPEN",
        /// A person put its work back.
        Redriven = "REDRIVEN",
        /// A person decided that nothing is to be done.
        Discarded = "DISCARDED",
        /// Nobody has acted on it, and nobody could be told of it either.
        Parked = "PARKED",
    }
}

impl DeadLetterStatus {
    /// Whether it still waits for a person.
    #[must_use]
    pub const fn waits(self) -> bool {
        match self {
            Self::Open | Self::Parked => true,
            Self::Redriven | Self::Discarded => false,
        }
    }
}

closed_set! {
    /// What a dead letter is made of.
    DeadLetterSource {
        /// A row that was given up.
        Row = "ROW",
        /// A message that cannot be worked on.
        Message = "MESSAGE",
    }
}

closed_set! {
    /// What a person may do with a dead letter.
    DeadLetterAct {
        /// Put its work back.
        Redrive = "redrive",
        /// Decide that nothing is to be done.
        Discard = "discard",
    }
}

impl DeadLetterAct {
    /// What may be done with a letter that stands there. A message can only be discarded: the row
    /// that it may have been about is found by the scan.
    #[must_use]
    pub const fn allowed(source: DeadLetterSource, status: DeadLetterStatus) -> &'static [Self] {
        match (status.waits(), source) {
            (true, DeadLetterSource::Row) => &[Self::Redrive, Self::Discard],
            (true, DeadLetterSource::Message) => &[Self::Discard],
            (false, _) => &[],
        }
    }
}
