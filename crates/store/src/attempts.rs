//! What has been tried for a task: attempts at any of its rows that failed or were lost, as they were
//! recorded, and on top of them those that are under way, told from their rows; where none is, the
//! success of the row that was born last. What was handed back at a shutdown, or cancelled, left no
//! record. Shown by `tests/it/attempts.rs`.

use std::cmp::Reverse;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    AttemptOutcome, BizStatus, CompensateBizId, FailureCode, LeaseEpoch, TaskId, TaskKind, Tenant,
    sentence_of_lost_attempt,
};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::Id;
use crate::submit::{IMPORT_BATCH, IMPORT_FINISH};
use crate::task::{Page, Visibility, visible};

/// The columns of [`AttemptRow`].
const RECORDED: &str =
    "id, epoch, worker, started_at, finished_at, outcome, error_class, error_text";

/// One attempt, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its place in the list; none for an attempt that its row tells of, which comes first.
    pub place: Option<u64>,
    /// The fence that it ran under: each row of a task has its own.
    pub epoch: LeaseEpoch,
    /// Who ran it; not known of one that has succeeded.
    pub worker: Option<String>,
    /// When it began; not known of one that was lost, nor of a batch or the end of an import that runs
    /// or has succeeded.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, or was found to have.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The failure's code.
    pub code: Option<String>,
    /// What it means to the user, in the task's language.
    pub sentence: Option<String>,
    /// For operators alone: may name tables, paths and hosts.
    pub detail: Option<String>,
}

impl Store {
    /// Attempts of a task that the caller may see, newest first, at most `limit`; `before` is the
    /// place where the page before ended. Looks once at each row of the task: an import has at most
    /// 10,002, but for ends that were superseded.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempts(
        &self,
        who: &Visibility,
        task: TaskId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Page<AttemptRecord>>, StoreError> {
        let who = who.clone();
        self.transact(
            Op::ReadAttempts,
            async move |connection: &mut Connection| {
                let query = visible("SELECT kind, locale, attempt_at FROM task", &who)
                    .sql(" AND id = ?")
                    .bind::<Unsigned<BigInt>, _>(task.0);
                let Some(told) = first::<ToldOfTask>(query.load(connection).await?) else {
                    return Ok(None);
                };
                let mut items = Vec::new();
                if before.is_none() {
                    for row in rows_to_tell(connection, &who, task, limit).await? {
                        let began = told.attempt_at.filter(|_| row.begins_task);
                        items.extend(row.present(began)?);
                    }
                }
                let recorded = recorded_of_task(connection, &who, task, before, limit).await?;
                let kind: TaskKind = told.kind.parse()?;
                for attempt in recorded {
                    items.push(attempt.into_record(Some((kind, &told.locale)))?);
                }
                let more = items.len() > limit;
                items.truncate(limit);
                Ok(Some(Page { items, more }))
            },
        )
        .await
    }
}

/// Attempts of a row that is no task's, newest first, at most `limit` and the one that is under way or
/// has succeeded.
pub(crate) async fn attempts_of_row(
    connection: &mut Connection,
    tenant: &Tenant,
    row: CompensateBizId,
    limit: usize,
) -> Result<Vec<AttemptRecord>, StoreError> {
    let rows = sql_query(
        "SELECT status, lease_epoch, lease_owner, finished_at, FALSE AS begins_task \
         FROM compensate_biz FORCE INDEX (PRIMARY) WHERE id = ?",
    )
    .bind::<Unsigned<BigInt>, _>(row.0)
    .load(connection)
    .await?;
    let present = match first::<RowToTell>(rows) {
        Some(row) => row.present(None)?,
        None => None,
    };
    let recorded = recorded(connection, tenant, row, limit).await?;
    let mut items: Vec<AttemptRecord> = present.into_iter().collect();
    for attempt in recorded {
        items.push(attempt.into_record(None)?);
    }
    Ok(items)
}

fn first<T>(rows: Vec<T>) -> Option<T> {
    rows.into_iter().next()
}

/// The rows of the task that are under way, at most one more than `limit`; where none is, the one that
/// was born last.
async fn rows_to_tell(
    connection: &mut Connection,
    who: &Visibility,
    task: TaskId,
    limit: usize,
) -> Result<Vec<RowToTell>, StoreError> {
    let under_way = format!("AND status = 'PROCESSING' ORDER BY id LIMIT {}", limit + 1);
    for which in [under_way.as_str(), "ORDER BY id DESC LIMIT 1"] {
        let rows: Vec<RowToTell> = sql_query(format!(
            "SELECT status, lease_epoch, lease_owner, finished_at, \
             biz_type NOT IN ('{IMPORT_BATCH}', '{IMPORT_FINISH}') AS begins_task \
             FROM compensate_biz FORCE INDEX (task_id) WHERE task_id = ? AND tenant = ? {which}"
        ))
        .bind::<Unsigned<BigInt>, _>(task.0)
        .bind::<Text, _>(who.tenant.as_str())
        .load(connection)
        .await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    Ok(Vec::new())
}

/// What was recorded of all rows of a task, newest first, at most one more than `limit`. The ids are
/// sorted here, out of the indexes alone.
async fn recorded_of_task(
    connection: &mut Connection,
    who: &Visibility,
    task: TaskId,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AttemptRow>, StoreError> {
    let all: Vec<Id> = sql_query(
        "SELECT a.id FROM compensate_biz b FORCE INDEX (task_id) \
         STRAIGHT_JOIN compensate_biz_attempt a FORCE INDEX (tenant_biz) \
         ON a.tenant = ? AND a.compensate_biz_id = b.id \
         WHERE b.task_id = ? AND a.id < ?",
    )
    .bind::<Text, _>(who.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Unsigned<BigInt>, _>(before.unwrap_or(u64::MAX))
    .load(connection)
    .await?;
    let mut ids: Vec<u64> = all.into_iter().map(|row| row.id).collect();
    ids.sort_unstable_by_key(|id| Reverse(*id));
    ids.truncate(limit + 1);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<AttemptRow> = sql_query(format!(
        "SELECT {RECORDED} FROM compensate_biz_attempt FORCE INDEX (PRIMARY) WHERE id IN ({})",
        list(ids)
    ))
    .load(connection)
    .await?;
    rows.sort_unstable_by_key(|row| Reverse(row.id));
    Ok(rows)
}

async fn recorded(
    connection: &mut Connection,
    tenant: &Tenant,
    row: CompensateBizId,
    limit: usize,
) -> Result<Vec<AttemptRow>, StoreError> {
    let rows = sql_query(format!(
        "SELECT {RECORDED} FROM compensate_biz_attempt FORCE INDEX (tenant_biz) \
         WHERE tenant = ? AND compensate_biz_id = ? ORDER BY id DESC LIMIT {limit}"
    ))
    .bind::<Text, _>(tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(row.0)
    .load(connection)
    .await?;
    Ok(rows)
}

/// The name in a claim's token, which is `name/random`.
fn name_of(token: String) -> String {
    match token.rsplit_once('/') {
        Some((name, _random)) => name.to_owned(),
        None => token,
    }
}

#[derive(QueryableByName)]
struct ToldOfTask {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    locale: String,
    #[diesel(sql_type = Nullable<Datetime>)]
    attempt_at: Option<NaiveDateTime>,
}

#[derive(QueryableByName)]
struct RowToTell {
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
    #[diesel(sql_type = Nullable<Text>)]
    lease_owner: Option<String>,
    #[diesel(sql_type = Nullable<Datetime>)]
    finished_at: Option<NaiveDateTime>,
    /// Its claim is what the task tells as its beginning.
    #[diesel(sql_type = Bool)]
    begins_task: bool,
}

impl RowToTell {
    /// The attempt that no record tells of: it runs, or it has succeeded.
    fn present(self, began: Option<NaiveDateTime>) -> Result<Option<AttemptRecord>, StoreError> {
        let outcome = match self.status.parse::<BizStatus>()? {
            BizStatus::Processing => AttemptOutcome::Running,
            BizStatus::Success => AttemptOutcome::Success,
            BizStatus::WaitHandle | BizStatus::Failed | BizStatus::Cancelled => return Ok(None),
        };
        Ok(Some(AttemptRecord {
            place: None,
            epoch: LeaseEpoch(self.lease_epoch),
            worker: self.lease_owner.map(name_of),
            started_at: began.map(|moment| moment.and_utc()),
            finished_at: self.finished_at.map(|moment| moment.and_utc()),
            outcome,
            code: None,
            sentence: None,
            detail: None,
        }))
    }
}

#[derive(QueryableByName)]
struct AttemptRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    epoch: u64,
    #[diesel(sql_type = Nullable<Text>)]
    worker: Option<String>,
    #[diesel(sql_type = Nullable<Datetime>)]
    started_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Datetime)]
    finished_at: NaiveDateTime,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Nullable<Text>)]
    error_class: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error_text: Option<String>,
}

impl AttemptRow {
    /// `told`: whose user reads it, in which language; a row that is no task's has none.
    fn into_record(self, told: Option<(TaskKind, &str)>) -> Result<AttemptRecord, StoreError> {
        let outcome = self.outcome.parse()?;
        let code = self.error_class.as_deref();
        let code = code.and_then(|code| code.parse::<FailureCode>().ok());
        // It is tried again by itself, or its task says what the user shall do.
        let sentence = told.and_then(|(kind, locale)| match outcome {
            AttemptOutcome::Lost => Some(sentence_of_lost_attempt(locale)),
            AttemptOutcome::Failed | AttemptOutcome::Running | AttemptOutcome::Success => {
                code.map(|code| code.sentence_for(kind, locale))
            }
        });
        Ok(AttemptRecord {
            place: Some(self.id),
            epoch: LeaseEpoch(self.epoch),
            worker: self.worker.map(name_of),
            started_at: self.started_at.map(|moment| moment.and_utc()),
            finished_at: Some(self.finished_at.and_utc()),
            outcome,
            code: self.error_class,
            sentence: sentence.map(str::to_owned),
            detail: self.error_text,
        })
    }
}
