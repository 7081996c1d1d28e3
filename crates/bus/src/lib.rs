//! Kafka, the doorbell: whoever makes work due rings a lane, and a worker of that lane wakes.
//!
//! A ring carries row ids and epochs, never work, so this crate promises little and keeps it:
//! [`Ringer::ring`] returns `Ok` only once the broker has the ring on all in-sync replicas;
//! [`RingConsumer`] commits nothing that was not acknowledged, in order, partition by partition;
//! what cannot be read comes out as a [`Poison`] with its reason, and the loop goes on.
//! A broker that is away is waited for. Topics are created by [`create_topics`] alone.
//! [`EmbeddedBroker`] stands in for Kafka where a machine has none.
//!
//! `tests/it` holds one test per law, on the embedded broker and on a real Kafka.

mod blocking;
mod client;
mod consumer;
mod embedded;
mod error;
mod forged;
mod ring;
mod ringer;
mod settings;
mod topics;
mod trace;

pub use consumer::{Delivery, Position, RingConsumer};
pub use embedded::{EmbeddedBroker, Fault, Request};
pub use error::BusError;
pub use ring::{MAX_ROWS_PER_RING, Poison, PoisonReason, Ring};
pub use ringer::{Brokers, Ringer};
pub use settings::BusSettings;
pub use topics::{Difference, TopicPlan, TopicReport, TopicState, create_topics};
pub use trace::TraceHeaders;
