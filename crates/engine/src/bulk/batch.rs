//! Messages that are dealt with together.

use bus::{Position, TraceHeaders};
use domain::Rung;
use store::Poisoned;

use crate::ears::{Content, Waiting};

/// Rows that were rung, and messages that were no rings, with the places that are to be acknowledged.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rung: Vec<Rung>,
    pub(super) poison: Vec<Poisoned>,
    pub(super) at: Vec<Position>,
    /// Of the first ring.
    pub(super) trace: TraceHeaders,
}

impl Batch {
    /// Rows that it names.
    pub(super) fn rows(&self) -> usize {
        self.rung.len()
    }

    /// Whether the message goes into it; the first always does.
    pub(super) fn has_room(&self, message: &Waiting, most: usize) -> bool {
        let rows = match &message.content {
            Content::Ring { left, .. } => left.len(),
            Content::Poison(_) => 1,
        };
        self.at.is_empty() || self.rung.len() + self.poison.len() + rows <= most
    }

    pub(super) fn add(&mut self, message: Waiting) {
        self.at.push(message.at);
        match message.content {
            Content::Ring {
                mut left, trace, ..
            } => {
                if self.rung.is_empty() {
                    self.trace = trace;
                }
                self.rung.append(&mut left);
            }
            Content::Poison(poison) => self.poison.push(poison),
        }
    }
}
