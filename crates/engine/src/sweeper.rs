//! Looking after rows whose worker has vanished: one loop, no leader, several may run.

use std::time::{Duration, Instant};

use domain::Lane;
use rand::RngExt;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;

/// Rows rescued in one transaction.
const SWEEP_BATCH: usize = 100;

/// Rescues rows whose lease has ended (`Store::sweep`).
///
/// Does nothing in the first lease period after its start or after the database was away: workers
/// that could not send heartbeats meanwhile get the time to (cases.md C 4). Shown by
/// `tests/it/sweeper.rs`.
pub struct Sweeper {
    /// The truth.
    pub store: Store,
    /// The lanes that it looks after.
    pub lanes: Vec<Lane>,
    /// The longest lease of these lanes.
    pub lease: Duration,
    /// Pause between passes, plus up to half.
    pub interval: Duration,
}

impl Sweeper {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut wait = self.lease;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = if self.pass().await {
                self.interval
                    .mul_f64(1.0 + 0.5 * rand::rng().random::<f64>())
            } else {
                self.lease
            };
        }
    }

    /// One pass over all lanes; whether the database answered, and at once: after a pause of its own
    /// the workers' heartbeats must come first.
    async fn pass(&self) -> bool {
        let asked = Instant::now();
        let mut answered = match self.store.ping().await {
            Ok(()) => asked.elapsed() < self.lease / 3,
            Err(_away) => false,
        };
        if !answered {
            tracing::warn!("the database is away or slow; the sweep waits for a lease period");
            return false;
        }
        for lane in &self.lanes {
            answered &= self.sweep(lane).await;
        }
        answered
    }

    async fn sweep(&self, lane: &Lane) -> bool {
        let rescued = match self.store.sweep(lane, SWEEP_BATCH).await {
            Ok(rescued) => rescued,
            Err(error) => {
                tracing::warn!(lane = %lane, error = %Chain(&error), "the sweep cannot look");
                return false;
            }
        };
        for row in &rescued {
            tracing::warn!(compensate_biz.id = row.id.0, owner = row.owner, now = %row.change.to,
                "rescued a row whose lease had ended");
        }
        metrics::counter!("quayside_rescued_total", "lane" => lane.to_string())
            .increment(rescued.len() as u64);
        true
    }
}
