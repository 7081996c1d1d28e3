//! A person takes a finished task and its files away. The rows stay for the record and for the
//! task's idempotency key; objects are removed after the commit, by whoever deletes or, where that
//! fails, by whoever looks for files whose `remove_at` has passed. Shown by `tests/it/delete.rs`.

use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Action, OperationAction, Task, TaskFileId, TaskId, Tenant};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::{after, list};
use crate::operation_log::{self, Actor, entry};
use crate::pool::Connection;
use crate::task::{Visibility, lock_task};
use crate::upload::ABANDONED_SECONDS;

/// An object that nobody may fetch any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The file that it was.
    pub file: TaskFileId,
    /// Where it lies.
    pub object_key: String,
}

/// What became of a request to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// The task is gone for everybody. The objects are the caller's to remove.
    Now(Vec<Leftover>),
    /// The task has not ended.
    Refused(Box<Task>),
    /// The caller sees no such task.
    NotFound,
}

impl Store {
    /// Deletes a finished task that the caller may see, and its files with it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn delete_task(&self, who: &Visibility, task: TaskId) -> Result<Deleted, StoreError> {
        self.delete_task_by(&Actor::of(who), who, task).await
    }

    /// The same, by somebody who may not be the only one to see it: stands so in the operation log.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn delete_task_by(
        &self,
        actor: &Actor,
        who: &Visibility,
        task: TaskId,
    ) -> Result<Deleted, StoreError> {
        match self.delete_once(actor, who, task).await {
            // Read back: it was there, so what is gone now went with that COMMIT, or by another
            // person. Its objects are marked for removal.
            Err(StoreError::UnknownCommit(_)) => match self.delete_once(actor, who, task).await? {
                Deleted::NotFound => Ok(Deleted::Now(Vec::new())),
                other => Ok(other),
            },
            done => done,
        }
    }

    async fn delete_once(
        &self,
        actor: &Actor,
        who: &Visibility,
        task: TaskId,
    ) -> Result<Deleted, StoreError> {
        let (actor, who) = (actor.clone(), who.clone());
        self.transact(Op::Delete, async move |connection: &mut Connection| {
            // The task's lock is enough: whoever opens a finished task again takes it, too.
            let Some(found) = lock_task(connection, &who, task).await? else {
                return Ok(Deleted::NotFound);
            };
            let entry = entry(&actor, OperationAction::TaskDelete, task);
            if !found.allowed_actions().contains(&Action::Delete) {
                operation_log::write(connection, &entry.refused()).await?;
                return Ok(Deleted::Refused(Box::new(found)));
            }
            hide(connection, &found).await?;
            operation_log::write(connection, &entry).await?;
            let leftovers = found.files.into_iter().map(|file| Leftover {
                file: file.id,
                object_key: file.object_key,
            });
            Ok(Deleted::Now(leftovers.collect()))
        })
        .await
    }

    /// Notes that the files' objects have been removed, so that nobody looks for them again. An upload
    /// that never had a task is forgotten some time later.
    ///
    /// # Errors
    /// [`StoreError`]; removing them once more does no harm.
    pub async fn objects_removed(
        &self,
        tenant: &Tenant,
        files: &[TaskFileId],
    ) -> Result<(), StoreError> {
        if files.is_empty() {
            return Ok(());
        }
        let mut ids: Vec<u64> = files.iter().map(|file| file.0).collect();
        ids.sort_unstable();
        let (tenant, ids) = (tenant.clone(), list(ids));
        let forget_at = after(Duration::from_secs(ABANDONED_SECONDS));
        self.transact(Op::Delete, async move |connection: &mut Connection| {
            sql_query(format!(
                "UPDATE task_file FORCE INDEX (PRIMARY) \
                 SET remove_at = IF(task_id IS NULL, {forget_at}, NULL) \
                 WHERE id IN ({ids}) AND tenant = ? AND state = 'DELETED'"
            ))
            .bind::<Text, _>(tenant.as_str())
            .execute(connection)
            .await?;
            Ok(())
        })
        .await
    }
}

async fn hide(connection: &mut Connection, task: &Task) -> Result<(), StoreError> {
    sql_query("UPDATE task SET deleted_at = UTC_TIMESTAMP(6), version = version + 1 WHERE id = ?")
        .bind::<Unsigned<BigInt>, _>(task.id.0)
        .execute(connection)
        .await?;
    sql_query(
        "UPDATE task_file FORCE INDEX (tenant_task) \
         SET state = 'DELETED', remove_at = UTC_TIMESTAMP(6) WHERE tenant = ? AND task_id = ?",
    )
    .bind::<Text, _>(task.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    Ok(())
}
