//! Tasks that ended some time ago, and what their attempts may have left behind in storage: what
//! killed workers wrote, batches of imports that were cancelled, failure files of passed ends.
//!
//! `task.sweep_at` is the end of a task until the sweep has been there, once for each end; a retry
//! makes it null, and the next end sets it again. What may go is told by epochs that were read while
//! the task was locked and ended: an attempt that begins later has a later one.

use std::collections::HashMap;
use std::time::Duration;

use chrono::NaiveDateTime;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Datetime, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Action, CompensateBizId, FileState, LeaseEpoch, Task, TaskId, TaskKind, Tenant};

use super::{REMOVAL_SECONDS, RetentionTerms, before};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::Id;
use crate::submit::{EXPORT, IMPORT, IMPORT_FINISH};
use crate::task::load;
use crate::upload;

/// A task that has ended, and what of its objects is to be removed.
#[derive(Debug, Clone)]
pub struct EndedTask {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What is to be removed.
    pub goes: Goes,
    /// By this the caller is known to have been told.
    told_at: NaiveDateTime,
}

/// What of a task's objects is to be removed.
#[derive(Debug, Clone)]
pub enum Goes {
    /// It was deleted: all of them; then the task itself, if its time has passed
    /// ([`Store::purge_task`]).
    All {
        /// Whether it has.
        and_the_task: bool,
    },
    /// What its attempts left behind.
    Leftovers(AttemptsEnd),
}

/// How far the attempts at a task had come when it had ended.
#[derive(Debug, Clone)]
pub struct AttemptsEnd {
    /// The last epoch of the row that began the task.
    first: Option<LeaseEpoch>,
    /// Of the rows that end an import.
    finishes: HashMap<CompensateBizId, LeaseEpoch>,
    /// Whether a retry needs what the first row's attempts wrote.
    keeps_first: bool,
    /// Keys of what can still be fetched.
    pub visible: Vec<String>,
}

impl AttemptsEnd {
    /// Whether what the attempt of that epoch at the task's first row wrote is needless, unless it
    /// can be fetched.
    #[must_use]
    pub fn is_over(&self, epoch: LeaseEpoch) -> bool {
        !self.keeps_first && self.first.is_some_and(|last| epoch <= last)
    }

    /// The same for a row that ends an import. One that is not known here may have been born since.
    #[must_use]
    pub fn finish_is_over(&self, row: CompensateBizId, epoch: LeaseEpoch) -> bool {
        self.finishes.get(&row).is_some_and(|last| epoch <= *last)
    }
}

impl Store {
    /// At most `limit` tasks whose end lies long enough back, oldest first, each told to one caller.
    /// What is not reported by [`Store::task_swept`] or [`Store::purge_task`] is told again after
    /// some minutes.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn take_ended_tasks(
        &self,
        terms: RetentionTerms,
        limit: usize,
    ) -> Result<Vec<EndedTask>, StoreError> {
        let due = self
            .transact(Op::Retention, async move |connection: &mut Connection| {
                take(connection, terms, limit).await
            })
            .await?;
        let mut ended = Vec::with_capacity(due.len());
        for task in due {
            match self.what_goes(&task, terms).await {
                Ok(goes) => ended.extend(goes.map(|goes| task.into_ended(goes))),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(task.id = task.id, %error, "a task is not understood")
                }
            }
        }
        Ok(ended)
    }

    /// None when the task was opened again.
    async fn what_goes(
        &self,
        due: &DueTask,
        terms: RetentionTerms,
    ) -> Result<Option<Goes>, StoreError> {
        if due.is_deleted {
            return Ok(Some(Goes::All {
                and_the_task: due.is_past,
            }));
        }
        let (id, tenant) = (TaskId(due.id), Tenant::stored(due.tenant.clone()));
        let past = before(terms.rows);
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            // Whoever opens it again waits for this lock, or is waited for.
            let still: Vec<Ended> = sql_query(format!(
                "SELECT finished_at <= {past} AS is_past FROM task FORCE INDEX (PRIMARY) \
                 WHERE id = ? AND finished_at IS NOT NULL FOR UPDATE"
            ))
            .bind::<Unsigned<BigInt>, _>(id.0)
            .load(connection)
            .await?;
            let Some(Ended { is_past }) = still.into_iter().next() else {
                return Ok(None);
            };
            let Some(task) = load(connection, &tenant, id).await? else {
                return Ok(None);
            };
            let end = attempts_end(connection, &task, is_past).await?;
            if is_past {
                // From this commit on no retry is offered: what it would need is about to go.
                upload::expire_of_task(connection, &tenant, id).await?;
            }
            Ok(Some(Goes::Leftovers(end)))
        })
        .await
    }

    /// Notes that what was to be removed is gone. The task is looked at again when what is kept
    /// longer has had its time, or after its next end.
    ///
    /// # Errors
    /// [`StoreError`]; removing it once more does no harm.
    pub async fn task_swept(
        &self,
        ended: &EndedTask,
        terms: RetentionTerms,
    ) -> Result<(), StoreError> {
        let keeps_some = match &ended.goes {
            Goes::All { .. } => true,
            Goes::Leftovers(end) => end.keeps_first,
        };
        let again = if keeps_some {
            // the sweep comes by `leftovers` after that moment
            format!(
                "COALESCE(deleted_at, finished_at) + INTERVAL {} MICROSECOND \
                 - INTERVAL {} MICROSECOND",
                terms.rows.as_micros(),
                terms.leftovers.as_micros()
            )
        } else {
            "NULL".to_owned()
        };
        let (task, tenant, told_at) = (ended.task, ended.tenant.clone(), ended.told_at);
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            sql_query(format!(
                "UPDATE task FORCE INDEX (PRIMARY) SET sweep_again_at = {again} \
                 WHERE id = ? AND tenant = ? AND swept_at = ?"
            ))
            .bind::<Unsigned<BigInt>, _>(task.0)
            .bind::<Text, _>(tenant.as_str())
            .bind::<Datetime, _>(told_at)
            .execute(connection)
            .await?;
            Ok(())
        })
        .await
    }
}

/// Locks tasks that are due and says that somebody is about to look after them.
async fn take(
    connection: &mut Connection,
    terms: RetentionTerms,
    limit: usize,
) -> Result<Vec<DueTask>, StoreError> {
    let due = format!("sweep_at <= {}", before(terms.leftovers));
    let found: Vec<Id> = sql_query(format!(
        "SELECT id FROM task FORCE INDEX (sweep_at) WHERE {due} ORDER BY sweep_at LIMIT {limit}"
    ))
    .load(connection)
    .await?;
    let mut ids: Vec<u64> = found.into_iter().map(|row| row.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    ids.sort_unstable();
    let free: Vec<Id> = sql_query(format!(
        "SELECT id FROM task FORCE INDEX (PRIMARY) WHERE id IN ({}) AND {due} \
         ORDER BY id FOR UPDATE SKIP LOCKED",
        list(ids)
    ))
    .load(connection)
    .await?;
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let ids = list(free.into_iter().map(|row| row.id));
    let again = Duration::from_secs(REMOVAL_SECONDS).as_micros();
    sql_query(format!(
        "UPDATE task FORCE INDEX (PRIMARY) SET swept_at = UTC_TIMESTAMP(6), \
         sweep_again_at = {} + INTERVAL {again} MICROSECOND WHERE id IN ({ids})",
        before(terms.leftovers)
    ))
    .execute(connection)
    .await?;
    let rows = sql_query(format!(
        "SELECT id, tenant, deleted_at IS NOT NULL AS is_deleted, \
         COALESCE(deleted_at, finished_at) <= {} AS is_past, swept_at AS told_at \
         FROM task FORCE INDEX (PRIMARY) WHERE id IN ({ids}) ORDER BY id",
        before(terms.rows)
    ))
    .load(connection)
    .await?;
    Ok(rows)
}

/// How far the attempts at a locked task have come that has ended; `is_past`: its time has passed.
async fn attempts_end(
    connection: &mut Connection,
    task: &Task,
    is_past: bool,
) -> Result<AttemptsEnd, StoreError> {
    let rows: Vec<EpochRow> = sql_query(format!(
        "SELECT id, biz_type, lease_epoch FROM compensate_biz FORCE INDEX (task_id) \
         WHERE task_id = ? AND tenant = ? AND biz_type IN ('{EXPORT}', '{IMPORT}', '{IMPORT_FINISH}')"
    ))
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .bind::<Text, _>(task.tenant.as_str())
    .load(connection)
    .await?;
    let (finishes, first): (Vec<EpochRow>, Vec<EpochRow>) = rows
        .into_iter()
        .partition(|row| row.biz_type == IMPORT_FINISH);
    let can_go_on =
        task.kind == TaskKind::Import && task.allowed_actions().contains(&Action::Retry);
    let visible = task.files.iter();
    let visible = visible.filter(|file| file.state == FileState::Available);
    Ok(AttemptsEnd {
        first: first.iter().map(|row| LeaseEpoch(row.lease_epoch)).max(),
        finishes: finishes
            .iter()
            .map(|row| (CompensateBizId(row.id), LeaseEpoch(row.lease_epoch)))
            .collect(),
        keeps_first: can_go_on && !is_past,
        visible: visible.map(|file| file.object_key.clone()).collect(),
    })
}

#[derive(QueryableByName)]
struct DueTask {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Bool)]
    is_deleted: bool,
    #[diesel(sql_type = Bool)]
    is_past: bool,
    #[diesel(sql_type = Datetime)]
    told_at: NaiveDateTime,
}

impl DueTask {
    fn into_ended(self, goes: Goes) -> EndedTask {
        EndedTask {
            task: TaskId(self.id),
            tenant: Tenant::stored(self.tenant),
            goes,
            told_at: self.told_at,
        }
    }
}

#[derive(QueryableByName)]
struct Ended {
    #[diesel(sql_type = Bool)]
    is_past: bool,
}

#[derive(QueryableByName)]
struct EpochRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    biz_type: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
}
