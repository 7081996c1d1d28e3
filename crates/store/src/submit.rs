//! Accepting work: the task and its row, in one transaction. The row is its own outbox.
//! Whether it is wanted at all, or repeats an earlier request, is `once.rs`.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, CompensateBizId, LeaseEpoch, OperationAction, Rung, Task, TaskId};
use uuid::Uuid;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::new_task::{NewExport, NewTask};
use crate::once::Once;
use crate::operation_log::{self, entry};
use crate::pool::Connection;
use crate::quota::{self, OpenTaskLimits};
use crate::task::{TASK, load, with_files};
use crate::task_row::TaskRow;
use crate::upload;

/// The biz type of exports.
pub const EXPORT: &str = "EXPORT";

/// The biz type of imports' first step: the file is read and cut into batches.
pub const IMPORT: &str = "IMPORT";

/// The biz type of one batch of an import.
pub const IMPORT_BATCH: &str = "IMPORT_BATCH";

/// The biz type of imports' last step: counts and the failure workbook.
pub const IMPORT_FINISH: &str = "IMPORT_FINISH";

/// What was accepted, and the ring to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The user's task.
    pub task: TaskId,
    /// Its row: born announced, rung by the caller right after this.
    pub rung: Rung,
}

/// What was accepted, as it was stored, and the ring to send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The user's task.
    pub task: Task,
    /// Its row: born announced, rung by the caller right after this.
    pub rung: Rung,
}

impl Store {
    /// Accepts an export, however many are open: durable when this returns. After an unknown COMMIT
    /// the row is looked for by the token that is its `biz_id`, so an error means that nothing was
    /// accepted.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was accepted, unless the database stays away during the look, too:
    /// then [`StoreError::UnknownCommit`].
    pub async fn submit_export(&self, export: NewExport) -> Result<Submitted, StoreError> {
        let limits = OpenTaskLimits::default();
        let accepted = self.submit(export.into(), Once::Always, limits).await?;
        Ok(Submitted {
            task: accepted.task.id,
            rung: accepted.rung,
        })
    }

    pub(crate) async fn submit(
        &self,
        new: NewTask,
        once: Once,
        limits: OpenTaskLimits,
    ) -> Result<Accepted, StoreError> {
        let token = BizId::parse(Uuid::new_v4().simple().to_string())?;
        let inserting = self.insert_new(new.clone(), once, limits, token.clone());
        let cause = match inserting.await {
            Err(StoreError::UnknownCommit(cause)) => cause,
            done => return done,
        };
        match self.find_inserted(new, token).await {
            Ok(Some(accepted)) => Ok(accepted),
            Ok(None) => Err(StoreError::Unavailable(cause)),
            Err(_) => Err(StoreError::UnknownCommit(cause)),
        }
    }

    async fn insert_new(
        &self,
        new: NewTask,
        once: Once,
        limits: OpenTaskLimits,
        token: BizId,
    ) -> Result<Accepted, StoreError> {
        self.transact(new.op(), async move |connection: &mut Connection| {
            // First of all: who repeats a request waits here, before it counts as an open task.
            if let Once::Key { key, request_hash } = &once {
                new.key(key).take(connection, request_hash).await?;
            }
            insert_task(connection, &new, &once).await?;
            if let Once::Key { key, .. } = &once {
                new.key(key).name_inserted_task(connection).await?;
            }
            if let Some(file) = &new.upload {
                upload::give_to_inserted_task(connection, &new.tenant, &new.user, file).await?;
            }
            insert_row(connection, &new, &token).await?;
            quota::check(connection, limits, &new.tenant, &new.user).await?;
            let accepted = read_inserted(connection, &new).await?;
            let entry = entry(&new.by(), OperationAction::TaskSubmit, accepted.task.id);
            operation_log::write(connection, &entry).await?;
            Ok(accepted)
        })
        .await
    }

    /// Waits for a transaction that still holds the row.
    async fn find_inserted(
        &self,
        new: NewTask,
        token: BizId,
    ) -> Result<Option<Accepted>, StoreError> {
        self.transact(Op::ReadTask, async move |connection: &mut Connection| {
            let found: Vec<Found> = sql_query(
                "SELECT id, task_id FROM compensate_biz \
                     WHERE tenant = ? AND biz_type = ? AND biz_id = ? FOR UPDATE",
            )
            .bind::<Text, _>(new.tenant.as_str())
            .bind::<Text, _>(new.biz_type())
            .bind::<Text, _>(token.as_str())
            .load(connection)
            .await?;
            let Some(row) = found.into_iter().next() else {
                return Ok(None);
            };
            let task = load(connection, &new.tenant, TaskId(row.task_id)).await?;
            Ok(task.map(|task| Accepted {
                task,
                rung: born(row.id),
            }))
        })
        .await
    }
}

fn born(row: u64) -> Rung {
    Rung {
        id: CompensateBizId(row),
        epoch: LeaseEpoch(0),
    }
}

/// The row that was inserted last, and its task.
async fn read_inserted(connection: &mut Connection, new: &NewTask) -> Result<Accepted, StoreError> {
    let inserted: Inserted = sql_query(format!(
        "SELECT b.id AS row_id, t.* FROM compensate_biz b FORCE INDEX (PRIMARY) \
         JOIN ({TASK}) t ON t.id = b.task_id WHERE b.id = LAST_INSERT_ID()"
    ))
    .get_result(connection)
    .await?;
    let rung = born(inserted.row_id);
    if new.upload.is_none() {
        let task = inserted.task.into_task(Vec::new(), None)?;
        return Ok(Accepted { task, rung });
    }
    let mut tasks = with_files(connection, &new.tenant, vec![inserted.task]).await?;
    let task = tasks.pop().ok_or(StoreError::Fenced)?;
    Ok(Accepted { task, rung })
}

async fn insert_task(
    connection: &mut Connection,
    new: &NewTask,
    once: &Once,
) -> Result<(), StoreError> {
    let request_hash = match once {
        Once::WhileOpen(hash) => Some(hash),
        Once::Always | Once::Key { .. } => None,
    };
    sql_query(
        "INSERT INTO task (tenant, kind, dataset, name, queue, params, locale, max_retries, \
         created_by, open_key, request_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind::<Text, _>(new.tenant.as_str())
    .bind::<Text, _>(new.kind.as_str())
    .bind::<Text, _>(&new.dataset)
    .bind::<Text, _>(&new.name)
    .bind::<Text, _>(&new.queue)
    .bind::<Text, _>(&new.options)
    .bind::<Text, _>(&new.locale)
    .bind::<Unsigned<Integer>, _>(new.max_retries)
    .bind::<Text, _>(new.user.as_str())
    .bind::<Nullable<Text>, _>(request_hash)
    .bind::<Nullable<Text>, _>(request_hash)
    .execute(connection)
    .await?;
    Ok(())
}

/// The row of the task that was inserted last.
async fn insert_row(
    connection: &mut Connection,
    new: &NewTask,
    token: &BizId,
) -> Result<(), StoreError> {
    sql_query(format!(
        "INSERT INTO compensate_biz (tenant, biz_type, biz_id, lane, context, max_cnt, announced, \
         wake_at, task_id, trace_context, created_by) \
         VALUES (?, ?, ?, ?, ?, ?, TRUE, {}, LAST_INSERT_ID(), ?, ?)",
        after(new.scan_interval)
    ))
    .bind::<Text, _>(new.tenant.as_str())
    .bind::<Text, _>(new.biz_type())
    .bind::<Text, _>(token.as_str())
    .bind::<Text, _>(new.lane.as_str())
    .bind::<Text, _>(&new.context)
    .bind::<Unsigned<Integer>, _>(new.max_retries)
    .bind::<Nullable<Text>, _>(&new.trace_context)
    .bind::<Text, _>(new.user.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = Unsigned<BigInt>)]
    row_id: u64,
    #[diesel(embed)]
    task: TaskRow,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    task_id: u64,
}
