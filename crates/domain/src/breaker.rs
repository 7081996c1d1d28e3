//! When a lane is paused by itself, so that a bad deploy does not drain it into dead letters
//! (cases.md C 12), and for how long.
//!
//! Counts alone decide, no clock: 50 bad ends in a row, or more than 5 % of the last 200 once there
//! are 100. A panic is bad, and so is a message that cannot be read, a transient failure whose tries
//! are spent, and a failure of ours that no try mends. What a user did wrong says nothing.
//! Shown by `tests/it/breaker.rs`.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::closed_set::closed_set;
use crate::failure::{Failure, FailureCode, FailureKind};

closed_set! {
    /// Whether a lane is worked on.
    LaneState {
        /// Every worker takes its rows.
        Open = "OPEN",
        /// Nobody does.
        Paused = "PAUSED",
        /// One worker tries one row, to find out whether it may be opened.
        Probing = "PROBING",
    }
}

closed_set! {
    /// What speaks against a lane.
    LaneFault {
        /// A handler panicked.
        Panic = "panic",
        /// A message was no ring.
        Undecodable = "undecodable",
        /// A transient failure had no further try.
        Spent = "spent",
        /// A failure of ours for which no further try would have helped.
        Internal = "internal",
    }
}

/// What the end of an attempt, or a message, says of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Work gets done.
    Good,
    /// It does not.
    Bad(LaneFault),
    /// A transient failure that is tried again: not counted, but no good sign from a probe.
    TriedAgain,
    /// Nothing: a user's mistake, a cancel, a lost lease, a hand-back.
    Neither,
}

impl Verdict {
    /// Of an attempt that failed; `given_up` when the row gets no further try.
    #[must_use]
    pub fn of(failure: &Failure, panicked: bool, given_up: bool) -> Self {
        match failure.kind {
            FailureKind::Transient if panicked => Self::Bad(LaneFault::Panic),
            FailureKind::Transient if given_up => Self::Bad(LaneFault::Spent),
            FailureKind::Transient => Self::TriedAgain,
            FailureKind::Permanent if failure.code == FailureCode::Internal => {
                Self::Bad(LaneFault::Internal)
            }
            FailureKind::Permanent
            | FailureKind::Rejected
            | FailureKind::Cancelled
            | FailureKind::LeaseLost => Self::Neither,
        }
    }
}

/// Why a lane was paused by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    /// What there was most of.
    pub fault: LaneFault,
    /// Bad ends among those that count.
    pub bad: usize,
    /// Ends that count.
    pub of: usize,
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, bad, of } = self;
        write!(f, "{bad} of the last {of} ended badly, most by: {fault}")
    }
}

/// The last ends on a lane, as one worker saw them.
#[derive(Debug, Clone, Default)]
pub struct BreakerWindow {
    last: VecDeque<Option<LaneFault>>,
    in_a_row: usize,
}

impl BreakerWindow {
    /// Ends that count.
    pub const MOST: usize = 200;
    /// Ends before a share of them means anything.
    pub const LEAST: usize = 100;
    /// Bad ends in a row that pause the lane, however few came before.
    pub const IN_A_ROW: usize = 50;
    /// Bad ends among the last, in percent, that the lane bears.
    pub const PERCENT: usize = 5;

    /// Counts one end. Whether the lane is to be paused; then counting begins anew.
    pub fn record(&mut self, verdict: Verdict) -> Option<Trip> {
        let fault = match verdict {
            Verdict::Good => None,
            Verdict::Bad(fault) => Some(fault),
            Verdict::TriedAgain | Verdict::Neither => return None,
        };
        if self.last.len() == Self::MOST {
            self.last.pop_front();
        }
        self.last.push_back(fault);
        self.in_a_row = if fault.is_some() {
            self.in_a_row + 1
        } else {
            0
        };
        let (bad, of) = (self.last.iter().flatten().count(), self.last.len());
        let too_many = of >= Self::LEAST && bad * 100 > of * Self::PERCENT;
        // Only a bad end trips: a good one must not pay for those before it.
        let trips = fault.is_some() && (too_many || self.in_a_row >= Self::IN_A_ROW);
        let fault = trips.then(|| self.commonest()).flatten()?;
        *self = Self::default();
        Some(Trip { fault, bad, of })
    }

    fn commonest(&self) -> Option<LaneFault> {
        let times =
            |fault: &&LaneFault| self.last.iter().flatten().filter(|it| it == fault).count();
        LaneFault::ALL.iter().max_by_key(times).copied()
    }
}

/// How long a lane stays paused by itself, and how it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerTerms {
    /// The first pause; each further trip doubles it.
    pub pause: Duration,
    /// The longest pause. A lane that stays open for so long is as good as new.
    pub longest_pause: Duration,
    /// How long one probe may take before another is begun.
    pub probe: Duration,
    /// How often each worker looks at the lane's state.
    pub look: Duration,
}

impl BreakerTerms {
    /// How long the lane stays paused after its `trips`-th trip (from 1).
    #[must_use]
    pub fn pause_after(&self, trips: u32) -> Duration {
        let doublings = trips.saturating_sub(1).min(31);
        let pause = self.pause.saturating_mul(1_u32 << doublings);
        pause.min(self.longest_pause.max(self.pause))
    }
}

impl Default for BreakerTerms {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(30),
            longest_pause: Duration::from_secs(900),
            probe: Duration::from_secs(60),
            look: Duration::from_secs(2),
        }
    }
}
