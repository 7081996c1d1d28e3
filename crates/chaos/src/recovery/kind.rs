//! What is watched, and by when it is to be well, where anything is promised.

use std::time::Duration;

use crate::run::{LEASE, SWEEP};

/// What is to be well by when: after a server's return, and after a worker's death.
const AFTER_OUTAGE: Duration = Duration::from_secs(10);
/// A second more than it takes: it must be seen, too.
const AFTER_DEATH: Duration = LEASE
    .saturating_add(SWEEP)
    .saturating_add(Duration::from_secs(1));

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    MysqlWork,
    SilenceWork,
    BrokerRings,
    BrokerWork,
    KilledRows,
    FrozenRows,
    Ready,
    TopicRings,
}

impl Kind {
    /// The words of the report.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::MysqlWork => "MySQL back, work goes on",
            Self::SilenceWork => "MySQL silent, work goes on",
            Self::BrokerRings => "broker back, a ring is claimed",
            Self::BrokerWork => "broker back, work goes on",
            Self::KilledRows => "killed, rows taken over",
            Self::FrozenRows => "frozen, rows taken over",
            Self::Ready => "ready again",
            Self::TopicRings => "topic back, a ring of its lane is claimed",
        }
    }

    /// By when, unless another fault came in between.
    pub(crate) const fn bound(self) -> Option<Duration> {
        match self {
            Self::MysqlWork | Self::SilenceWork | Self::BrokerRings | Self::BrokerWork => {
                Some(AFTER_OUTAGE)
            }
            Self::KilledRows | Self::FrozenRows => Some(AFTER_DEATH),
            Self::Ready | Self::TopicRings => None,
        }
    }
}
