//! The three steps of an import as far as the database sees them: the split bears the batches, each
//! batch adds its row to the ledger (ledger.rs), the finish says what became of it all. Each is the
//! effect of a fenced finish. Shown by `tests/it/import/`.

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, BizType, FailureCode, Lane, OnError, TaskId, TaskStatus, Tenant, Warning};

use crate::born::{NewRow, insert_rows};
use crate::compensation::Due;
use crate::effects::{NewArtifact, Tx};
use crate::error::StoreError;
use crate::group::{FollowUp, insert_group};
use crate::ledger::{Ledger, corrupt, sums};
use crate::notice::tell_end;
use crate::pool::Connection;
use crate::row::Id;
use crate::submit::{IMPORT_BATCH, IMPORT_FINISH};

/// A file that was read to its end and cut into batches.
#[derive(Debug, Clone)]
pub struct SplitDone {
    /// Data rows of the file, good, bad and skipped.
    pub total_rows: u64,
    pub warnings: Vec<Warning>,
    /// In sheet order: the first is number 1. At least one.
    pub batches: Vec<NewBatch>,
    pub batch_lane: Lane,
    pub finish_lane: Lane,
    /// A `domain::FinishSpec` as JSON.
    pub finish_context: String,
    /// The import whose failure workbook this file is.
    pub mends: Option<TaskId>,
    /// Failures of a batch that may be followed by another try.
    pub max_cnt: u32,
    /// The same for the finish.
    pub finish_max_cnt: u32,
}

/// One batch to be applied.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// A `domain::BatchSpec` as JSON.
    pub context: String,
    /// When it is due, counted from the split's finish; zero is at once.
    pub delay: Duration,
}

/// What a finish brings besides the counts, which the ledger has.
#[derive(Debug, Clone)]
pub struct ImportEnd {
    /// The failure workbook, where any row failed.
    pub file: Option<NewArtifact>,
    pub validate_only: bool,
    pub on_error: OnError,
}

/// What became of an import at its finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportFinished {
    /// It stands there, with these counts.
    Now(TaskStatus, Ledger),
    /// Batches are tried again: a later finish will tell, and this one wrote nothing.
    Superseded,
}

impl Tx<'_> {
    /// Bears the batches of an import and the group whose end bears its finish.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when it was done before; [`StoreError::Corrupt`] when the row has
    /// no task, or there is no batch.
    pub async fn seal_split(&mut self, split: &SplitDone) -> Result<(), StoreError> {
        let task = task_of(self)?;
        if split.batches.is_empty() {
            return Err(corrupt("an import of no batch"));
        }
        let total = u32::try_from(split.batches.len()).map_err(corrupt)?;
        let finish = FollowUp {
            biz_type: BizType::parse(IMPORT_FINISH)?,
            lane: split.finish_lane.clone(),
            context: split.finish_context.clone(),
            max_cnt: split.finish_max_cnt,
            priority: 0,
            due: Due::Now,
        };
        let group =
            insert_group(self.connection, &self.tenant, Some(task), total, &[finish]).await?;
        let rows = self.batch_rows(split, task, group)?;
        let born = insert_rows(self.connection, &self.tenant, &rows, self.scan_interval).await?;
        self.born.extend(born);
        show_sealed(self.connection, &self.tenant, task, group, split).await
    }

    fn batch_rows(
        &self,
        split: &SplitDone,
        task: TaskId,
        group: u64,
    ) -> Result<Vec<NewRow>, StoreError> {
        let biz_type = BizType::parse(IMPORT_BATCH)?;
        (1..)
            .zip(&split.batches)
            .map(|(number, batch): (u32, _)| {
                Ok(NewRow {
                    biz_type: biz_type.clone(),
                    biz_id: BizId::parse(format!("{task}/{number}"))?,
                    lane: split.batch_lane.clone(),
                    context: batch.context.clone(),
                    max_cnt: split.max_cnt,
                    group_id: Some(group),
                    task_id: Some(task),
                    priority: 0,
                    delay: batch.delay,
                    trace_context: self.trace_context.clone(),
                })
            })
            .collect()
    }

    /// Ends an import by what its ledger says, and makes the failure workbook visible. Nothing is
    /// written where batches are being tried again.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the task is not open; [`StoreError::Corrupt`] when the row has no
    /// task.
    pub async fn finish_import(&mut self, end: &ImportEnd) -> Result<ImportFinished, StoreError> {
        let task = task_of(self)?;
        if self.is_superseded().await? {
            return Ok(ImportFinished::Superseded);
        }
        // The group has ended and its lock is held: the ledger cannot grow any more.
        let ledger = sums(self.connection, &self.tenant, task).await?;
        let told = told(self.connection, &self.tenant, task).await?;
        let (status, code) = verdict(&ledger, told.total_rows.unwrap_or(0), end);
        if let Some(file) = &end.file {
            self.publish(file).await?;
        }
        let sentence = code.map(|code| code.sentence(&told.locale));
        let matched = sql_query(
            "UPDATE task SET status = ?, error_code = ?, error_msg = ?, done_rows = ?, \
             failed_rows = ?, skipped_rows = ?, errors_by_code = ?, phase = 'done', \
             open_key = NULL, finished_at = UTC_TIMESTAMP(6), version = version + 1 \
             WHERE id = ? AND tenant = ? AND status IN ('PENDING', 'PROCESSING')",
        )
        .bind::<Text, _>(status.as_str())
        .bind::<Nullable<Text>, _>(code.map(FailureCode::as_str))
        .bind::<Nullable<Text>, _>(sentence)
        .bind::<Unsigned<BigInt>, _>(ledger.done)
        .bind::<Unsigned<BigInt>, _>(ledger.failed)
        .bind::<Unsigned<BigInt>, _>(ledger.skipped)
        .bind::<Text, _>(serde_json::to_string(&ledger.by_code).map_err(corrupt)?)
        .bind::<Unsigned<BigInt>, _>(task.0)
        .bind::<Text, _>(self.tenant.as_str())
        .execute(self.connection)
        .await?;
        if matched != 1 {
            return Err(StoreError::Fenced);
        }
        tell_end(self.connection, task).await?;
        Ok(ImportFinished::Now(status, ledger))
    }
}

/// What the counts mean. Nothing done and something left is no partial success: it can be tried
/// again, and was no fault of the user.
fn verdict(ledger: &Ledger, total: u64, end: &ImportEnd) -> (TaskStatus, Option<FailureCode>) {
    let failed = |code| (TaskStatus::Failed, Some(code));
    let is_whole = ledger.settled() >= total;
    let writes = !end.validate_only;
    match end.on_error {
        OnError::Abort if writes && ledger.failed > 0 => return failed(FailureCode::Aborted),
        OnError::Abort | OnError::Continue => {}
    }
    if !is_whole && ledger.done == 0 {
        failed(FailureCode::Internal)
    } else if is_whole && ledger.failed == 0 {
        (TaskStatus::Success, None)
    } else if is_whole && ledger.done == 0 && writes {
        failed(FailureCode::AllRowsFailed)
    } else {
        (TaskStatus::PartialSuccess, None)
    }
}

/// The task of the row that finishes.
pub(crate) fn task_of(tx: &Tx<'_>) -> Result<TaskId, StoreError> {
    tx.task_id
        .ok_or_else(|| corrupt("the row belongs to no task"))
}

/// The import that a file says it mends, if it is one of the same user into the same dataset: a file
/// may say anything.
async fn own_import(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
    first: TaskId,
) -> Result<Option<u64>, StoreError> {
    let found: Vec<Id> = sql_query(
        "SELECT f.id FROM task f FORCE INDEX (PRIMARY) JOIN task own FORCE INDEX (PRIMARY) \
         ON own.id = ? AND own.tenant = f.tenant AND own.created_by = f.created_by \
         AND own.dataset = f.dataset \
         WHERE f.id = ? AND f.tenant = ? AND f.kind = 'IMPORT'",
    )
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Unsigned<BigInt>, _>(first.0)
    .bind::<Text, _>(tenant.as_str())
    .load(connection)
    .await?;
    Ok(found.into_iter().next().map(|row| row.id))
}

/// What is being done while batches are open, as the task shows it: rows go in, or are only checked.
pub(crate) const PHASE: &str = "phase = IF(JSON_EXTRACT(params, '$.validate_only') = TRUE, \
     'validating', 'importing')";

/// From now on the ledger tells the task's counts.
async fn show_sealed(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
    group: u64,
    split: &SplitDone,
) -> Result<(), StoreError> {
    let warnings = serde_json::to_string(&split.warnings).map_err(corrupt)?;
    let mends = match split.mends {
        Some(first) => own_import(connection, tenant, task, first).await?,
        None => None,
    };
    let matched = sql_query(format!(
        "UPDATE task SET group_id = ?, mends = ?, {PHASE}, total_rows = ?, \
         total_is_estimate = FALSE, done_rows = 0, failed_rows = 0, skipped_rows = 0, \
         warnings = ?, attempt_at = UTC_TIMESTAMP(6), progress_at = NULL, version = version + 1 \
         WHERE id = ? AND tenant = ? AND kind = 'IMPORT'"
    ))
    .bind::<Unsigned<BigInt>, _>(group)
    .bind::<Nullable<Unsigned<BigInt>>, _>(mends)
    .bind::<Unsigned<BigInt>, _>(split.total_rows)
    .bind::<Text, _>(warnings)
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Text, _>(tenant.as_str())
    .execute(connection)
    .await?;
    if matched == 1 {
        Ok(())
    } else {
        Err(StoreError::Fenced)
    }
}

async fn told(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<Told, StoreError> {
    let found: Vec<Told> =
        sql_query("SELECT locale, total_rows FROM task WHERE id = ? AND tenant = ?")
            .bind::<Unsigned<BigInt>, _>(task.0)
            .bind::<Text, _>(tenant.as_str())
            .load(connection)
            .await?;
    found.into_iter().next().ok_or(StoreError::Fenced)
}

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = Text)]
    locale: String,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    total_rows: Option<u64>,
}
