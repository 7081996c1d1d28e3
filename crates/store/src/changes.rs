//! What changed among the tasks that somebody watches.
//!
//! One poll asks for the versions of everything that is watched in a handful of statements, however
//! many watch it; what has changed is then read once. Somebody's own tasks are found as the open
//! ones and those that finished lately, by `(tenant, created_by, finished_at)`: an index that
//! heartbeats leave alone. Shown by `tests/it/changes.rs`.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Task, TaskId, Tenant, UserId};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::task::{TASK, counted_of};
use crate::task_row::{FileRow, TaskRow};

/// How much earlier than it is seen a task may say that it has finished: the time is told before the
/// COMMIT. Longer than a transaction may last.
pub const COMMIT_SLACK: TimeDelta = TimeDelta::seconds(60);

/// How far back what has finished is looked for.
pub const REACH: TimeDelta = TimeDelta::hours(1);

/// Users whose tasks are asked for in one statement.
const USERS_AT_ONCE: usize = 200;

/// Tasks whose versions are asked for in one statement.
const VERSIONS_AT_ONCE: usize = 1_000;

/// Tasks that are read in one statement.
const TASKS_AT_ONCE: usize = 100;

/// A user whose tasks are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedUser {
    /// The user's tenant.
    pub tenant: Tenant,
    /// The user.
    pub user: UserId,
    /// Besides open tasks, those that finished after this moment; at most [`REACH`] and at least
    /// [`COMMIT_SLACK`] back, which is also meant by none.
    pub finished_after: Option<DateTime<Utc>>,
}

/// Where a watched task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The task.
    pub id: TaskId,
    /// Its tenant.
    pub tenant: Tenant,
    /// Whose it is.
    pub user: UserId,
    /// Rises with every change.
    pub version: u64,
    /// None while it is open.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Where everything stands that is watched.
#[derive(Debug, Clone)]
pub struct Standings {
    /// The database's time before anything was read: whatever was committed by then is in here.
    pub as_of: DateTime<Utc>,
    /// The watched tasks; one that is not there is deleted.
    pub tasks: Vec<Standing>,
    /// The watched users' tasks.
    pub of_users: Vec<Standing>,
}

impl Store {
    /// Where the watched tasks stand, and the tasks of the watched users. Whether somebody may see
    /// them is the caller's business.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standings(
        &self,
        tasks: Vec<TaskId>,
        users: Vec<WatchedUser>,
    ) -> Result<Standings, StoreError> {
        self.transact(Op::Standings, async move |connection: &mut Connection| {
            let as_of = now(connection).await?;
            let mut found = Standings {
                as_of,
                tasks: Vec::with_capacity(tasks.len()),
                of_users: Vec::new(),
            };
            for tasks in tasks.chunks(VERSIONS_AT_ONCE) {
                let rows = of_tasks(tasks).load(connection).await?;
                found.tasks.extend(rows.into_iter().map(StandingRow::into));
            }
            for users in users.chunks(USERS_AT_ONCE) {
                let rows = of_users(users, as_of).load(connection).await?;
                found
                    .of_users
                    .extend(rows.into_iter().map(StandingRow::into));
            }
            Ok(found)
        })
        .await
    }

    /// Tasks with their files, whoever they belong to: whether somebody may see them is the
    /// caller's business. Those that are deleted, or not understood, are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tasks_by_id(&self, mut ids: Vec<TaskId>) -> Result<Vec<Task>, StoreError> {
        ids.sort_unstable();
        ids.dedup();
        self.transact(Op::ReadTasks, async move |connection: &mut Connection| {
            let mut tasks = Vec::with_capacity(ids.len());
            for ids in ids.chunks(TASKS_AT_ONCE) {
                tasks.extend(read(connection, ids).await?);
            }
            Ok(tasks)
        })
        .await
    }
}

type Query = BoxedSqlQuery<'static, Mysql, SqlQuery>;

const STANDING: &str = "SELECT id, tenant, created_by, version, finished_at FROM task";

fn of_tasks(tasks: &[TaskId]) -> Query {
    let ids = list(tasks.iter().map(|task| task.0));
    sql_query(format!(
        "{STANDING} FORCE INDEX (PRIMARY) WHERE id IN ({ids}) AND deleted_at IS NULL"
    ))
    .into_boxed()
}

fn of_users(users: &[WatchedUser], as_of: DateTime<Utc>) -> Query {
    let select = format!("{STANDING} FORCE INDEX (tenant_user_finished) WHERE (");
    let latest = as_of - COMMIT_SLACK;
    let query = sql_query(select).into_boxed();
    let query = users
        .iter()
        .enumerate()
        .fold(query, |query, (index, watched)| {
            let or = if index == 0 { "(" } else { " OR (" };
            let after = watched.finished_after.unwrap_or(latest);
            query
                .sql(or)
                .sql("tenant = ?")
                .bind::<Text, _>(watched.tenant.as_str().to_owned())
                .sql(" AND created_by = ?")
                .bind::<Text, _>(watched.user.as_str().to_owned())
                .sql(" AND (finished_at IS NULL OR finished_at > ?))")
                .bind::<Datetime, _>(after.clamp(as_of - REACH, latest).naive_utc())
        });
    query.sql(") AND deleted_at IS NULL")
}

async fn read(connection: &mut Connection, ids: &[TaskId]) -> Result<Vec<Task>, StoreError> {
    let ids = list(ids.iter().map(|id| id.0));
    let rows: Vec<TaskRow> = sql_query(format!(
        "{TASK} FORCE INDEX (PRIMARY) WHERE id IN ({ids}) AND deleted_at IS NULL"
    ))
    .load(connection)
    .await?;
    let mut files: Vec<FileRow> = sql_query(format!(
        "SELECT f.id, f.task_id, f.role, f.state, f.object_key, f.name, f.size, f.sha256, \
         f.row_count, f.expires_at FROM task t FORCE INDEX (PRIMARY) \
         STRAIGHT_JOIN task_file f FORCE INDEX (tenant_task) \
         ON f.tenant = t.tenant AND f.task_id = t.id WHERE t.id IN ({ids})"
    ))
    .load(connection)
    .await?;
    files.sort_by_key(|file| file.id);
    let mut counted = counted_of(connection, &rows).await?;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.id;
        let own = files.extract_if(.., |file| file.task_id == id).collect();
        match row.into_task(own, counted.remove(&id)) {
            Ok(task) => tasks.push(task),
            // One odd row must not keep the others from those who watch them.
            Err(error) => tracing::error!(task.id = id, %error, "a task is left out"),
        }
    }
    Ok(tasks)
}

async fn now(connection: &mut Connection) -> Result<DateTime<Utc>, StoreError> {
    let Now { now } = sql_query("SELECT UTC_TIMESTAMP(6) AS now")
        .get_result(connection)
        .await?;
    Ok(now.and_utc())
}

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = Datetime)]
    now: NaiveDateTime,
}

#[derive(QueryableByName)]
struct StandingRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    created_by: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    version: u64,
    #[diesel(sql_type = Nullable<Datetime>)]
    finished_at: Option<NaiveDateTime>,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        Self {
            id: TaskId(row.id),
            tenant: Tenant::stored(row.tenant),
            user: UserId::stored(row.created_by),
            version: row.version,
            finished_at: row.finished_at.map(|moment| moment.and_utc()),
        }
    }
}
