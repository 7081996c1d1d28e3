//! Ringing right after a commit. For rows that became due, see relay.rs.
//!
//! The caller never waits for Kafka. A ring that is not delivered is retracted, so that the relay
//! rings again; a crash between commit and ring costs one scan interval. Shown by
//! `tests/it/kafka_away.rs`.

use std::time::Duration;

use bus::{Ringer, TraceHeaders};
use domain::{Lane, Rung};
use store::{Announced, Store};
use tokio_util::task::TaskTracker;

use crate::chain::Chain;

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
    pub(crate) store: Store,
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
        let rings = rows.into_iter().map(|(lane, row)| (lane, vec![row]));
        self.announce_rings(rings.collect());
    }

    /// As [`Announcer::announce_all`], but the caller says which rows are rung together: of one lane,
    /// 1 to [`bus::MAX_ROWS_PER_RING`].
    pub fn announce_rings(&self, rings: Vec<(Lane, Vec<Announced>)>) {
        if rings.is_empty() {
            return;
        }
        if self.under_way.len() >= RINGS_UNDER_WAY {
            let rows: usize = rings.iter().map(|(_, rows)| rows.len()).sum();
            metrics::counter!("quayside_rings_left_to_scan_total").increment(rows as u64);
            return;
        }
        let announcer = self.clone();
        let ringing = async move { announcer.ring_all(&rings).await };
        self.under_way.spawn_on(ringing, self.store.runtime());
    }

    async fn ring_all(&self, rings: &[(Lane, Vec<Announced>)]) {
        let mut left = rings;
        while !left.is_empty() {
            let (now, later) = left.split_at(BORN_RINGS_AT_ONCE.min(left.len()));
            let rings = now.iter().map(|(lane, rows)| self.ring(lane, rows));
            let delivered = futures::future::join_all(rings).await;
            if delivered.contains(&false) {
                return self.give_back(later).await;
            }
            left = later;
        }
    }

    /// Makes rows that nobody will ring due at once, for relay and scan.
    async fn give_back(&self, rings: &[(Lane, Vec<Announced>)]) {
        let rows = rings.iter().flat_map(|(_, rows)| rows);
        let rung: Vec<Rung> = rows.map(|row| row.rung).collect();
        for rung in rung.chunks(RETRACTED_AT_ONCE) {
            if let Err(error) = self.store.retract(rung).await {
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

    pub(crate) async fn kafka_answers(&self) -> bool {
        self.ringer
            .health(Duration::from_millis(KAFKA_PATIENCE_MILLIS))
            .await
            .is_ok()
    }

    /// Rings the rows, one ring, and retracts what was not delivered. Whether it was.
    pub(crate) async fn ring(&self, lane: &Lane, rows: &[Announced]) -> bool {
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
