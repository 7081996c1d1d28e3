//! What can go wrong on the bus, as the caller has to tell it apart.

use domain::Lane;
use rdkafka::error::KafkaError;
use thiserror::Error;

use crate::ring::MAX_ROWS_PER_RING;

/// A failure of the bus.
#[derive(Debug, Error)]
pub enum BusError {
    /// A setting in the free table would break a promise of this crate.
    #[error("the Kafka client setting {key:?} is fixed by Quayside and cannot be set")]
    FixedSetting {
        /// The setting's name.
        key: String,
    },
    /// librdkafka does not take the settings.
    #[error("the Kafka client does not take its settings")]
    Settings(#[source] KafkaError),
    /// A ring without rows, or with more than it may hold.
    #[error("a ring holds 1 to {MAX_ROWS_PER_RING} rows, not {rows}")]
    RingSize {
        /// How many rows were given.
        rows: usize,
    },
    /// No confirmation came within the delivery time-out: the ring may or may not have arrived.
    #[error("the ring on {lane} was not confirmed")]
    Undelivered {
        /// The lane that was rung.
        lane: Lane,
        /// What the client says.
        source: KafkaError,
    },
    /// The client of a lane is beyond repair; make a new one.
    #[error("the Kafka client of {lane} gave up")]
    Fatal {
        /// The lane that was consumed.
        lane: Lane,
        /// What the client says.
        source: KafkaError,
    },
    /// The brokers refused, or were not reached, when asked for something (topics, metadata,
    /// a commit, a flush).
    #[error("Kafka did not {what}")]
    Refused {
        /// What was asked for, as a verb phrase.
        what: &'static str,
        /// What the client says.
        source: KafkaError,
    },
    /// The given time passed first.
    #[error("Kafka did not {what} within {timeout_ms} ms")]
    TimedOut {
        /// What was asked for, as a verb phrase.
        what: &'static str,
        /// The bound that passed.
        timeout_ms: u128,
    },
}
