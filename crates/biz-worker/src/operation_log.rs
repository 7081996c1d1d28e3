//! Handler kind `operation_log`: each row's context is an entry of the operation log, written in the
//! transaction that finishes it, so exactly once, and by the hundred. What is no entry fails alone,
//! for good. Shown by `tests/it/operation_log.rs`.

use async_trait::async_trait;
use domain::Failure;
use engine::BulkHandler;
use store::{BatchRow, BatchTx, StoreError};

/// Writes the operation log.
pub struct OperationLogHandler;

#[async_trait]
impl BulkHandler for OperationLogHandler {
    async fn run(
        &self,
        tx: &mut BatchTx<'_>,
        rows: &[BatchRow],
    ) -> Result<Vec<(usize, Failure)>, StoreError> {
        tx.log(rows).await
    }
}
