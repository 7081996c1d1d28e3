//! The member's side of the group: assignments, outages and lag, as the Kafka client reports them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::Lane;
use rdkafka::ClientContext;
use rdkafka::Statistics;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};

use super::ledger::{Ledger, Position};
use crate::client;

/// What the client tells us, and what we have to remember between its calls.
pub(super) struct Member {
    lane: Lane,
    paused: AtomicBool,
    out_of_reach: AtomicBool,
    ledger: Mutex<Ledger>,
}

impl Member {
    pub(super) fn new(lane: &Lane) -> Self {
        Self {
            lane: lane.clone(),
            paused: AtomicBool::new(false),
            out_of_reach: AtomicBool::new(false),
            ledger: Mutex::default(),
        }
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
    }

    pub(super) fn partitions(&self) -> Vec<i32> {
        self.ledger().partitions()
    }

    pub(super) fn deliver(&self, partition: i32, offset: i64) -> Position {
        self.recovered();
        self.ledger().deliver(partition, offset)
    }

    /// Calls `store` with the offset to store, if any, before a rebalance can take the partition.
    pub(super) fn acknowledge(&self, at: Position, store: impl FnOnce(i64)) {
        let mut ledger = self.ledger();
        if let Some(offset) = ledger.acknowledge(at) {
            store(offset);
        }
    }

    /// An error that the client mends by itself: counted, and logged once per outage.
    pub(super) fn met(&self, error: &KafkaError) {
        metrics::counter!("quayside_ring_consumer_errors_total", "lane" => self.lane.to_string())
            .increment(1);
        if self.out_of_reach.swap(true, Ordering::SeqCst) {
            tracing::debug!(lane = %self.lane, %error, "the lane is still out of reach");
        } else {
            tracing::warn!(lane = %self.lane, %error,
                "the lane is out of reach; rings wait, the scan goes on");
        }
    }

    fn recovered(&self) {
        if self.out_of_reach.swap(false, Ordering::SeqCst) {
            tracing::info!(lane = %self.lane, "the lane is in reach again");
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", lane = %self.lane, %error, reason,
            "the Kafka client reports an error");
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics
            .topics
            .get(self.lane.as_str())
            .map(|topic| &topic.partitions);
        let lag: i64 = partitions
            .into_iter()
            .flat_map(|all| all.values())
            .filter(|partition| partition.fetch_state == "active")
            .map(|partition| partition.consumer_lag.max(0))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let lag = lag as f64;
        metrics::gauge!("quayside_ring_lag_messages", "lane" => self.lane.to_string()).set(lag);
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        metrics::counter!("quayside_ring_rebalances_total", "lane" => self.lane.to_string())
            .increment(1);
        let mut ledger = self.ledger();
        match rebalance {
            Rebalance::Assign(list) => {
                list.elements()
                    .iter()
                    .for_each(|one| ledger.assigned(one.partition()));
            }
            Rebalance::Revoke(list) => {
                list.elements()
                    .iter()
                    .for_each(|one| ledger.revoked(one.partition()));
            }
            Rebalance::Error(error) => {
                tracing::warn!(lane = %self.lane, %error, "a rebalance failed");
            }
        }
    }

    fn post_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else {
            return;
        };
        self.recovered();
        // A partition that was paused when it left us comes back as it was, so both ways are said.
        let told = if self.paused.load(Ordering::SeqCst) {
            client.pause(list)
        } else {
            client.resume(list)
        };
        if let Err(error) = told {
            tracing::warn!(lane = %self.lane, %error, "new partitions could not be paused");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(lane = %self.lane, %error,
                "a commit was refused; the next owner sees the messages again");
        }
    }
}
