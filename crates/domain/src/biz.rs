//! The life of one `compensate_biz` row: its states and the only table of transitions.
//!
//! Store applies what [`transition`] says and nothing else; `tests/it/transitions.rs` walks every
//! state with every event (design.md §5).

use thiserror::Error;

use crate::closed_set::closed_set;
use crate::failure::FailureKind;

closed_set! {
    /// Where a row stands. The last three are final until a person redrives.
    BizStatus {
        /// Waits for a worker, or for its due time.
        WaitHandle = "WAIT_HANDLE",
        /// A worker holds the lease.
        Processing = "PROCESSING",
        /// Done; its effects are committed.
        Success = "SUCCESS",
        /// Given up.
        Failed = "FAILED",
        /// Ended by a person.
        Cancelled = "CANCELLED",
    }
}

impl BizStatus {
    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Success | Self::Failed | Self::Cancelled => true,
            Self::WaitHandle | Self::Processing => false,
        }
    }
}

closed_set! {
    /// How an attempt stands or ended.
    AttemptOutcome {
        /// It is under way.
        Running = "RUNNING",
        /// Its effects are committed.
        Success = "SUCCESS",
        /// It told of a failure.
        Failed = "FAILED",
        /// Its lease ended without a word.
        Lost = "LOST",
    }
}

/// What a transition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowState {
    /// Where the row stands.
    pub status: BizStatus,
    /// Failures so far.
    pub cnt: u32,
    /// Failures after which a transient one is final: `cnt` may reach it, not pass it.
    pub max_cnt: u32,
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A worker takes the right to run it.
    Claim,
    /// The holder has done it.
    Finish,
    /// The holder could not do it.
    Fail(FailureKind),
    /// The holder shuts down and gives it back.
    HandBack,
    /// The lease has ended and nobody extended it.
    Rescue {
        /// The hard deadline has passed as well: no further try.
        deadline_passed: bool,
    },
    /// A person ends it.
    Cancel,
    /// A person puts it back.
    Redrive,
}

/// What the row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The new state.
    pub to: BizStatus,
    /// Whether the right to run it changes hands, so that the epoch rises.
    pub raises_epoch: bool,
    /// Failures so far, after this.
    pub cnt: u32,
    /// Whether a dead letter is written for a person to look at.
    pub dead_letter: bool,
}

/// The event does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a {} row knows no {event:?}", from.as_str())]
pub struct IllegalTransition {
    /// Where the row stands.
    pub from: BizStatus,
    /// What was to happen.
    pub event: Event,
}

/// The table of design.md §5.
///
/// # Errors
/// [`IllegalTransition`] for every pair that the table does not hold.
pub fn transition(row: RowState, event: Event) -> Result<Change, IllegalTransition> {
    use BizStatus::{Cancelled, Failed, Processing, Success, WaitHandle};

    let illegal = IllegalTransition {
        from: row.status,
        event,
    };
    let change = match (row.status, event) {
        (WaitHandle, Event::Claim) => row.to(Processing).raising_epoch(),
        (Processing, Event::Finish) => row.to(Success),
        (Processing, Event::Fail(kind)) => match kind {
            FailureKind::Transient => row.try_again_or_give_up(),
            FailureKind::Permanent => row.counted().to(Failed).with_dead_letter(),
            FailureKind::Rejected => row.counted().to(Failed),
            // Whoever cancelled or took over has settled the row already.
            FailureKind::Cancelled | FailureKind::LeaseLost => return Err(illegal),
        },
        (Processing, Event::HandBack) => row.to(WaitHandle).raising_epoch(),
        (
            Processing,
            Event::Rescue {
                deadline_passed: false,
            },
        ) => row.try_again_or_give_up().raising_epoch(),
        (
            Processing,
            Event::Rescue {
                deadline_passed: true,
            },
        ) => row.counted().to(Failed).raising_epoch().with_dead_letter(),
        (WaitHandle | Processing, Event::Cancel) => row.to(Cancelled).raising_epoch(),
        // A cancelled export may be asked for again (api.md, state of a task); the epoch that cancel
        // raised, raised once more, keeps whoever still runs it out.
        (Failed | Cancelled, Event::Redrive) => Change {
            cnt: 0,
            ..row.to(WaitHandle).raising_epoch()
        },
        (WaitHandle, Event::Finish | Event::Fail(_) | Event::HandBack | Event::Rescue { .. })
        | (WaitHandle | Processing, Event::Redrive)
        | (Processing, Event::Claim)
        | (Success, _)
        | (
            Failed | Cancelled,
            Event::Claim
            | Event::Finish
            | Event::Fail(_)
            | Event::HandBack
            | Event::Rescue { .. }
            | Event::Cancel,
        ) => return Err(illegal),
    };
    Ok(change)
}

impl RowState {
    fn to(self, to: BizStatus) -> Change {
        Change {
            to,
            raises_epoch: false,
            cnt: self.cnt,
            dead_letter: false,
        }
    }

    fn counted(self) -> Self {
        Self {
            cnt: self.cnt.saturating_add(1),
            ..self
        }
    }

    fn try_again_or_give_up(self) -> Change {
        let counted = self.counted();
        if counted.cnt <= self.max_cnt {
            counted.to(BizStatus::WaitHandle)
        } else {
            counted.to(BizStatus::Failed).with_dead_letter()
        }
    }
}

impl Change {
    fn raising_epoch(self) -> Self {
        Self {
            raises_epoch: true,
            ..self
        }
    }

    fn with_dead_letter(self) -> Self {
        Self {
            dead_letter: true,
            ..self
        }
    }
}
