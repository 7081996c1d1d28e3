//! Listening to a lane's rings, and holding the few that nobody can take yet.

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
        trace: TraceHeaders,
    },
    Poison(Poisoned),
}

/// The consumer, with the few messages that it handed out and nobody could take yet.
pub(crate) struct Ears<'c> {
    pub(crate) consumer: &'c RingConsumer,
    pub(crate) waiting: VecDeque<Waiting>,
}

impl<'c> Ears<'c> {
    pub(crate) fn new(consumer: &'c RingConsumer) -> Self {
        Self {
            consumer,
            waiting: VecDeque::new(),
        }
    }

    /// Ready when a message waits. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<(), BusError> {
        if self.waiting.is_empty() {
            self.hear().await
        } else {
            Ok(())
        }
    }

    /// Polls the consumer and keeps what it gives. Safe to cancel.
    pub(crate) async fn hear(&mut self) -> Result<(), BusError> {
        let Delivery { at, content } = self.consumer.next().await?;
        let content = match content {
            Ok(ring) => Content::Ring {
                left: ring.rungs,
                trace: ring.trace,
            },
            Err(poison) => Content::Poison(dead_letter(self.consumer.lane(), poison)),
        };
        self.waiting.push_back(Waiting { at, content });
        Ok(())
    }

    /// Polls on, without taking more, for so long.
    pub(crate) async fn listen_for(&mut self, pause: Duration) -> Result<(), BusError> {
        self.cover()?;
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return self.uncover(),
                heard = self.hear() => heard?,
            }
        }
    }

    /// Takes no more messages; the group membership stays while somebody polls.
    pub(crate) fn cover(&self) -> Result<(), BusError> {
        self.consumer.pause()
    }

    /// Takes messages again.
    pub(crate) fn uncover(&self) -> Result<(), BusError> {
        self.consumer.resume()
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
