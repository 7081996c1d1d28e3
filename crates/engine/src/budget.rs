//! The retry budget of a lane (`domain::RetryBudget`), as all attempts of a worker share it. Shown by
//! `tests/it/budget.rs`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{BudgetTerms, Lane, RetryBudget};
use tokio::time::Instant;

/// Counts tries. Its time is tokio's.
pub(crate) struct Budget {
    lane: Lane,
    bucket: Mutex<RetryBudget>,
    began: Instant,
}

impl Budget {
    pub(crate) fn new(lane: &Lane, terms: BudgetTerms) -> Self {
        Self {
            lane: lane.clone(),
            bucket: Mutex::new(RetryBudget::new(terms)),
            began: Instant::now(),
        }
    }

    /// A row is tried for the first time.
    pub(crate) fn first_try(&self) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.first_try();
    }

    /// A row will be tried again: how much longer than its backoff it has to wait.
    pub(crate) fn stretch(&self) -> Duration {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let stretch = bucket.further_try(self.began.elapsed(), rand::random());
        if !stretch.is_zero() {
            let lane = self.lane.to_string();
            metrics::counter!("quayside_retries_stretched_total", "lane" => lane).increment(1);
        }
        stretch
    }
}
