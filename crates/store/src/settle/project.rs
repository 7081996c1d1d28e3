//! The task's part of a settle: what the user sees of a row's change.
//!
//! An export is its one row. An import is its rows in turn: while its file is read it is what its
//! IMPORT row is; from then on it is PROCESSING, whatever becomes of single batches, until the
//! IMPORT_FINISH row writes the end with its effects, or is given up.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, Change, Event, Failure, TaskId, TaskKind, TaskStatus, Tenant};

use super::{Case, shortened};
use crate::error::StoreError;
use crate::group::is_superseded;
use crate::ledger::sums;
use crate::notice::tell_end;
use crate::pool::Connection;
use crate::row::LockedRow;
use crate::submit::{IMPORT, IMPORT_BATCH, IMPORT_FINISH};

/// Writes what the rows' changes mean for their task. Counts are the handlers' business.
pub(super) async fn show(
    connection: &mut Connection,
    task: TaskId,
    changes: &[(&LockedRow, Change)],
    case: &Case,
) -> Result<(), StoreError> {
    let mut status = None;
    for (row, change) in changes {
        status = shown(connection, row, *change, case).await?.or(status);
    }
    let cnt = changes.iter().map(|(_, change)| change.cnt).max();
    let Some(status) = status else {
        return touch(connection, task, case).await;
    };
    write(connection, task, status, cnt.unwrap_or(0), case).await?;
    let first = changes
        .iter()
        .find(|(row, _)| [IMPORT_BATCH, IMPORT_FINISH].contains(&row.biz_type.as_str()));
    if !status.is_final() {
        return Ok(());
    }
    if let Some((row, _)) = first {
        freeze(connection, &row.tenant, task).await?;
    }
    tell_end(connection, task).await
}

/// What the task becomes by one row's change; none when it stays what it is.
async fn shown(
    connection: &mut Connection,
    row: &LockedRow,
    change: Change,
    case: &Case,
) -> Result<Option<TaskStatus>, StoreError> {
    if case.cancelled_task.is_some() && case.cancelled_task == row.task_id {
        return Ok(Some(TaskStatus::Cancelled));
    }
    let status = TaskStatus::of_row(change.to);
    Ok(match row.biz_type.as_str() {
        IMPORT => (change.to != BizStatus::Success).then_some(status),
        IMPORT_BATCH => (case.event == Event::Redrive).then_some(TaskStatus::Processing),
        IMPORT_FINISH => match change.to {
            BizStatus::Success | BizStatus::Cancelled => None,
            _ if is_superseded(connection, &row.tenant, &row.biz_id).await? => None,
            BizStatus::Failed => Some(status),
            BizStatus::WaitHandle | BizStatus::Processing => Some(TaskStatus::Processing),
        },
        _ => Some(status),
    })
}

/// A task that waits for another try begins anew.
async fn write(
    connection: &mut Connection,
    task: TaskId,
    status: TaskStatus,
    cnt: u32,
    case: &Case,
) -> Result<(), StoreError> {
    let cause = case.cause.as_ref();
    let failed = status == TaskStatus::Failed;
    let sentence = match cause {
        Some(failure) if failed => Some(sentence(connection, task, failure).await?),
        _ => None,
    };
    let code = cause
        .filter(|_| failed)
        .map(|failure| failure.code.as_str());
    let finished_at = if status.is_final() {
        "UTC_TIMESTAMP(6)"
    } else {
        "NULL"
    };
    sql_query(format!(
        "UPDATE task SET status = ?, retry_count = GREATEST(retry_count, LEAST(?, max_retries)), \
         last_error = COALESCE(?, last_error), error_code = ?, error_msg = ?, \
         phase = IF(status = 'PENDING', NULL, phase), \
         done_rows = IF(status = 'PENDING', 0, done_rows), \
         open_key = IF(status IN ('PENDING', 'PROCESSING'), open_key, NULL), \
         finished_at = {finished_at}, version = version + 1 WHERE id = ?"
    ))
    .bind::<Text, _>(status.as_str())
    .bind::<Unsigned<Integer>, _>(cnt)
    .bind::<Nullable<Text>, _>(cause.map(|failure| shortened(&failure.detail, 8000)))
    .bind::<Nullable<Text>, _>(code)
    .bind::<Nullable<Text>, _>(sentence)
    .bind::<Unsigned<BigInt>, _>(task.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// From now on the task's own row tells the counts of an import: what was written up to here.
async fn freeze(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<(), StoreError> {
    let ledger = sums(connection, tenant, task).await?;
    let by_code = serde_json::to_string(&ledger.by_code)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sql_query(
        "UPDATE task SET done_rows = ?, failed_rows = ?, skipped_rows = ?, errors_by_code = ? \
         WHERE id = ?",
    )
    .bind::<Unsigned<BigInt>, _>(ledger.done)
    .bind::<Unsigned<BigInt>, _>(ledger.failed)
    .bind::<Unsigned<BigInt>, _>(ledger.skipped)
    .bind::<Text, _>(by_code)
    .bind::<Unsigned<BigInt>, _>(task.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Tells whoever watches that there is something new.
async fn touch(connection: &mut Connection, task: TaskId, case: &Case) -> Result<(), StoreError> {
    let error = case.cause.as_ref();
    sql_query(
        "UPDATE task SET last_error = COALESCE(?, last_error), version = version + 1 \
         WHERE id = ?",
    )
    .bind::<Nullable<Text>, _>(error.map(|failure| shortened(&failure.detail, 8000)))
    .bind::<Unsigned<BigInt>, _>(task.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the user reads: the failure's own sentence, or its code's in the task's language.
async fn sentence(
    connection: &mut Connection,
    task: TaskId,
    failure: &Failure,
) -> Result<String, StoreError> {
    if let Some(sentence) = &failure.sentence {
        return Ok(shortened(sentence, 1000));
    }
    let rows: Vec<Told> = sql_query("SELECT kind, locale FROM task WHERE id = ?")
        .bind::<Unsigned<BigInt>, _>(task.0)
        .load(connection)
        .await?;
    // A row that outlived its task must still be settled.
    let Some(told) = rows.into_iter().next() else {
        return Ok(failure.code.sentence("").to_owned());
    };
    let kind: TaskKind = told.kind.parse()?;
    Ok(failure.code.sentence_for(kind, &told.locale).to_owned())
}

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    locale: String,
}
