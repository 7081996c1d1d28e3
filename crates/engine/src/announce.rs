//! Ringing: right after a commit ([`Announcer::announce`]) and for rows that became due
//! ([`Relay`]).
//!
//! The caller never waits for Kafka. A ring that is not delivered is retracted, so that the relay
//! rings again; a crash between commit and ring costs one scan interval. Shown by
//! `tests/it/kafka_away.rs`.

use std::time::Duration;

use bus::{Ringer, TraceHeaders};
use domain::{Lane, Rung};
use rand::RngExt;
use store::{Announced, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chain::Chain;

/// Rows that the relay takes from one lane in one pass.
const RELAY_BATCH: usize = 500;

/// Pause between passes of the relay that found nothing, in milliseconds, plus up to half.
const RELAY_PAUSE_MILLIS: u64 = 500;

/// Longest wait for Kafka to say that it is back, in milliseconds.
const KAFKA_PATIENCE_MILLIS: u64 = 1_000;

/// Rings that wait for their delivery report at once; past it, rows are left to the scan.
const RINGS_UNDER_WAY: usize = 10_000;

/// Rows born together that are rung at once; the next follow when all of these have their report.
const BORN_RINGS_AT_ONCE: usize = 200;

/// Rows in one transaction that takes announcements back.
const RETRACTED_AT_ONCE: usize = 500;

/// Sends rings for rows that are marked as announced. Cheap to clone.
#[derive(Clone)]
pub struct Announcer {
    store: Store,
    ringer: Ringer,
    under_way: TaskTracker,
}

impl Announcer {
    /// An announcer over the given store and producer.
    #[must_use]
    pub fn new(store: Store, ringer: Ringer) -> Self {
        Self {
            store,
            ringer,
            under_way: TaskTracker::new(),
        }
    }

    /// Rings one row in the background. `runtime` tasks outlive the caller's request.
    pub fn announce(&self, lane: Lane, row: Announced) {
        if self.under_way.len() >= RINGS_UNDER_WAY {
            metrics::counter!("quayside_rings_left_to_scan_total").increment(1);
            return;
        }
        let announcer = self.clone();
        let ringing = async move { announcer.ring(&lane, &[row]).await };
        self.under_way.spawn_on(ringing, self.store.runtime());
    }

    /// Rings rows that were born together, in the background: each by a ring of its own, so that all
    /// workers of a lane get some. Once a ring fails, the rows behind it are given back to the relay
    /// instead of being rung.
    pub fn announce_all(&self, rows: Vec<(Lane, Announced)>) {
        if rows.is_empty() {
            return;
        }
        if self.under_way.len() >= RINGS_UNDER_WAY {
            metrics::counter!("quayside_rings_left_to_scan_total").increment(rows.len() as u64);
            return;
        }
        let announcer = self.clone();
        let ringing = async move { announcer.ring_all(&rows).await };
        self.under_way.spawn_on(ringing, self.store.runtime());
    }

    async fn ring_all(&self, rows: &[(Lane, Announced)]) {
        let mut left = rows;
        while !left.is_empty() {
            let (now, later) = left.split_at(BORN_RINGS_AT_ONCE.min(left.len()));
            let rings = now
                .iter()
                .map(|(lane, row)| self.ring(lane, std::slice::from_ref(row)));
            let delivered = futures::future::join_all(rings).await;
            if delivered.contains(&false) {
                return self.give_back(later).await;
            }
            left = later;
        }
    }

    /// Makes rows that nobody will ring due at once, for relay and scan.
    async fn give_back(&self, rows: &[(Lane, Announced)]) {
        for rows in rows.chunks(RETRACTED_AT_ONCE) {
            let rung: Vec<Rung> = rows.iter().map(|(_, row)| row.rung).collect();
            if let Err(error) = self.store.retract(&rung).await {
                tracing::warn!(error = %Chain(&error), "rows that were not rung wait for the scan");
            }
        }
    }

    /// Waits until every ring has its report, then flushes the producer; at most so long.
    pub async fn close(&self, patience: Duration) {
        self.under_way.close();
        if tokio::time::timeout(patience, self.under_way.wait())
            .await
            .is_err()
        {
            tracing::warn!("rings were still under way at the end; the scan makes them good");
        }
        if let Err(error) = self.ringer.flush(patience).await {
            tracing::warn!(error = %Chain(&error), "the producer could not be flushed");
        }
    }

    async fn kafka_answers(&self) -> bool {
        self.ringer
            .health(Duration::from_millis(KAFKA_PATIENCE_MILLIS))
            .await
            .is_ok()
    }

    /// Rings the rows, one ring, and retracts what was not delivered. Whether it was.
    async fn ring(&self, lane: &Lane, rows: &[Announced]) -> bool {
        let rung: Vec<Rung> = rows.iter().map(|row| row.rung).collect();
        let trace = rows.first().and_then(|row| row.trace_context.clone());
        let trace = TraceHeaders::new(trace, None);
        let Err(error) = self.ringer.ring(lane, &rung, &trace).await else {
            return true;
        };
        tracing::warn!(lane = %lane, rows = rung.len(), error = %Chain(&error),
            "a ring was not delivered; relay and scan make it good");
        if let Err(error) = self.store.retract(&rung).await {
            tracing::warn!(lane = %lane, error = %Chain(&error), "its rows wait for the scan");
        }
        false
    }
}

/// Finds rows that became due and rings them: one loop, safe to run in several processes.
pub struct Relay {
    /// Where the rows are and how they are rung.
    pub announcer: Announcer,
    /// The lanes that it looks after, each with its rows per ring and scan interval.
    pub lanes: Vec<RelayLane>,
}

/// One lane of the relay.
#[derive(Debug, Clone)]
pub struct RelayLane {
    /// The topic.
    pub lane: Lane,
    /// Rows in one ring.
    pub ring_size: usize,
    /// When the scan looks at an announced row.
    pub scan_interval: Duration,
}

impl Relay {
    /// Runs until stopped, each lane by itself: a lane whose topic is missing holds up no other.
    /// Errors are logged and tried again later. While a lane's rings fail, none of its rows is marked
    /// before Kafka answers, so that the scan sees them all; then one row is the probe; and passes
    /// become rarer, so that an outage does not become a storm.
    pub async fn run(self, stop: CancellationToken) {
        let lanes = self.lanes.iter().map(|lane| self.look_after(lane, &stop));
        futures::future::join_all(lanes).await;
    }

    async fn look_after(&self, lane: &RelayLane, stop: &CancellationToken) {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let passed = if failures == 0 {
                self.pass(lane, RELAY_BATCH).await
            } else if self.announcer.kafka_answers().await {
                self.pass(lane, 1).await
            } else {
                Pass::Failed
            };
            failures = match passed {
                Pass::Rung(_) => 0,
                Pass::Failed => failures.saturating_add(1),
            };
            if let Pass::Rung(0) | Pass::Failed = passed {
                let wait = Duration::from_millis(RELAY_PAUSE_MILLIS << failures.min(5));
                let wait = wait.mul_f64(1.0 + 0.5 * rand::rng().random::<f64>());
                stop.run_until_cancelled(tokio::time::sleep(wait)).await;
            }
        }
    }

    async fn pass(&self, lane: &RelayLane, limit: usize) -> Pass {
        let store = &self.announcer.store;
        let due = match store
            .announce_due(&lane.lane, limit, lane.scan_interval)
            .await
        {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(lane = %lane.lane, error = %Chain(&error), "the relay cannot look");
                return Pass::Failed;
            }
        };
        let rings = due.chunks(lane.ring_size.max(1));
        let rings = rings.map(|rows| self.announcer.ring(&lane.lane, rows));
        let delivered = futures::future::join_all(rings).await;
        metrics::counter!("quayside_relayed_rows_total", "lane" => lane.lane.to_string())
            .increment(due.len() as u64);
        if delivered.contains(&false) {
            Pass::Failed
        } else {
            Pass::Rung(due.len())
        }
    }
}

enum Pass {
    Rung(usize),
    Failed,
}
