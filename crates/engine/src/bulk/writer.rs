//! What a batch writes: the handler's effects, with panics as errors, and no to rows of another kind.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Failure, FailureCode, FailureKind, RetryPolicy};
use futures::FutureExt;
use store::{BatchRow, BatchTx, RefusedItem, StoreError};

use super::{BulkHandler, BulkSettings};
use crate::budget::Budget;

/// Calls the handler within the transaction.
pub(super) struct Writer {
    pub(super) handler: Arc<dyn BulkHandler>,
    pub(super) settings: BulkSettings,
    pub(super) budget: Arc<Budget>,
    pub(super) panicked: Arc<AtomicBool>,
}

impl Writer {
    pub(super) async fn write(
        &self,
        tx: &mut BatchTx<'_>,
        rows: &[BatchRow],
    ) -> Result<Vec<RefusedItem>, StoreError> {
        let ours = |row: &BatchRow| row.biz_type == self.settings.biz_type;
        let refused = if rows.iter().all(ours) {
            self.call(tx, rows).await?
        } else {
            let places: Vec<usize> = (0..rows.len()).filter(|at| ours(&rows[*at])).collect();
            let own: Vec<BatchRow> = places.iter().map(|at| rows[*at].clone()).collect();
            let refused = self.call(tx, &own).await?;
            let refused = refused.into_iter();
            let own = refused.map(|(at, failure)| (places[at], failure));
            let foreign = (0..rows.len()).filter(|at| !ours(&rows[*at]));
            own.chain(foreign.map(|at| (at, no_handler(&rows[at]))))
                .collect()
        };
        let item = |(place, failure): (usize, Failure)| RefusedItem {
            delay: delay(
                &self.settings.retry,
                &self.budget,
                &rows[place],
                failure.kind,
            ),
            place,
            failure,
        };
        Ok(refused.into_iter().map(item).collect())
    }

    async fn call(
        &self,
        tx: &mut BatchTx<'_>,
        rows: &[BatchRow],
    ) -> Result<Vec<(usize, Failure)>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ran = AssertUnwindSafe(self.handler.run(tx, rows)).catch_unwind();
        ran.await.unwrap_or_else(|panic| {
            self.panicked.store(true, Ordering::Relaxed);
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "no text".to_owned());
            Err(StoreError::Corrupt(format!("the handler panicked: {text}")))
        })
    }
}

fn no_handler(row: &BatchRow) -> Failure {
    let biz_type = &row.biz_type;
    let detail = format!("this worker has no handler for {biz_type}");
    Failure::permanent(FailureCode::Internal, detail)
}

/// How long a row waits for its next try: longer when the lane has had more than it bears.
pub(super) fn delay(
    retry: &RetryPolicy,
    budget: &Budget,
    row: &BatchRow,
    failed: FailureKind,
) -> Duration {
    let backoff = retry.delay(row.cnt + 1, rand::random());
    if failed != FailureKind::Transient || row.cnt >= retry.max_cnt() {
        return backoff;
    }
    backoff + budget.stretch()
}
