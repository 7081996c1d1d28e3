//! When servers were away, so that a recovery which another fault prolonged is told apart.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// All outages of MySQL and Kafka.
#[derive(Default)]
pub(crate) struct Weather {
    outages: Mutex<Vec<(Instant, Option<Instant>)>>,
}

impl Weather {
    /// An outage begins; the answer ends it.
    pub(crate) fn clouds(&self) -> usize {
        let mut outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        outages.push((Instant::now(), None));
        outages.len() - 1
    }

    /// It is over.
    pub(crate) fn clears(&self, outage: usize) {
        let mut outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outage) = outages.get_mut(outage) {
            outage.1 = Some(Instant::now());
        }
    }

    /// Whether a server was away at some moment since.
    pub(crate) fn was_bad_since(&self, since: Instant) -> bool {
        let outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        outages
            .iter()
            .any(|(_, end)| end.is_none_or(|end| end > since))
    }
}
