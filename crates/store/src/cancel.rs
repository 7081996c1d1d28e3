//! A person ends a task: all its open rows at once.

use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{CompensateBizId, Event, TaskId, TaskStatus};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::{Id, lock_row};
use crate::settle::{Case, settle};
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
            let mut cancelled = false;
            for row in rows_of(connection, who.tenant.as_str(), task).await? {
                let Some(row) = lock_row(connection, row).await? else {
                    continue;
                };
                if !row.state.status.is_final() {
                    settle(connection, &row, &Case::new(Event::Cancel, None)).await?;
                    cancelled = true;
                }
            }
            if cancelled {
                return Ok(Cancelled::Now);
            }
            let status = status_of(connection, &who, task).await?;
            Ok(status.map_or(Cancelled::NotFound, Cancelled::TooLate))
        })
        .await
    }
}

pub(crate) async fn rows_of(
    connection: &mut Connection,
    tenant: &str,
    task: TaskId,
) -> Result<Vec<CompensateBizId>, StoreError> {
    let rows: Vec<Id> =
        sql_query("SELECT id FROM compensate_biz WHERE task_id = ? AND tenant = ? ORDER BY id")
            .bind::<Unsigned<BigInt>, _>(task.0)
            .bind::<Text, _>(tenant)
            .load(connection)
            .await?;
    Ok(rows
        .into_iter()
        .map(|row| CompensateBizId(row.id))
        .collect())
}
