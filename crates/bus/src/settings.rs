//! How to reach Kafka, and the client settings that the promises of this crate rest on.

use std::collections::BTreeMap;
use std::fmt;

use domain::Lane;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::BusError;

/// How long the broker has to confirm a ring.
const DELIVERY_TIMEOUT_MS: u64 = 3_000;

/// Settings that the free table may not touch: the promises rest on them.
const FIXED: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "group.id",
    "group.protocol",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "transactional.id",
];

/// How to reach Kafka.
#[derive(Clone, PartialEq, Eq)]
pub struct BusSettings {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// How long the broker has to confirm a ring, in milliseconds.
    pub delivery_timeout_ms: u64,
    /// Further librdkafka settings (TLS, SASL, `session.timeout.ms` …); those that the promises of
    /// this crate rest on are refused.
    pub client: BTreeMap<String, String>,
}

impl BusSettings {
    /// The defaults for these brokers.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            delivery_timeout_ms: DELIVERY_TIMEOUT_MS,
            client: BTreeMap::new(),
        }
    }

    /// The same with one more setting of librdkafka.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.client.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn producer(&self) -> Result<ClientConfig, BusError> {
        let timeout = self.delivery_timeout_ms.to_string();
        self.config(&[
            ("allow.auto.create.topics", "false"),
            ("linger.ms", "1"),
            ("partitioner", "murmur2_random"),
            ("queue.buffering.max.kbytes", "32768"),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("message.timeout.ms", &timeout),
        ])
    }

    pub(crate) fn consumer(&self, lane: &Lane) -> Result<ClientConfig, BusError> {
        self.config(&[
            // The least that brokers allow unless told otherwise. Members that were away for as long as
            // that begin anew, and their group waits as long for what they were before: after a
            // broker's return rings come within this time and a rebalance.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1500"),
            ("auto.commit.interval.ms", "1000"),
            ("statistics.interval.ms", "5000"),
            // A topic that comes, goes or grows is noticed within this time.
            ("topic.metadata.refresh.interval.ms", "10000"),
            // Low latency: a resumed partition joins the next fetch, and a full queue is soon
            // asked again. Little is fetched ahead, for rings are small and the scan is near.
            ("fetch.wait.max.ms", "100"),
            ("fetch.queue.backoff.ms", "20"),
            ("queued.min.messages", "1000"),
            ("queued.max.messages.kbytes", "1024"),
            ("group.id", lane.as_str()),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "true"),
            ("enable.auto.offset.store", "false"),
        ])
    }

    pub(crate) fn admin(&self) -> Result<ClientConfig, BusError> {
        self.config(&[])
    }

    fn config(&self, ours: &[(&str, &str)]) -> Result<ClientConfig, BusError> {
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Info)
            .set("client.id", "quayside")
            .set("bootstrap.servers", &self.brokers)
            .set("reconnect.backoff.max.ms", "2000");
        for (key, value) in ours {
            config.set(*key, *value);
        }
        for (key, value) in &self.client {
            if FIXED.contains(&key.as_str()) {
                return Err(BusError::FixedSetting { key: key.clone() });
            }
            config.set(key, value);
        }
        Ok(config)
    }
}

/// The free table may hold passwords: only its keys are shown.
impl fmt::Debug for BusSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusSettings")
            .field("brokers", &self.brokers)
            .field("delivery_timeout_ms", &self.delivery_timeout_ms)
            .field("client", &self.client.keys())
            .finish()
    }
}
