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
pub enum Kind {
    /// After MySQL was killed.
    MysqlWork,
    /// After nothing passed between it and the house for a while.
    SilenceWork,
    /// After the broker was stopped or killed.
    BrokerRings,
    /// The same.
    BrokerWork,
    /// What a killed worker held.
    KilledRows,
    /// What a frozen worker held.
    FrozenRows,
    /// A process, after its death.
    Ready,
    /// After a topic was deleted and made anew.
    TopicRings,
}

impl Kind {
    /// The words of the report.
    #[must_use]
    pub const fn word(self) -> &'static str {
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

    /// Whether its sign must come, where nothing else is broken: on a lane of its own perhaps nobody
    /// rings for long.
    pub(crate) const fn is_sure_to_show(self) -> bool {
        match self {
            Self::MysqlWork
            | Self::SilenceWork
            | Self::BrokerRings
            | Self::BrokerWork
            | Self::KilledRows
            | Self::FrozenRows
            | Self::Ready => true,
            Self::TopicRings => false,
        }
    }

    /// By when, unless another fault came in between.
    #[must_use]
    pub const fn bound(self) -> Option<Duration> {
        match self {
            Self::MysqlWork | Self::SilenceWork | Self::BrokerRings | Self::BrokerWork => {
                Some(AFTER_OUTAGE)
            }
            Self::KilledRows | Self::FrozenRows => Some(AFTER_DEATH),
            Self::Ready | Self::TopicRings => None,
        }
    }
}
