//! Listening: the consumer of one lane.
//!
//! It promises that the group's offset never passes a message that was not acknowledged, that a
//! pause keeps the membership and loses nothing, and that an absent broker is waited for. Proven
//! by `tests/it/listening.rs` and, for rebalances and topics that come and go, by
//! `tests/it/real_kafka.rs`.
//!
//! What it cannot promise: a group's offsets may outlive a topic that is deleted and made anew, and
//! rings that lie below them are skipped. The scan finds their rows.

mod ledger;
mod member;

use std::time::Duration;

use domain::Lane;
use rdkafka::Message;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};

use crate::blocking;
use crate::error::BusError;
use crate::ring::{self, Poison, Ring};
use crate::settings::BusSettings;
use crate::trace::TraceHeaders;

pub use ledger::Position;
use member::Member;

/// A member of the consumer group of one lane; topic and group are named after the lane.
///
/// It takes part in the group only while somebody awaits [`RingConsumer::next`], also while it is
/// paused. Dropping it leaves the group too, but blocks its thread meanwhile: see
/// [`RingConsumer::close`].
pub struct RingConsumer {
    lane: Lane,
    client: StreamConsumer<Member>,
}

/// A message of the lane, and where it lay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To be given to [`RingConsumer::acknowledge`] once the content is durable elsewhere.
    pub at: Position,
    /// The ring, or what could not be read as one.
    pub content: Result<Ring, Poison>,
}

impl RingConsumer {
    /// Joins the lane's group. Does not wait for the brokers; must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`BusError::Settings`] and [`BusError::FixedSetting`].
    pub fn join(settings: &BusSettings, lane: &Lane) -> Result<Self, BusError> {
        let client: StreamConsumer<Member> = settings
            .consumer(lane)?
            .create_with_context(Member::new(lane))
            .map_err(BusError::Settings)?;
        client
            .subscribe(&[lane.as_str()])
            .map_err(BusError::Settings)?;
        Ok(Self {
            lane: lane.clone(),
            client,
        })
    }

    /// The lane.
    #[must_use]
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Waits for the next message. Pends while paused and while no broker is there. Safe to
    /// cancel: a message is either returned or still to come.
    ///
    /// # Errors
    /// [`BusError::Fatal`] when the client is beyond repair.
    pub async fn next(&self) -> Result<Delivery, BusError> {
        loop {
            match self.client.recv().await {
                Ok(message) => return Ok(self.receive(&message)),
                Err(source @ KafkaError::MessageConsumptionFatal(_)) => {
                    return Err(BusError::Fatal {
                        lane: self.lane.clone(),
                        source,
                    });
                }
                Err(error) => self.member().met(&error),
            }
        }
    }

    /// Lets the group's offset move past this message, as soon as all before it on its partition
    /// are acknowledged too. Acknowledging twice, or a message of a partition that has meanwhile
    /// gone to another member, does nothing.
    pub fn acknowledge(&self, at: Position) {
        self.member().acknowledge(at, |offset| {
            #[cfg(feature = "failpoints")]
            fail::fail_point!("before_offset_store");
            if let Err(error) = self
                .client
                .store_offset(self.lane.as_str(), at.partition, offset)
            {
                tracing::debug!(lane = %self.lane, partition = at.partition, offset, %error,
                    "the partition has gone, its next owner sees the message again");
            }
        });
    }

    /// Takes no more messages until [`RingConsumer::resume`], and stays in the group as long as
    /// [`RingConsumer::next`] is awaited. Partitions that are assigned meanwhile wait too.
    ///
    /// # Errors
    /// [`BusError::Refused`] when the client is shutting down.
    pub fn pause(&self) -> Result<(), BusError> {
        self.member().set_paused(true);
        self.client
            .assignment()
            .and_then(|all| self.client.pause(&all))
            .map_err(|source| BusError::Refused {
                what: "pause",
                source,
            })
    }

    /// Takes messages again, from where it stopped.
    ///
    /// # Errors
    /// [`BusError::Refused`] when the client is shutting down.
    pub fn resume(&self) -> Result<(), BusError> {
        self.member().set_paused(false);
        self.client
            .assignment()
            .and_then(|all| self.client.resume(&all))
            .map_err(|source| BusError::Refused {
                what: "resume",
                source,
            })
    }

    /// The partitions that this member owns now, ascending.
    #[must_use]
    pub fn partitions(&self) -> Vec<i32> {
        self.member().partitions()
    }

    /// Commits what was acknowledged, leaves the group and ends the client, within `timeout`.
    ///
    /// # Errors
    /// [`BusError::Refused`] when the commit failed, [`BusError::TimedOut`] when time ran out;
    /// then messages that were acknowledged may come again.
    pub async fn close(self, timeout: Duration) -> Result<(), BusError> {
        const WHAT: &str = "take the last offsets";
        let client = self.client;
        let committed = blocking::bounded(WHAT, timeout, move || {
            client.commit_consumer_state(CommitMode::Sync)
        });
        match committed.await? {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()),
            Err(source) => Err(BusError::Refused { what: WHAT, source }),
        }
    }

    fn receive(&self, message: &BorrowedMessage<'_>) -> Delivery {
        let at = self.member().deliver(message.partition(), message.offset());
        metrics::counter!("quayside_ring_received_total", "lane" => self.lane.to_string())
            .increment(1);
        let content = match ring::decode(message.payload()) {
            Ok(rungs) => {
                let trace = message
                    .headers()
                    .map(TraceHeaders::from_kafka)
                    .unwrap_or_default();
                Ok(Ring { rungs, trace })
            }
            Err((reason, detail)) => {
                metrics::counter!("quayside_ring_poison_total", "lane" => self.lane.to_string())
                    .increment(1);
                let payload = message.payload().map(<[u8]>::to_vec);
                Err(Poison {
                    reason,
                    detail,
                    payload,
                    headers: owned_headers(message),
                })
            }
        };
        Delivery { at, content }
    }

    fn member(&self) -> &Member {
        self.client.client().context()
    }
}

fn owned_headers(message: &BorrowedMessage<'_>) -> Vec<(String, Option<Vec<u8>>)> {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    headers
        .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
        .collect()
}
