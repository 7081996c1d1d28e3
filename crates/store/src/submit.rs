//! Accepting work: the task and its row, in one transaction. The row is its own outbox.
//! Whether it is wanted at all, or repeats an earlier request, is `once.rs`.

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, CompensateBizId, Lane, LeaseEpoch, Rung, TaskId, Tenant, UserId};
use uuid::Uuid;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::once::{Once, insert_key};
use crate::pool::Connection;
use crate::row::Id;

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

impl Store {
    /// Accepts an export: durable when this returns. After an unknown COMMIT the row is looked for
    /// by the token that is its `biz_id`, so an error means that nothing was accepted.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was accepted, unless the database stays away during the look, too:
    /// then [`StoreError::UnknownCommit`].
    pub async fn submit_export(&self, export: NewExport) -> Result<Submitted, StoreError> {
        self.submit(export, Once::Always).await
    }

    pub(crate) async fn submit(
        &self,
        export: NewExport,
        once: Once,
    ) -> Result<Submitted, StoreError> {
        let token = BizId::parse(Uuid::new_v4().simple().to_string())?;
        let submitted = self
            .insert_export(export.clone(), once, token.clone())
            .await;
        let Err(StoreError::UnknownCommit(cause)) = submitted else {
            return submitted;
        };
        match self.find_export(export.tenant, token).await {
            Ok(Some(submitted)) => Ok(submitted),
            Ok(None) => Err(StoreError::Unavailable(cause)),
            Err(_) => Err(StoreError::UnknownCommit(cause)),
        }
    }

    async fn insert_export(
        &self,
        export: NewExport,
        once: Once,
        token: BizId,
    ) -> Result<Submitted, StoreError> {
        self.transact(
            Op::SubmitExport,
            async move |connection: &mut Connection| {
                let task = insert_task(connection, &export, &once).await?;
                if let Once::Key { key, request_hash } = &once {
                    insert_key(connection, &export, key, request_hash, task).await?;
                }
                let id = insert_row(connection, &export, &token, task).await?;
                Ok(Submitted {
                    task,
                    rung: Rung {
                        id,
                        epoch: LeaseEpoch(0),
                    },
                })
            },
        )
        .await
    }

    /// Waits for a transaction that still holds the row.
    async fn find_export(
        &self,
        tenant: Tenant,
        token: BizId,
    ) -> Result<Option<Submitted>, StoreError> {
        self.transact(
            Op::SubmitExport,
            async move |connection: &mut Connection| {
                let found: Vec<Found> = sql_query(
                    "SELECT id, task_id FROM compensate_biz \
                 WHERE tenant = ? AND biz_type = ? AND biz_id = ? FOR UPDATE",
                )
                .bind::<Text, _>(tenant.as_str())
                .bind::<Text, _>(EXPORT)
                .bind::<Text, _>(token.as_str())
                .load(connection)
                .await?;
                Ok(found.into_iter().next().map(|row| Submitted {
                    task: TaskId(row.task_id),
                    rung: Rung {
                        id: CompensateBizId(row.id),
                        epoch: LeaseEpoch(0),
                    },
                }))
            },
        )
        .await
    }
}

async fn insert_task(
    connection: &mut Connection,
    export: &NewExport,
    once: &Once,
) -> Result<TaskId, StoreError> {
    let open_key = match once {
        Once::WhileOpen(hash) => Some(hash),
        Once::Always | Once::Key { .. } => None,
    };
    sql_query(
        "INSERT INTO task (tenant, kind, dataset, name, queue, params, locale, max_retries, \
         created_by, open_key) VALUES (?, 'EXPORT', ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind::<Text, _>(export.tenant.as_str())
    .bind::<Text, _>(&export.dataset)
    .bind::<Text, _>(&export.name)
    .bind::<Text, _>(&export.queue)
    .bind::<Text, _>(&export.options)
    .bind::<Text, _>(&export.locale)
    .bind::<Unsigned<Integer>, _>(export.max_retries)
    .bind::<Text, _>(export.user.as_str())
    .bind::<Nullable<Text>, _>(open_key)
    .execute(connection)
    .await?;
    last_insert_id(connection).await.map(TaskId)
}

async fn insert_row(
    connection: &mut Connection,
    export: &NewExport,
    token: &BizId,
    task: TaskId,
) -> Result<CompensateBizId, StoreError> {
    sql_query(format!(
        "INSERT INTO compensate_biz (tenant, biz_type, biz_id, lane, context, max_cnt, announced, \
         wake_at, task_id, trace_context, created_by) \
         VALUES (?, ?, ?, ?, ?, ?, TRUE, {}, ?, ?, ?)",
        after(export.scan_interval)
    ))
    .bind::<Text, _>(export.tenant.as_str())
    .bind::<Text, _>(EXPORT)
    .bind::<Text, _>(token.as_str())
    .bind::<Text, _>(export.lane.as_str())
    .bind::<Text, _>(&export.context)
    .bind::<Unsigned<Integer>, _>(export.max_retries)
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Nullable<Text>, _>(&export.trace_context)
    .bind::<Text, _>(export.user.as_str())
    .execute(connection)
    .await?;
    last_insert_id(connection).await.map(CompensateBizId)
}

async fn last_insert_id(connection: &mut Connection) -> Result<u64, StoreError> {
    let Id { id } = sql_query("SELECT LAST_INSERT_ID() AS id")
        .get_result(connection)
        .await?;
    Ok(id)
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    task_id: u64,
}
