//! A person has a task tried again: its rows that failed or were cancelled are redriven by
//! `settle`, with all that follows, in one transaction. Shown by `tests/it/retry.rs`.
//!
//! Lock order: compensate_biz by id, then task.

use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Action, BizStatus, Event, Lane, Rung, Task, TaskId, UserId};

use crate::Store;
use crate::announce::Announced;
use crate::cancel::rows_of;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::pool::Connection;
use crate::quota::{self, OpenTaskLimits, Quota};
use crate::row::{Id, LockedRow, lock_row};
use crate::settle::{Case, settle};
use crate::task::{Visibility, load, lock_task, status_of};

/// Tries of a retry that meets an identical export being opened at that very moment.
const TRIES: u32 = 3;

/// Who has a task tried again, and how.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Who asks: stands in the dead letters that this redrives.
    pub actor: UserId,
    /// How many tasks may be open, this one included.
    pub limits: OpenTaskLimits,
    /// When the scan looks at the rows if no ring brings them.
    pub scan_interval: Duration,
    /// The span that asks, as W3C `traceparent`.
    pub trace_context: Option<String>,
}

/// What became of a request to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// The task is open again; its rows are marked as announced, to be rung by the caller right
    /// after this.
    Now(Box<Task>, Vec<(Lane, Announced)>),
    /// The task's state, or the user's own fault in it, does not allow it.
    Refused(Box<Task>),
    /// One open task too many.
    TooManyOpen(Quota),
    /// The caller sees no such task.
    NotFound,
}

impl Store {
    /// Has a task that the caller may see tried again from its beginning, with a fresh count of
    /// failures. While it is open, an identical submit finds it again, unless another identical
    /// export was opened meanwhile: that one keeps the key, and both run.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn retry_task(
        &self,
        who: &Visibility,
        task: TaskId,
        retry: &Retry,
    ) -> Result<Retried, StoreError> {
        match self.retry_until_free(who, task, retry).await {
            // Read back: what is open now was opened by that COMMIT, or by another person.
            Err(StoreError::UnknownCommit(_)) => {
                match self.retry_until_free(who, task, retry).await? {
                    Retried::Refused(task) if !task.status.is_final() => {
                        Ok(Retried::Now(task, Vec::new()))
                    }
                    other => Ok(other),
                }
            }
            done => done,
        }
    }

    async fn retry_until_free(
        &self,
        who: &Visibility,
        task: TaskId,
        retry: &Retry,
    ) -> Result<Retried, StoreError> {
        let mut tried = 1;
        loop {
            match self.retry_once(who, task, retry).await {
                Err(StoreError::Duplicate(_)) if tried < TRIES => tried += 1,
                Err(error) => {
                    return Quota::reached(&error)
                        .map_or(Err(error), |quota| Ok(Retried::TooManyOpen(quota)));
                }
                done => return done,
            }
        }
    }

    async fn retry_once(
        &self,
        who: &Visibility,
        task: TaskId,
        retry: &Retry,
    ) -> Result<Retried, StoreError> {
        let (who, retry) = (who.clone(), retry.clone());
        self.transact(Op::Retry, async move |connection: &mut Connection| {
            if status_of(connection, &who, task).await?.is_none() {
                return Ok(Retried::NotFound);
            }
            let rows = lock_ended(connection, who.tenant.as_str(), task).await?;
            let Some(found) = lock_task(connection, &who, task).await? else {
                return Ok(Retried::NotFound);
            };
            if rows.is_empty() || !found.allowed_actions().contains(&Action::Retry) {
                return Ok(Retried::Refused(Box::new(found)));
            }
            let mut reopened = Vec::with_capacity(rows.len());
            for row in &rows {
                settle(connection, row, &Case::new(Event::Redrive, None)).await?;
                reopened.push(announce(connection, row, &retry).await?);
                redrive_dead_letters(connection, row, &retry.actor).await?;
            }
            begin_anew(connection, &found).await?;
            quota::check(connection, retry.limits, &found.tenant, &found.created_by).await?;
            let task = load(connection, &found.tenant, task).await?;
            let task = task.ok_or(StoreError::Fenced)?;
            Ok(Retried::Now(Box::new(task), reopened))
        })
        .await
    }
}

/// The task's rows that a person may put back.
async fn lock_ended(
    connection: &mut Connection,
    tenant: &str,
    task: TaskId,
) -> Result<Vec<LockedRow>, StoreError> {
    let mut ended = Vec::new();
    for id in rows_of(connection, tenant, task).await? {
        if let Some(row) = lock_row(connection, id).await?
            && matches!(row.state.status, BizStatus::Failed | BizStatus::Cancelled)
        {
            ended.push(row);
        }
    }
    Ok(ended)
}

/// Marks the redriven row as announced, as a fresh submit is born.
async fn announce(
    connection: &mut Connection,
    row: &LockedRow,
    retry: &Retry,
) -> Result<(Lane, Announced), StoreError> {
    let rung = Rung {
        id: row.id,
        epoch: row.epoch.next(),
    };
    let matched = sql_query(format!(
        "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
         SET announced = TRUE, wake_at = {}, trace_context = ? \
         WHERE id = ? AND status = 'WAIT_HANDLE' AND lease_epoch = ?",
        after(retry.scan_interval)
    ))
    .bind::<Nullable<Text>, _>(&retry.trace_context)
    .bind::<Unsigned<BigInt>, _>(rung.id.0)
    .bind::<Unsigned<BigInt>, _>(rung.epoch.0)
    .execute(connection)
    .await?;
    if matched != 1 {
        return Err(StoreError::Fenced);
    }
    let trace_context = retry.trace_context.clone();
    let announced = Announced {
        rung,
        trace_context,
    };
    Ok((Lane::parse(row.lane.clone())?, announced))
}

async fn redrive_dead_letters(
    connection: &mut Connection,
    row: &LockedRow,
    actor: &UserId,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE dead_letter FORCE INDEX (tenant_biz) \
         SET status = 'REDRIVEN', acted_by = ?, updated_at = UTC_TIMESTAMP(6) \
         WHERE tenant = ? AND compensate_biz_id = ? AND status = 'OPEN'",
    )
    .bind::<Text, _>(actor.as_str())
    .bind::<Text, _>(row.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(row.id.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the tries before have left in an export's row, beyond what `settle` clears.
async fn begin_anew(connection: &mut Connection, task: &Task) -> Result<(), StoreError> {
    let identical: Vec<Id> = sql_query(
        "SELECT o.id FROM task t FORCE INDEX (PRIMARY) JOIN task o FORCE INDEX (tenant_open) \
         ON o.tenant = t.tenant AND o.created_by = t.created_by AND o.open_key = t.request_hash \
         WHERE t.id = ?",
    )
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .load(connection)
    .await?;
    sql_query(
        "UPDATE task SET retry_count = 0, total_rows = NULL, total_is_estimate = FALSE, \
         failed_rows = 0, skipped_rows = 0, warnings = NULL, attempt_at = NULL, \
         progress_at = NULL, open_key = IF(?, request_hash, NULL) \
         WHERE id = ? AND kind = 'EXPORT'",
    )
    .bind::<Bool, _>(identical.is_empty())
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    Ok(())
}
