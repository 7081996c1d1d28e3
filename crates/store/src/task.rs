//! Reading tasks and their files. What a caller may not see does not exist for it.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Task, TaskId, TaskKind, TaskStatus, Tenant, UserId};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::ledger::{Counted, counted};
use crate::pool::Connection;
use crate::task_row::{FileRow, TaskRow};

/// Whose tasks a caller sees: its own, or all of its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visibility {
    /// The caller's tenant.
    pub tenant: Tenant,
    /// The caller, unless it sees every user of the tenant.
    pub user: Option<UserId>,
}

/// Which tasks a list holds. Newest first.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only of this kind.
    pub kind: Option<TaskKind>,
    /// Only in this state.
    pub status: Option<TaskStatus>,
    /// Only of this dataset.
    pub dataset: Option<String>,
    /// Only tasks whose name holds this text.
    pub name_holds: Option<String>,
    /// Only tasks that were asked for at this moment or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Only tasks that were asked for before this moment.
    pub created_to: Option<DateTime<Utc>>,
    /// Only tasks older than this one: where the page before ended.
    pub before: Option<TaskId>,
    /// At most so many; the caller bounds it.
    pub limit: usize,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there are more behind the last.
    pub more: bool,
}

impl Store {
    /// A task that the caller may see, with its files.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn task(&self, who: &Visibility, id: TaskId) -> Result<Option<Task>, StoreError> {
        let who = who.clone();
        self.transact(Op::ReadTask, async move |connection: &mut Connection| {
            let query = visible(TASK, &who)
                .sql(" AND id = ?")
                .bind::<Unsigned<BigInt>, _>(id.0);
            let rows: Vec<TaskRow> = query.load(connection).await?;
            one(connection, &who.tenant, rows).await
        })
        .await
    }

    /// Tasks that the caller may see, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tasks(
        &self,
        who: &Visibility,
        filter: TaskFilter,
    ) -> Result<Page<Task>, StoreError> {
        let who = who.clone();
        self.transact(Op::ListTasks, async move |connection: &mut Connection| {
            // Without it a small table is read by the other key and sorted.
            let key = if who.user.is_some() {
                "tenant_user"
            } else {
                "tenant_id"
            };
            let mut query = visible(&format!("{TASK} FORCE INDEX ({key})"), &who);
            if let Some(kind) = filter.kind {
                query = query.sql(" AND kind = ?").bind::<Text, _>(kind.as_str());
            }
            if let Some(status) = filter.status {
                query = query
                    .sql(" AND status = ?")
                    .bind::<Text, _>(status.as_str());
            }
            if let Some(dataset) = filter.dataset {
                query = query.sql(" AND dataset = ?").bind::<Text, _>(dataset);
            }
            if let Some(text) = filter.name_holds {
                // as people search: without regard to case. In this collation every character
                // counts; in the newer ones a NUL would be found everywhere
                query = query
                    .sql(" AND LOCATE(?, name COLLATE utf8mb4_general_ci) > 0")
                    .bind::<Text, _>(text);
            }
            if let Some(from) = filter.created_from {
                query = query
                    .sql(" AND created_at >= ?")
                    .bind::<Datetime, _>(storable(from));
            }
            if let Some(to) = filter.created_to {
                query = query
                    .sql(" AND created_at < ?")
                    .bind::<Datetime, _>(storable(to));
            }
            if let Some(before) = filter.before {
                query = query
                    .sql(" AND id < ?")
                    .bind::<Unsigned<BigInt>, _>(before.0);
            }
            let query = query.sql(format!(" ORDER BY id DESC LIMIT {}", filter.limit + 1));
            let mut rows: Vec<TaskRow> = query.load(connection).await?;
            let more = rows.len() > filter.limit;
            rows.truncate(filter.limit);
            Ok(Page {
                items: with_files(connection, &who.tenant, rows).await?,
                more,
            })
        })
        .await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.transact(Op::Ping, async move |_: &mut Connection| Ok(()))
            .await
    }
}

/// The moments that a DATETIME can hold, from the year 1000 to 9999, in microseconds since 1970.
const STORABLE_MICROS: RangeInclusive<i64> = -30_610_224_000_000_000..=253_402_300_799_999_999;

/// The storable moment next to it, leap seconds counted as the second after.
pub(crate) fn storable(moment: DateTime<Utc>) -> NaiveDateTime {
    let (first, last) = (STORABLE_MICROS.start(), STORABLE_MICROS.end());
    let micros = moment.timestamp_micros().clamp(*first, *last);
    DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .naive_utc()
}

type Query<'q> = BoxedSqlQuery<'q, Mysql, SqlQuery>;

pub(crate) const TASK: &str = "SELECT id, tenant, kind, dataset, name, queue, params, status, \
     phase, total_rows, total_is_estimate, done_rows, failed_rows, skipped_rows, warnings, \
     retry_count, max_retries, error_code, error_msg, created_by, created_at, started_at, \
     attempt_at, progress_at, finished_at, version, group_id, mends, errors_by_code, \
     UTC_TIMESTAMP(6) AS read_at FROM task";

/// What a caller may not see, and what was deleted, does not exist.
pub(crate) fn visible<'q>(select: &str, who: &Visibility) -> Query<'q> {
    let query = sql_query(format!("{select} WHERE tenant = ? AND deleted_at IS NULL"))
        .into_boxed()
        .bind::<Text, _>(who.tenant.as_str().to_owned());
    match &who.user {
        Some(user) => query
            .sql(" AND created_by = ?")
            .bind::<Text, _>(user.as_str().to_owned()),
        None => query,
    }
}

/// Where a task stands, if the caller may see it.
pub(crate) async fn status_of(
    connection: &mut Connection,
    who: &Visibility,
    task: TaskId,
) -> Result<Option<TaskStatus>, StoreError> {
    let query = visible("SELECT status FROM task", who)
        .sql(" AND id = ?")
        .bind::<Unsigned<BigInt>, _>(task.0);
    let rows: Vec<StatusRow> = query.load(connection).await?;
    rows.into_iter()
        .next()
        .map(|row| Ok(row.status.parse()?))
        .transpose()
}

/// A task that the caller may see, under this transaction's lock.
pub(crate) async fn lock_task(
    connection: &mut Connection,
    who: &Visibility,
    task: TaskId,
) -> Result<Option<Task>, StoreError> {
    let query = visible(TASK, who)
        .sql(" AND id = ? FOR UPDATE")
        .bind::<Unsigned<BigInt>, _>(task.0);
    let rows: Vec<TaskRow> = query.load(connection).await?;
    one(connection, &who.tenant, rows).await
}

/// A task as it is stored, deleted or not.
pub(crate) async fn load(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<Option<Task>, StoreError> {
    let rows: Vec<TaskRow> = sql_query(format!("{TASK} WHERE tenant = ? AND id = ?"))
        .bind::<Text, _>(tenant.as_str())
        .bind::<Unsigned<BigInt>, _>(task.0)
        .load(connection)
        .await?;
    one(connection, tenant, rows).await
}

async fn one(
    connection: &mut Connection,
    tenant: &Tenant,
    rows: Vec<TaskRow>,
) -> Result<Option<Task>, StoreError> {
    let tasks = with_files(connection, tenant, rows).await?;
    Ok(tasks.into_iter().next())
}

pub(crate) async fn with_files(
    connection: &mut Connection,
    tenant: &Tenant,
    rows: Vec<TaskRow>,
) -> Result<Vec<Task>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut counted = counted_of(connection, &rows).await?;
    let ids = list(rows.iter().map(|row| row.id));
    let mut files: Vec<FileRow> = sql_query(format!(
        "SELECT id, task_id, role, state, object_key, name, size, sha256, row_count, expires_at \
         FROM task_file FORCE INDEX (tenant_task) WHERE tenant = ? AND task_id IN ({ids}) \
         ORDER BY task_id, id"
    ))
    .bind::<Text, _>(tenant.as_str())
    .load(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let own = files
                .extract_if(.., |file| file.task_id == row.id)
                .collect();
            let counted = counted.remove(&row.id);
            row.into_task(own, counted)
        })
        .collect()
}

/// The sums of the ledgers that these rows read.
pub(crate) async fn counted_of(
    connection: &mut Connection,
    rows: &[TaskRow],
) -> Result<HashMap<u64, Counted>, StoreError> {
    let imports = rows.iter().filter(|row| row.reads_ledger());
    let imports: Vec<u64> = imports.map(|row| row.id).collect();
    counted(connection, &imports, None).await
}

#[derive(QueryableByName)]
struct StatusRow {
    #[diesel(sql_type = Text)]
    status: String,
}
