//! Looking after rows whose worker has vanished: one loop, no leader, several may run.

use std::time::{Duration, Instant};

use domain::{BizStatus, Lane};
use metrics::Unit;
use rand::RngExt;
use store::{Rescued, Store};
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::lanes::lanes_of_rows;

/// Rows rescued in one transaction.
const SWEEP_BATCH: usize = 100;

/// Transactions of one lane in one pass: what is left waits for the next.
const BATCHES_PER_PASS: usize = 20;

/// Pause between looks whether the database is there again.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Rows that the log line of a pass names; where more were rescued, their attempts tell.
const ROWS_NAMED: usize = 20;

/// Rescues rows whose lease has ended (`Store::sweep`), on every lane that any row names: also on
/// those of retired queues, whose rows nobody else would miss.
///
/// Does nothing in the first lease period after its start or after the database was away: workers
/// that could not send heartbeats meanwhile get the time to (cases.md C 4). Shown by
/// `tests/it/sweeper.rs`.
pub struct Sweeper {
    /// The truth.
    pub store: Store,
    /// The longest lease of all workers.
    pub lease: Duration,
    /// Pause between passes, plus up to half.
    pub interval: Duration,
}

impl Sweeper {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        describe();
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
                // Counted from the moment when the database is there again, not from when it left.
                let there = until_answered(&self.store, self.lease / 3);
                if stop.run_until_cancelled(there).await.is_none() {
                    return;
                }
                self.lease
            };
        }
    }

    /// One pass over all lanes; whether the database answered, and at once: after a pause of its own
    /// the workers' heartbeats must come first.
    async fn pass(&self) -> bool {
        let asked = Instant::now();
        let lanes = match lanes_of_rows(&self.store).await {
            Ok(lanes) if asked.elapsed() < self.lease / 3 => lanes,
            Ok(_) => return waits("it is slow"),
            Err(error) => return waits(&Chain(&error).to_string()),
        };
        let mut rescued = Vec::new();
        let mut answered = true;
        for lane in &lanes {
            answered = self.sweep(lane, &mut rescued).await;
            if !answered {
                break;
            }
        }
        tell(&rescued);
        let outcome = if answered { "done" } else { "cut_short" };
        metrics::counter!("quayside_sweep_passes_total", "outcome" => outcome).increment(1);
        metrics::histogram!("quayside_sweep_pass_duration_seconds").record(asked.elapsed());
        answered
    }

    /// Rescues what is to be rescued on a lane; whether the database answered.
    async fn sweep(&self, lane: &Lane, rescued: &mut Vec<Rescued>) -> bool {
        let counter = metrics::counter!("quayside_rescued_total", "lane" => lane.to_string());
        for _ in 0..BATCHES_PER_PASS {
            let mut rows = match self.store.sweep(lane, SWEEP_BATCH).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(lane = %lane, error = %Chain(&error), "the sweep cannot look");
                    return !error.is_transient();
                }
            };
            let found = rows.len();
            counter.increment(found as u64);
            rescued.append(&mut rows);
            // Fewer than were asked for say little: one that cannot be rescued is looked at each time.
            if found == 0 {
                break;
            }
        }
        true
    }
}

/// Asks the database, every second, until it answers within `bound`.
pub async fn until_answered(store: &Store, bound: Duration) {
    loop {
        let asked = Instant::now();
        if store.ping().await.is_ok() && asked.elapsed() < bound {
            return;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn waits(error: &str) -> bool {
    tracing::warn!(
        error,
        "the database is away or slow; the sweep waits for a lease period"
    );
    metrics::counter!("quayside_sweep_passes_total", "outcome" => "waited").increment(1);
    false
}

/// One line for what a pass did, if it did anything. Who held a row stands in its attempts.
fn tell(rescued: &[Rescued]) {
    if rescued.is_empty() {
        return;
    }
    let given_up = rescued
        .iter()
        .filter(|row| row.change.to == BizStatus::Failed);
    let named = rescued.iter().take(ROWS_NAMED).map(|row| row.id.0);
    tracing::warn!(
        rescued = rescued.len(),
        given_up = given_up.count(),
        rows = ?named.collect::<Vec<_>>(),
        "rescued rows whose lease had ended"
    );
}

fn describe() {
    metrics::describe_counter!(
        "quayside_rescued_total",
        Unit::Count,
        "Rows whose lease ended without a word from their worker. To be alerted on: a worker was \
         killed, hung, or cut off from the database."
    );
    metrics::describe_counter!(
        "quayside_sweep_passes_total",
        Unit::Count,
        "Passes over all lanes, by outcome: done; cut_short, by the database; waited, for a lease \
         period, because the database was away or slow."
    );
    metrics::describe_histogram!(
        "quayside_sweep_pass_duration_seconds",
        Unit::Seconds,
        "How long a pass over all lanes took."
    );
    metrics::describe_gauge!(
        "quayside_lanes_without_topic",
        Unit::Count,
        "Names in compensate_biz.lane that no topic can have: nobody can work on their rows. Only a \
         plain SQL insert can write one."
    );
}
