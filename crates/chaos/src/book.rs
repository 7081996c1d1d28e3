//! What the clients were told: the only source of what must not be lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::business::Business;
use crate::wish::Wish;

/// A request that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// What names it.
    pub key: String,
    /// What was asked for.
    pub wish: Wish,
    /// The task; none of what is answered at once.
    pub task: Option<u64>,
    /// Rows that were told to be stored, of what is answered at once.
    pub stored: u64,
}

/// Business work that was accepted.
#[derive(Clone, Debug)]
pub struct AcceptedBusiness {
    /// What names it.
    pub key: String,
    /// What was asked for.
    pub wish: Business,
    /// The row of each item, where it was told.
    pub rows: BTreeMap<u32, u64>,
}

/// Everything that clients were told.
#[derive(Default)]
pub(crate) struct Book {
    business: Mutex<Vec<AcceptedBusiness>>,
    accepted: Mutex<Vec<Accepted>>,
    answers: Mutex<BTreeMap<String, u64>>,
    last: Mutex<Option<Instant>>,
}

impl Book {
    pub(crate) fn accept(&self, accepted: Accepted) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut all = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(accepted);
    }

    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        let all = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    pub(crate) fn accept_business(&self, accepted: AcceptedBusiness) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut all = self.business.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(accepted);
    }

    pub(crate) fn business(&self) -> Vec<AcceptedBusiness> {
        let all = self.business.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    /// Whether anything was accepted since.
    pub(crate) fn accepted_since(&self, since: Instant) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last > since)
    }

    /// Counts an answer by a word for it.
    pub(crate) fn answered(&self, word: impl Into<String>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(word.into()).or_default() += 1;
    }

    /// How often which answer came.
    pub(crate) fn answers(&self) -> BTreeMap<String, u64> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.clone()
    }
}
