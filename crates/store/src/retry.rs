//! A person has a task tried again: its rows that failed or were cancelled are redriven by
//! `settle`, with all that follows, in one transaction. An export begins anew; an import goes on
//! with what is dead: its reading, its batches, or its end. Shown by `tests/it/retry.rs` and
//! `tests/it/group_retry.rs`.
//!
//! Lock order: compensate_biz by id, group, task.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    Action, BizStatus, Event, Lane, OperationAction, Rung, Task, TaskId, TaskKind, Tenant, UserId,
};

use crate::Store;
use crate::announce::Announced;
use crate::born::Births;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::{after, list};
use crate::group::{self, is_superseded};
use crate::import::PHASE;
use crate::operation_log::{self, Actor, entry};
use crate::pool::Connection;
use crate::quota::{self, OpenTaskLimits, Quota};
use crate::row::{Id, LockedRow, lock_rows};
use crate::settle::{Case, settle_all};
use crate::submit::{IMPORT, IMPORT_BATCH, IMPORT_FINISH};
use crate::task::{Visibility, load, lock_task, status_of};

/// Tries of a retry that meets an identical export being opened at that very moment.
const TRIES: u32 = 3;

/// Rows of one statement.
const ROWS_PER_STATEMENT: usize = 1_000;

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

impl Retry {
    fn by(&self, tenant: &Tenant) -> Actor {
        Actor {
            tenant: tenant.clone(),
            user: self.actor.clone(),
            request_id: None,
        }
    }
}

/// How rows that a person puts back are announced.
#[derive(Debug, Clone)]
pub struct Announce {
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
    /// Has a task that the caller may see tried again, with a fresh count of failures: an export from
    /// its beginning, an import from where it stopped. While it is open, an identical submit finds it again, unless another identical
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
            let ended = [BizStatus::Failed, BizStatus::Cancelled];
            let rows = lock_rows(connection, &who.tenant, task, ended).await?;
            let rows = worth_a_try(connection, rows).await?;
            let Some(found) = lock_task(connection, &who, task).await? else {
                return Ok(Retried::NotFound);
            };
            if rows.is_empty() || !found.allowed_actions().contains(&Action::Retry) {
                return Ok(Retried::Refused(Box::new(found)));
            }
            let mut births = Births::left_to_the_relay();
            settle_all(connection, &rows, &Case::new(Event::Redrive), &mut births).await?;
            let terms = Announce {
                scan_interval: retry.scan_interval,
                trace_context: retry.trace_context.clone(),
            };
            let reopened = announce(connection, &rows, &terms).await?;
            redrive_dead_letters(connection, &rows, &retry.actor).await?;
            match found.kind {
                TaskKind::Export => begin_export_anew(connection, &found).await?,
                TaskKind::Import => reopen_import(connection, &found, &rows).await?,
            }
            quota::check(connection, retry.limits, &found.tenant, &found.created_by).await?;
            let entry = entry(&retry.by(&found.tenant), OperationAction::TaskRetry, task);
            operation_log::write(connection, &entry).await?;
            let task = load(connection, &found.tenant, task).await?;
            let task = task.ok_or(StoreError::Fenced)?;
            Ok(Retried::Now(Box::new(task), reopened))
        })
        .await
    }
}

/// Those of the task's ended rows that go on where the task stopped. An import's batches come before
/// its end, which their group asks for anew; an end of an older generation stays as it is. Locks
/// their groups.
async fn worth_a_try(
    connection: &mut Connection,
    ended: Vec<LockedRow>,
) -> Result<Vec<LockedRow>, StoreError> {
    let groups: BTreeSet<u64> = ended.iter().filter_map(|row| row.group_id).collect();
    if let [row, ..] = ended.as_slice() {
        group::hold(connection, &row.tenant, groups).await?;
    }
    let has_batches = ended.iter().any(|row| row.biz_type == IMPORT_BATCH);
    let mut worth = Vec::with_capacity(ended.len());
    for row in ended {
        let is_passed = row.biz_type == IMPORT_FINISH
            && (has_batches || is_superseded(connection, &row.tenant, &row.biz_id).await?);
        if !is_passed {
            worth.push(row);
        }
    }
    Ok(worth)
}

/// Marks the redriven rows as announced, as a fresh submit is born.
pub(crate) async fn announce(
    connection: &mut Connection,
    rows: &[LockedRow],
    terms: &Announce,
) -> Result<Vec<(Lane, Announced)>, StoreError> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let matched = sql_query(format!(
            "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
             SET announced = TRUE, wake_at = {}, trace_context = ? \
             WHERE id IN ({}) AND status = 'WAIT_HANDLE' AND announced = FALSE",
            after(terms.scan_interval),
            list(rows.iter().map(|row| row.id.0))
        ))
        .bind::<Nullable<Text>, _>(&terms.trace_context)
        .execute(connection)
        .await?;
        if matched != rows.len() {
            return Err(StoreError::Fenced);
        }
    }
    let rung = |row: &LockedRow| {
        let announced = Announced {
            rung: Rung {
                id: row.id,
                epoch: row.epoch.next(),
            },
            trace_context: terms.trace_context.clone(),
        };
        Ok((Lane::parse(row.lane.clone())?, announced))
    };
    rows.iter().map(rung).collect()
}

/// Marks the letters of the rows that are put back. To be called with the rows' locks, after those
/// of groups and tasks.
pub(crate) async fn redrive_dead_letters(
    connection: &mut Connection,
    rows: &[LockedRow],
    actor: &UserId,
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        sql_query(format!(
            "UPDATE dead_letter FORCE INDEX (tenant_biz) \
             SET status = 'REDRIVEN', acted_by = ?, acted_at = UTC_TIMESTAMP(6), \
             updated_at = UTC_TIMESTAMP(6) \
             WHERE tenant = ? AND compensate_biz_id IN ({}) AND status IN ('OPEN', 'PARKED')",
            list(rows.iter().map(|row| row.id.0))
        ))
        .bind::<Text, _>(actor.as_str())
        .bind::<Text, _>(rows[0].tenant.as_str())
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// What the tries before have left in an import's task, beyond what `settle` clears. The failure
/// workbook is written anew at the end. Counts of an import under way are sums over its ledger.
pub(crate) async fn reopen_import(
    connection: &mut Connection,
    task: &Task,
    rows: impl IntoIterator<Item = &LockedRow>,
) -> Result<(), StoreError> {
    let begins_anew = rows.into_iter().any(|row| row.biz_type == IMPORT);
    let cleared = if begins_anew {
        "total_rows = NULL, total_is_estimate = FALSE, done_rows = 0, failed_rows = 0, \
         skipped_rows = 0, warnings = NULL"
    } else {
        PHASE
    };
    sql_query(format!(
        "UPDATE task SET retry_count = 0, attempt_at = NULL, progress_at = NULL, {cleared} \
         WHERE id = ?"
    ))
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    sql_query(
        "UPDATE task_file FORCE INDEX (tenant_task) \
         SET state = 'DELETED', remove_at = UTC_TIMESTAMP(6) \
         WHERE tenant = ? AND task_id = ? AND role = 'FAILURES' AND state <> 'DELETED'",
    )
    .bind::<Text, _>(task.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the tries before have left in an export's row, beyond what `settle` clears.
pub(crate) async fn begin_export_anew(
    connection: &mut Connection,
    task: &Task,
) -> Result<(), StoreError> {
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
         WHERE id = ?",
    )
    .bind::<Bool, _>(identical.is_empty())
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    Ok(())
}
