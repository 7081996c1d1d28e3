//! Accepting work: the task and its row, in one transaction. The row is its own outbox.
//! Whether it is wanted at all, or repeats an earlier request, is `once.rs`.

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, CompensateBizId, Lane, LeaseEpoch, Rung, Task, TaskId, Tenant, UserId};
use uuid::Uuid;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::once::{Once, insert_key, name_inserted_task};
use crate::pool::Connection;
use crate::quota::{self, OpenTaskLimits};
use crate::task::{TASK, load};
use crate::task_row::TaskRow;

/// The biz type of exports.
pub const EXPORT: &str = "EXPORT";

/// An export that somebody asked for, checked.
#[derive(Debug, Clone)]
pub struct NewExport {
    /// Whose.
    pub tenant: Tenant,
    /// Who asks.
    pub user: UserId,
    /// The dataset's name.
    pub dataset: String,
    /// The file's name.
    pub name: String,
    /// The queue, and the lane that it means.
    pub queue: String,
    /// Where it rings.
    pub lane: Lane,
    /// The user's language.
    pub locale: String,
    /// The request's options, as JSON, for the user to read back.
    pub options: String,
    /// The work itself, as JSON, for the handler.
    pub context: String,
    /// Failures that may be followed by another try.
    pub max_retries: u32,
    /// The span that asks, as W3C `traceparent`.
    pub trace_context: Option<String>,
    /// When the scan looks at the row if no ring brings it.
    pub scan_interval: Duration,
}

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
        let accepted = self.submit(export, Once::Always, limits).await?;
        Ok(Submitted {
            task: accepted.task.id,
            rung: accepted.rung,
        })
    }

    pub(crate) async fn submit(
        &self,
        export: NewExport,
        once: Once,
        limits: OpenTaskLimits,
    ) -> Result<Accepted, StoreError> {
        let token = BizId::parse(Uuid::new_v4().simple().to_string())?;
        let tenant = export.tenant.clone();
        let inserting = self.insert_export(export, once, limits, token.clone());
        let cause = match inserting.await {
            Err(StoreError::UnknownCommit(cause)) => cause,
            done => return done,
        };
        match self.find_export(tenant, token).await {
            Ok(Some(accepted)) => Ok(accepted),
            Ok(None) => Err(StoreError::Unavailable(cause)),
            Err(_) => Err(StoreError::UnknownCommit(cause)),
        }
    }

    async fn insert_export(
        &self,
        export: NewExport,
        once: Once,
        limits: OpenTaskLimits,
        token: BizId,
    ) -> Result<Accepted, StoreError> {
        self.transact(
            Op::SubmitExport,
            async move |connection: &mut Connection| {
                // First of all: who repeats a request waits here, before it counts as an open task.
                if let Once::Key { key, request_hash } = &once {
                    insert_key(connection, &export, key, request_hash).await?;
                }
                insert_task(connection, &export, &once).await?;
                if let Once::Key { key, .. } = &once {
                    name_inserted_task(connection, &export, key).await?;
                }
                insert_row(connection, &export, &token).await?;
                quota::check(connection, limits, &export.tenant, &export.user).await?;
                read_inserted(connection).await
            },
        )
        .await
    }

    /// Waits for a transaction that still holds the row.
    async fn find_export(
        &self,
        tenant: Tenant,
        token: BizId,
    ) -> Result<Option<Accepted>, StoreError> {
        self.transact(Op::ReadTask, async move |connection: &mut Connection| {
            let found: Vec<Found> = sql_query(
                "SELECT id, task_id FROM compensate_biz \
                     WHERE tenant = ? AND biz_type = ? AND biz_id = ? FOR UPDATE",
            )
            .bind::<Text, _>(tenant.as_str())
            .bind::<Text, _>(EXPORT)
            .bind::<Text, _>(token.as_str())
            .load(connection)
            .await?;
            let Some(row) = found.into_iter().next() else {
                return Ok(None);
            };
            let task = load(connection, &tenant, TaskId(row.task_id)).await?;
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
async fn read_inserted(connection: &mut Connection) -> Result<Accepted, StoreError> {
    let inserted: Inserted = sql_query(format!(
        "SELECT b.id AS row_id, t.* FROM compensate_biz b FORCE INDEX (PRIMARY) \
         JOIN ({TASK}) t ON t.id = b.task_id WHERE b.id = LAST_INSERT_ID()"
    ))
    .get_result(connection)
    .await?;
    Ok(Accepted {
        task: inserted.task.into_task(Vec::new())?,
        rung: born(inserted.row_id),
    })
}

async fn insert_task(
    connection: &mut Connection,
    export: &NewExport,
    once: &Once,
) -> Result<(), StoreError> {
    let request_hash = match once {
        Once::WhileOpen(hash) => Some(hash),
        Once::Always | Once::Key { .. } => None,
    };
    sql_query(
        "INSERT INTO task (tenant, kind, dataset, name, queue, params, locale, max_retries, \
         created_by, open_key, request_hash) VALUES (?, 'EXPORT', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind::<Text, _>(export.tenant.as_str())
    .bind::<Text, _>(&export.dataset)
    .bind::<Text, _>(&export.name)
    .bind::<Text, _>(&export.queue)
    .bind::<Text, _>(&export.options)
    .bind::<Text, _>(&export.locale)
    .bind::<Unsigned<Integer>, _>(export.max_retries)
    .bind::<Text, _>(export.user.as_str())
    .bind::<Nullable<Text>, _>(request_hash)
    .bind::<Nullable<Text>, _>(request_hash)
    .execute(connection)
    .await?;
    Ok(())
}

/// The row of the task that was inserted last.
async fn insert_row(
    connection: &mut Connection,
    export: &NewExport,
    token: &BizId,
) -> Result<(), StoreError> {
    sql_query(format!(
        "INSERT INTO compensate_biz (tenant, biz_type, biz_id, lane, context, max_cnt, announced, \
         wake_at, task_id, trace_context, created_by) \
         VALUES (?, ?, ?, ?, ?, ?, TRUE, {}, LAST_INSERT_ID(), ?, ?)",
        after(export.scan_interval)
    ))
    .bind::<Text, _>(export.tenant.as_str())
    .bind::<Text, _>(EXPORT)
    .bind::<Text, _>(token.as_str())
    .bind::<Text, _>(export.lane.as_str())
    .bind::<Text, _>(&export.context)
    .bind::<Unsigned<Integer>, _>(export.max_retries)
    .bind::<Nullable<Text>, _>(&export.trace_context)
    .bind::<Text, _>(export.user.as_str())
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
