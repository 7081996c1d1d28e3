//! A person ends a task: all its open rows at once, in one transaction, however many they are.
//!
//! A row that is being settled at that moment is waited for: it counts as done, and what was born
//! with it is ended, too. The task's own group ends without follow-ups. Shown by
//! `tests/it/cancel.rs` and `tests/it/group_cancel.rs`.

use domain::{BizStatus, Event, TaskId, TaskStatus};

use crate::Store;
use crate::born::Births;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::lock_rows;
use crate::settle::{Case, settle_all};
use crate::task::{Visibility, status_of};

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
        match self.cancel_once(who, task).await {
            // Read back: what is cancelled now was cancelled by that COMMIT, or by another person.
            Err(StoreError::UnknownCommit(_)) => match self.cancel_once(who, task).await? {
                Cancelled::TooLate(TaskStatus::Cancelled) => Ok(Cancelled::Now),
                other => Ok(other),
            },
            done => done,
        }
    }

    async fn cancel_once(&self, who: &Visibility, task: TaskId) -> Result<Cancelled, StoreError> {
        let who = who.clone();
        self.transact(Op::Cancel, async move |connection: &mut Connection| {
            if status_of(connection, &who, task).await?.is_none() {
                return Ok(Cancelled::NotFound);
            }
            let open = [BizStatus::WaitHandle, BizStatus::Processing];
            let rows = lock_rows(connection, &who.tenant, task, open).await?;
            // Only whoever holds an open row of the task ends it, so this holds from here on.
            let Some(status) = status_of(connection, &who, task).await? else {
                return Ok(Cancelled::NotFound);
            };
            if status.is_final() || rows.is_empty() {
                return Ok(Cancelled::TooLate(status));
            }
            let case = Case {
                cancelled_task: Some(task),
                ..Case::new(Event::Cancel)
            };
            let mut births = Births::left_to_the_relay();
            settle_all(connection, &rows, &case, &mut births).await?;
            Ok(Cancelled::Now)
        })
        .await
    }
}
