//! The rhythm of heartbeats.

use std::time::{Duration, Instant};

/// Progress is written this often when it has moved, in milliseconds; the lease is extended at a
/// third of its length whether it has moved or not.
const PROGRESS_MILLIS: u64 = 1_000;

/// When to beat: a third of the lease without fail, oftener while there is progress to tell.
pub(crate) struct Pulse {
    lease: Duration,
    last: Instant,
    ticks: tokio::time::Interval,
}

impl Pulse {
    pub(crate) fn new(lease: Duration) -> Self {
        let period = (lease / 3).min(Duration::from_millis(PROGRESS_MILLIS));
        let mut ticks = tokio::time::interval(period.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            lease,
            last: Instant::now(),
            ticks,
        }
    }

    pub(crate) async fn next(&mut self) {
        self.ticks.tick().await;
    }

    pub(crate) fn felt(&mut self) {
        self.last = Instant::now();
    }

    /// One tick early, so that no beat comes later than a third of the lease.
    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() + self.ticks.period() > self.lease / 3
    }

    /// How long a beat may still take: two thirds of the lease after the last one.
    pub(crate) fn patience(&self) -> Duration {
        (self.lease * 2 / 3).saturating_sub(self.last.elapsed())
    }
}
