//! The holder's sign of life, and the progress that rides on it.

use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Progress, TaskId};

use crate::Store;
use crate::claim::Lease;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::pool::Connection;

/// What a heartbeat found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The lease was extended.
    Held,
    /// Somebody else holds the row, or it has ended: the holder must stop.
    Lost,
}

impl Store {
    /// Extends the lease to now + `lease`, never past the hard deadline, and writes the progress of
    /// the row's task. A worker that has lost the row writes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot say.
    pub async fn heartbeat(
        &self,
        held: &Lease,
        lease: Duration,
        progress: Option<(TaskId, Progress)>,
    ) -> Result<Beat, StoreError> {
        let held = held.clone();
        self.transact(Op::Heartbeat, async move |connection: &mut Connection| {
            let matched = sql_query(format!(
                "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
                 SET wake_at = LEAST({}, hard_deadline), updated_at = UTC_TIMESTAMP(6) \
                 WHERE id = ? AND status = 'PROCESSING' AND lease_epoch = ? AND lease_owner = ?",
                after(lease)
            ))
            .bind::<Unsigned<BigInt>, _>(held.id.0)
            .bind::<Unsigned<BigInt>, _>(held.epoch.0)
            .bind::<Text, _>(&held.token)
            .execute(connection)
            .await?;
            if matched != 1 {
                return Ok(Beat::Lost);
            }
            if let Some((task, progress)) = &progress {
                write_progress(connection, *task, progress).await?;
            }
            Ok(Beat::Held)
        })
        .await
    }
}

/// Called only under the lock of the row that owns the task.
pub(crate) async fn write_progress(
    connection: &mut Connection,
    task: TaskId,
    progress: &Progress,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE task SET phase = ?, total_rows = ?, total_is_estimate = ?, done_rows = ?, \
         failed_rows = ?, skipped_rows = ?, progress_at = UTC_TIMESTAMP(6), \
         version = version + 1 WHERE id = ?",
    )
    .bind::<Nullable<Text>, _>(&progress.phase)
    .bind::<Nullable<Unsigned<BigInt>>, _>(progress.total_rows)
    .bind::<Bool, _>(progress.total_is_estimate)
    .bind::<Unsigned<BigInt>, _>(progress.done_rows)
    .bind::<Unsigned<BigInt>, _>(progress.failed_rows)
    .bind::<Unsigned<BigInt>, _>(progress.skipped_rows)
    .bind::<Unsigned<BigInt>, _>(task.0)
    .execute(connection)
    .await?;
    Ok(())
}
