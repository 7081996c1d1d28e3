//! A person has a task tried again: its rows that failed or were cancelled are redriven by
//! `settle`, with all that follows, in one transaction. An export begins anew; an import goes on
//! with what is dead: its reading, its batches, or its end. Shown by `tests/it/retry.rs` and
//! `tests/it/group_retry.rs`.
//!
//! What follows from it is `reopen.rs`.

use domain::{Action, BizStatus, Lane, OperationAction, Task, TaskId};

use crate::Store;
use crate::announce::Announced;
use crate::door::Op;
use crate::error::StoreError;
use crate::operation_log::{self, Actor, entry};
use crate::pool::Connection;
use crate::quota::{self, OpenTaskLimits, Quota};
use crate::reopen::{Announce, LockedTasks, announce, open_again, passed, without_file};
use crate::row::{LockedRow, lock_rows};
use crate::task::{Visibility, load, lock_task, status_of};

/// Tries of a retry that meets an identical export being opened at that very moment.
const TRIES: u32 = 3;

/// Who has a task tried again, and how.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Who asks: stands in the dead letters that this redrives, and in the operation log.
    pub actor: Actor,
    /// How many tasks may be open, this one included.
    pub limits: OpenTaskLimits,
    /// How its rows are announced.
    pub announce: Announce,
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
        match self.retry_until_free(who, task, retry, false).await {
            // Read back: what is open now was opened by that COMMIT, or by another person.
            Err(StoreError::UnknownCommit(_)) => {
                match self.retry_until_free(who, task, retry, true).await? {
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
        reads_back: bool,
    ) -> Result<Retried, StoreError> {
        let mut tried = 1;
        loop {
            match self.retry_once(who, task, retry, reads_back).await {
                Err(StoreError::Duplicate(_)) if tried < TRIES => tried += 1,
                Err(error) => {
                    return Quota::reached(&error)
                        .map_or(Err(error), |quota| Ok(Retried::TooManyOpen(quota)));
                }
                done => return done,
            }
        }
    }

    /// Whoever reads back what an earlier COMMIT did is not refused by it.
    async fn retry_once(
        &self,
        who: &Visibility,
        task: TaskId,
        retry: &Retry,
        reads_back: bool,
    ) -> Result<Retried, StoreError> {
        let (who, retry) = (who.clone(), retry.clone());
        self.transact(Op::Retry, async move |connection: &mut Connection| {
            if status_of(connection, &who, task).await?.is_none() {
                return Ok(Retried::NotFound);
            }
            let ended = [BizStatus::Failed, BizStatus::Cancelled];
            let rows = lock_rows(connection, &who.tenant, task, ended).await?;
            let rows = worth_a_try(connection, &who, rows).await?;
            let Some(found) = lock_task(connection, &who, task).await? else {
                return Ok(Retried::NotFound);
            };
            let entry = entry(&retry.actor, OperationAction::TaskRetry, task);
            if rows.is_empty() || !found.allowed_actions().contains(&Action::Retry) {
                if !reads_back {
                    operation_log::write(connection, &entry.refused()).await?;
                }
                return Ok(Retried::Refused(Box::new(found)));
            }
            let (tenant, user) = (found.tenant.clone(), found.created_by.clone());
            let tasks = LockedTasks::from([(task, found)]);
            let all: Vec<&LockedRow> = rows.iter().collect();
            if !without_file(connection, &all, &tasks).await?.is_empty() {
                operation_log::write(connection, &entry.refused()).await?;
                // removed at this moment: as it stands now
                return Ok(match load(connection, &tenant, task).await? {
                    Some(found) => Retried::Refused(Box::new(found)),
                    None => Retried::NotFound,
                });
            }
            open_again(connection, &rows, &tasks, &retry.actor.user).await?;
            let reopened = announce(connection, &rows, &retry.announce).await?;
            quota::check(connection, retry.limits, &tenant, &user).await?;
            operation_log::write(connection, &entry).await?;
            let task = load(connection, &tenant, task).await?;
            let task = task.ok_or(StoreError::Fenced)?;
            Ok(Retried::Now(Box::new(task), reopened))
        })
        .await
    }
}

/// Those of the task's ended rows that go on where the task stopped.
async fn worth_a_try(
    connection: &mut Connection,
    who: &Visibility,
    ended: Vec<LockedRow>,
) -> Result<Vec<LockedRow>, StoreError> {
    let all: Vec<&LockedRow> = ended.iter().collect();
    let passed = passed(connection, &who.tenant, &all).await?;
    let mut worth = ended;
    worth.retain(|row| !passed.contains(&row.id));
    Ok(worth)
}
