//! The retry budget of a lane (`domain::RetryBudget`), as all attempts of a worker share it. Shown by
//! `tests/it/budget.rs`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{BudgetTerms, RetryBudget};
use tokio::time::Instant;

/// Counts tries. Its time is tokio's.
pub(crate) struct Budget {
    bucket: Mutex<RetryBudget>,
    began: Instant,
}

impl Budget {
    pub(crate) fn new(terms: BudgetTerms) -> Self {
        Self {
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
        bucket.further_try(self.began.elapsed(), rand::random())
    }
}
