//! What has been tried for a task: attempts that failed or were lost, as they were recorded, and on
//! top of them the one that is under way or has succeeded, told from its row. What was handed back
//! at a shutdown, or cancelled, left no record. Shown by `tests/it/attempts.rs`.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    AttemptOutcome, BizStatus, CompensateBizId, FailureCode, LeaseEpoch, TaskId, TaskKind, Tenant,
    sentence_of_lost_attempt,
};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::task::{Page, Visibility, visible};

/// One attempt, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its place in the list; none for the attempt that its row tells of, which comes first.
    pub place: Option<u64>,
    /// The fence that it ran under.
    pub epoch: LeaseEpoch,
    /// Who ran it; not known of one that has succeeded.
    pub worker: Option<String>,
    /// When it began; not known of one that was lost.
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
    /// place where the page before ended. Those of the task's first row: an export has no other.
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
                let Some(row) = row_of(connection, &who, task).await? else {
                    return Ok(Some(Page::empty()));
                };
                let recorded = recorded(connection, &who.tenant, row.id, before, limit).await?;
                let mut items = Vec::new();
                if before.is_none() {
                    items.extend(row.present(told.attempt_at)?);
                }
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
        "SELECT id, status, lease_epoch, lease_owner, finished_at \
         FROM compensate_biz FORCE INDEX (PRIMARY) WHERE id = ?",
    )
    .bind::<Unsigned<BigInt>, _>(row.0)
    .load(connection)
    .await?;
    let present = match first::<RowToTell>(rows) {
        Some(row) => row.present(None)?,
        None => None,
    };
    let recorded = recorded(connection, tenant, row.0, None, limit).await?;
    let mut items: Vec<AttemptRecord> = present.into_iter().collect();
    for attempt in recorded.into_iter().take(limit) {
        items.push(attempt.into_record(None)?);
    }
    Ok(items)
}

fn first<T>(rows: Vec<T>) -> Option<T> {
    rows.into_iter().next()
}

async fn row_of(
    connection: &mut Connection,
    who: &Visibility,
    task: TaskId,
) -> Result<Option<RowToTell>, StoreError> {
    let rows = sql_query(
        "SELECT id, status, lease_epoch, lease_owner, finished_at \
         FROM compensate_biz FORCE INDEX (task_id) \
         WHERE task_id = ? AND tenant = ? ORDER BY id LIMIT 1",
    )
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Text, _>(who.tenant.as_str())
    .load(connection)
    .await?;
    Ok(first(rows))
}

async fn recorded(
    connection: &mut Connection,
    tenant: &Tenant,
    row: u64,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AttemptRow>, StoreError> {
    let rows = sql_query(format!(
        "SELECT id, epoch, worker, started_at, finished_at, outcome, error_class, error_text \
         FROM compensate_biz_attempt FORCE INDEX (tenant_biz) \
         WHERE tenant = ? AND compensate_biz_id = ? AND id < ? ORDER BY id DESC LIMIT {}",
        limit + 1
    ))
    .bind::<Text, _>(tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(row)
    .bind::<Unsigned<BigInt>, _>(before.unwrap_or(u64::MAX))
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
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
    #[diesel(sql_type = Nullable<Text>)]
    lease_owner: Option<String>,
    #[diesel(sql_type = Nullable<Datetime>)]
    finished_at: Option<NaiveDateTime>,
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
