//! A person ends a task: all its open rows at once, in one transaction, however many they are.
//!
//! A row that is being settled at that moment is waited for: it counts as done, and what was born
//! with it is ended, too. The task's own group ends without follow-ups. Shown by
//! `tests/it/cancel.rs` and `tests/it/group_cancel.rs`.

use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, Event, OperationAction, TaskId, TaskStatus, Tenant};

use crate::Store;
use crate::born::Births;
use crate::door::Op;
use crate::error::StoreError;
use crate::group;
use crate::operation_log::{self, Actor, entry};
use crate::pool::Connection;
use crate::row::{Id, lock_rows};
use crate::settle::{Case, settle_all};
use crate::task::{Visibility, status_of};

/// Tries of a cancel that meets rows being put back at that very moment.
const TRIES: u32 = 5;

/// What became of a request to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The task is cancelled; its workers stop at their next heartbeat and can publish nothing.
    Now,
    /// The task had ended before, so.
    TooLate(TaskStatus),
    /// The caller sees no such task.
    NotFound,
}

impl Store {
    /// Cancels a task that the caller may see.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cancel_task(
        &self,
        who: &Visibility,
        task: TaskId,
    ) -> Result<Cancelled, StoreError> {
        self.cancel_task_by(&Actor::of(who), who, task).await
    }

    /// The same, by somebody who may not be the only one to see it: stands so in the operation log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cancel_task_by(
        &self,
        actor: &Actor,
        who: &Visibility,
        task: TaskId,
    ) -> Result<Cancelled, StoreError> {
        match self.cancel_once(actor, who, task, false).await {
            // Read back: what is cancelled now was cancelled by that COMMIT, or by another person.
            Err(StoreError::UnknownCommit(_)) => {
                match self.cancel_once(actor, who, task, true).await? {
                    Cancelled::TooLate(TaskStatus::Cancelled) => Ok(Cancelled::Now),
                    other => Ok(other),
                }
            }
            done => done,
        }
    }

    async fn cancel_once(
        &self,
        actor: &Actor,
        who: &Visibility,
        task: TaskId,
        reads_back: bool,
    ) -> Result<Cancelled, StoreError> {
        for _ in 0..TRIES {
            let done = self.cancel_what_is_open(actor, who, task, reads_back);
            if let Some(done) = done.await? {
                return Ok(done);
            }
        }
        Err(StoreError::Contended(
            "rows of the task are put back again and again".into(),
        ))
    }

    /// None when a row was put back while the others were being locked. Whoever reads back what an
    /// earlier COMMIT did is not refused by it.
    async fn cancel_what_is_open(
        &self,
        actor: &Actor,
        who: &Visibility,
        task: TaskId,
        reads_back: bool,
    ) -> Result<Option<Cancelled>, StoreError> {
        let (actor, who) = (actor.clone(), who.clone());
        self.transact(Op::Cancel, async move |connection: &mut Connection| {
            if status_of(connection, &who, task).await?.is_none() {
                return Ok(Some(Cancelled::NotFound));
            }
            let open = [BizStatus::WaitHandle, BizStatus::Processing];
            let rows = lock_rows(connection, &who.tenant, task, open).await?;
            // A dead letter may be redriven while its import goes on; that holds the group as well.
            hold_group(connection, &who.tenant, task).await?;
            if open_rows(connection, &who.tenant, task).await? != rows.len() {
                return Ok(None);
            }
            // Only whoever holds an open row of the task ends it, so this holds from here on.
            let Some(status) = status_of(connection, &who, task).await? else {
                return Ok(Some(Cancelled::NotFound));
            };
            let entry = entry(&actor, OperationAction::TaskCancel, task);
            if status.is_final() || rows.is_empty() {
                if !reads_back {
                    operation_log::write(connection, &entry.refused()).await?;
                }
                return Ok(Some(Cancelled::TooLate(status)));
            }
            let case = Case {
                cancelled_task: Some(task),
                ..Case::new(Event::Cancel)
            };
            let mut births = Births::left_to_the_relay();
            settle_all(connection, &rows, &case, &mut births).await?;
            operation_log::write(connection, &entry).await?;
            Ok(Some(Cancelled::Now))
        })
        .await
    }
}

/// Locks the group of an import's batches, if it has one by now.
async fn hold_group(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<(), StoreError> {
    let groups: Vec<Id> = sql_query(
        "SELECT group_id AS id FROM task FORCE INDEX (PRIMARY) \
         WHERE id = ? AND tenant = ? AND group_id IS NOT NULL",
    )
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Text, _>(tenant.as_str())
    .load(connection)
    .await?;
    let groups = groups.into_iter().map(|group| group.id).collect();
    group::hold(connection, tenant, groups).await
}

/// How many of the task's rows are open now.
async fn open_rows(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<usize, StoreError> {
    let open: Vec<Id> = sql_query(
        "SELECT id FROM compensate_biz FORCE INDEX (task_id) \
         WHERE task_id = ? AND tenant = ? AND status IN ('WAIT_HANDLE', 'PROCESSING')",
    )
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Text, _>(tenant.as_str())
    .load(connection)
    .await?;
    Ok(open.len())
}
