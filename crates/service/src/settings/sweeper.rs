//! `[sweeper]` and `[retention]`: of the stuck-task-sweeper.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[sweeper]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SweeperSettings {
    /// Pause between two looks for rows whose worker has vanished, plus up to half. A killed worker's
    /// work goes on after `worker.lease_seconds` and this.
    pub interval_seconds: u32,
}

impl SweeperSettings {
    /// `interval_seconds` as a duration.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds.into())
    }
}

impl Default for SweeperSettings {
    fn default() -> Self {
        Self {
            interval_seconds: 5,
        }
    }
}

/// `[retention]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Pause between two looks for what has had its time, plus up to half.
    pub interval_seconds: u32,
    /// How long finished rows, deleted tasks and dead letters that were dealt with are kept; and what
    /// a retry of an import needs, such as its batches. For so long work that is submitted twice is
    /// one row.
    pub rows_days: u32,
    /// How long after the end of a task its attempts' leftovers in storage are removed. Long enough
    /// for a worker that hangs to have been ended: what it writes afterwards would stay.
    pub leftovers_hours: u32,
}

impl RetentionSettings {
    /// `interval_seconds` as a duration.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds.into())
    }

    /// `rows_days` as a duration.
    pub fn rows(&self) -> Duration {
        Duration::from_secs(u64::from(self.rows_days) * 24 * 3_600)
    }

    /// `leftovers_hours` as a duration.
    pub fn leftovers(&self) -> Duration {
        Duration::from_secs(u64::from(self.leftovers_hours) * 3_600)
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            interval_seconds: 60,
            rows_days: 30,
            leftovers_hours: 24,
        }
    }
}
