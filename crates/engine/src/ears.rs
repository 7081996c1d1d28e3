//! Listening to a lane's rings, and holding those that nobody can take yet: some hundred of them, so
//! that a worker whose permits are free again has the next ring at hand. Shown by
//! `tests/it/burst.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use bus::{BusError, Delivery, Poison, Position, RingConsumer, TraceHeaders};
use domain::{Lane, Rung};
use store::Poisoned;
use tokio::time::Instant;

/// A message in hand that is not dealt with yet.
pub(crate) struct Waiting {
    pub(crate) at: Position,
    pub(crate) content: Content,
}

/// What it says.
pub(crate) enum Content {
    Ring {
        left: Vec<Rung>,
        /// Those that name no row of the lane.
        orphans: Vec<Rung>,
        trace: TraceHeaders,
    },
    Poison(Poisoned),
}

/// Messages that are held before the consumer is paused. What follows a pause comes only after a
/// fetch of its own (librdkafka throws away what it had read ahead), about half a second later: the
/// rings in hand must last that long.
const HEARD_MOST: usize = 256;

/// Messages left at which a paused consumer goes on.
const HEARD_AGAIN: usize = HEARD_MOST / 2;

/// The consumer, with the messages that it handed out and nobody could take yet. None of them is
/// acknowledged, so they are lag; if their partition goes to another member, it gets them again, and
/// whoever comes second finds duplicates.
pub(crate) struct Ears<'c> {
    consumer: &'c RingConsumer,
    waiting: VecDeque<Waiting>,
    /// Enough is in hand.
    covered: bool,
    /// Nobody is to hear: the lane is paused.
    shut: bool,
}

impl<'c> Ears<'c> {
    pub(crate) fn new(consumer: &'c RingConsumer) -> Self {
        Self {
            consumer,
            waiting: VecDeque::new(),
            covered: false,
            shut: false,
        }
    }

    /// Whether messages are wanted. While they are not, the consumer is paused, and still polled, so
    /// that it keeps its place in the group.
    pub(crate) fn listen(&mut self, wanted: bool) -> Result<(), BusError> {
        if self.shut != wanted {
            return Ok(());
        }
        self.shut = !wanted;
        if self.covered {
            return Ok(());
        }
        if self.shut {
            self.consumer.pause()
        } else {
            self.consumer.resume()
        }
    }

    /// Whether no message waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The message that waits longest.
    pub(crate) fn oldest(&mut self) -> Option<&mut Waiting> {
        self.waiting.front_mut()
    }

    /// The oldest message has been dealt with.
    pub(crate) fn acknowledge_oldest(&mut self) -> Result<(), BusError> {
        if let Some(done) = self.take_oldest()? {
            self.acknowledge(done.at);
        }
        Ok(())
    }

    /// Hands the oldest message over to whoever deals with it and then acknowledges it.
    pub(crate) fn take_oldest(&mut self) -> Result<Option<Waiting>, BusError> {
        let oldest = self.waiting.pop_front();
        if self.covered && self.waiting.len() <= HEARD_AGAIN {
            self.covered = false;
            if !self.shut {
                self.consumer.resume()?;
            }
        }
        Ok(oldest)
    }

    /// A message that was handed over has been dealt with.
    pub(crate) fn acknowledge(&self, at: Position) {
        self.consumer.acknowledge(at);
    }

    /// Polls the consumer and keeps what it gives, as far as there is room; without room it polls on,
    /// since the group membership stays only while somebody does. Safe to cancel.
    pub(crate) async fn hear(&mut self) -> Result<(), BusError> {
        if !self.covered && self.waiting.len() >= HEARD_MOST {
            self.consumer.pause()?;
            self.covered = true;
            let lane = self.consumer.lane().to_string();
            metrics::counter!("quayside_lane_pauses_total", "lane" => lane).increment(1);
        }
        let Delivery { at, content } = self.consumer.next().await?;
        let content = match content {
            Ok(ring) => Content::Ring {
                left: ring.rungs,
                orphans: Vec::new(),
                trace: ring.trace,
            },
            Err(poison) => Content::Poison(dead_letter(self.consumer.lane(), poison)),
        };
        self.waiting.push_back(Waiting { at, content });
        Ok(())
    }

    /// Polls on for so long.
    pub(crate) async fn listen_for(&mut self, pause: Duration) -> Result<(), BusError> {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                heard = self.hear() => heard?,
            }
        }
    }
}

fn dead_letter(lane: &Lane, poison: Poison) -> Poisoned {
    let headers: Vec<String> = poison
        .headers
        .iter()
        .map(|(key, value)| {
            let value = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
            format!("{key}: {value}")
        })
        .collect();
    Poisoned {
        lane: lane.clone(),
        reason: poison.reason.as_str(),
        detail: poison.detail,
        payload: poison.payload.unwrap_or_default(),
        headers: headers.join("\n"),
    }
}

/// One letter for all rows that are named in vain.
pub(crate) fn about_orphans(lane: &Lane, orphans: &[Rung], trace: &TraceHeaders) -> Poisoned {
    let named: Vec<String> = orphans
        .iter()
        .map(|orphan| format!("{} (epoch {})", orphan.id, orphan.epoch))
        .collect();
    Poisoned {
        lane: lane.clone(),
        reason: "orphan",
        detail: format!("no row {} on this lane", named.join(", ")),
        payload: Vec::new(),
        headers: trace.traceparent().unwrap_or_default().to_owned(),
    }
}
