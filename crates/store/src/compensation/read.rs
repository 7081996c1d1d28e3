//! One piece of business work, or one group, as a person sees it. What a caller may not see does not
//! exist for it.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Datetime, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, CompensateBizId, Tenant, UserId};

use super::OF_BUSINESS;
use crate::Store;
use crate::attempts::{AttemptRecord, attempts_of_row};
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;

/// Attempts that are told with a row.
const ATTEMPTS_TOLD: usize = 50;

/// Whose rows and groups a caller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompensationReach {
    /// Those of these tenants, the caller's own first.
    pub tenants: Vec<Tenant>,
    /// Of them only what this user submitted; none: what anybody did.
    pub user: Option<UserId>,
}

impl CompensationReach {
    fn holds(&self, tenant: &str, created_by: Option<&str>) -> bool {
        let is_theirs = self.tenants.iter().any(|own| own.as_str() == tenant);
        let user = self.user.as_ref().map(UserId::as_str);
        is_theirs && user.is_none_or(|user| created_by == Some(user))
    }
}

/// A piece of business work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compensation {
    /// Its row.
    pub id: CompensateBizId,
    /// Whose.
    pub tenant: Tenant,
    /// The kind of work.
    pub biz_type: String,
    /// What it is about.
    pub biz_id: String,
    /// Where it rings.
    pub lane: String,
    /// Where it stands.
    pub status: BizStatus,
    /// 0 to 9.
    pub priority: u8,
    /// Failures so far.
    pub failures: u32,
    /// Failures that may be followed by another try; none before the first.
    pub max_failures: Option<u32>,
    /// While it waits for its time: when it is due.
    pub due_at: Option<DateTime<Utc>>,
    /// The group that counts it.
    pub group_id: Option<u64>,
    /// For operators alone: what went wrong last.
    pub last_failure: Option<String>,
    /// Who asked for it; none when a plain SQL client or the house did.
    pub created_by: Option<String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// What is told of one row alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompensationContent {
    /// The work itself, as it was submitted; none when it has more than 1 MiB.
    pub context: Option<String>,
    /// All of its bytes.
    pub context_bytes: u64,
    /// What has been tried, newest first, at most 50.
    pub attempts: Vec<AttemptRecord>,
}

/// A group of business work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: u64,
    /// What clients call it.
    pub key: Option<String>,
    /// Rows that belong to it.
    pub total: u32,
    /// How many are done.
    pub succeeded: u32,
    /// How many were given up.
    pub dead: u32,
    /// How many were cancelled.
    pub cancelled: u32,
    /// Whether no more rows will be added.
    pub sealed: bool,
    /// Rises when members are put back.
    pub generation: u32,
    /// Whether it has ended for its generation.
    pub finished: bool,
}

impl Store {
    /// A piece of business work that the caller may see, with what it holds; without a context of more
    /// bytes than these, which only a plain SQL client can have inserted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn compensation(
        &self,
        reach: &CompensationReach,
        id: CompensateBizId,
        context_bytes: usize,
    ) -> Result<Option<(Compensation, CompensationContent)>, StoreError> {
        let reach = reach.clone();
        self.transact(
            Op::ReadCompensations,
            async move |connection: &mut Connection| {
                let Some(found) = one(connection, &reach, id).await? else {
                    return Ok(None);
                };
                let content: Content = sql_query(format!(
                    "SELECT IF(LENGTH(context) <= {context_bytes}, context, NULL) AS context, \
                     LENGTH(context) AS bytes FROM compensate_biz FORCE INDEX (PRIMARY) \
                     WHERE id = ?"
                ))
                .bind::<Unsigned<BigInt>, _>(id.0)
                .get_result(connection)
                .await?;
                let attempts =
                    attempts_of_row(connection, &found.tenant, id, ATTEMPTS_TOLD).await?;
                let content = CompensationContent {
                    context: content.context,
                    context_bytes: content.bytes.unsigned_abs(),
                    attempts,
                };
                Ok(Some((found, content)))
            },
        )
        .await
    }

    /// A group of business work that the caller may see.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn compensation_group(
        &self,
        reach: &CompensationReach,
        id: u64,
    ) -> Result<Option<Group>, StoreError> {
        let reach = reach.clone();
        self.transact(
            Op::ReadCompensations,
            async move |connection: &mut Connection| {
                let rows: Vec<GroupRow> = sql_query(
                    "SELECT id, tenant, group_key, created_by, total, succeeded, dead, cancelled, \
                     sealed, generation, ended_generation FROM compensate_group \
                     FORCE INDEX (PRIMARY) WHERE id = ? AND task_id IS NULL",
                )
                .bind::<Unsigned<BigInt>, _>(id)
                .load(connection)
                .await?;
                let seen = |row: &GroupRow| reach.holds(&row.tenant, row.created_by.as_deref());
                Ok(rows.into_iter().find(seen).map(GroupRow::into_group))
            },
        )
        .await
    }
}

/// What is read of a row for people.
pub(super) const COMPENSATION: &str = "SELECT id, tenant, biz_type, biz_id, lane, status, cnt, \
     max_cnt, CAST(priority AS UNSIGNED) AS priority, \
     IF(status = 'WAIT_HANDLE' AND announced = FALSE, wake_at, NULL) AS due_at, group_id, \
     last_failed_reason, created_by, created_at, updated_at, finished_at FROM compensate_biz";

/// The row, if it is business work that the caller may see.
pub(super) async fn one(
    connection: &mut Connection,
    reach: &CompensationReach,
    id: CompensateBizId,
) -> Result<Option<Compensation>, StoreError> {
    let rows: Vec<CompensationRow> = sql_query(format!(
        "{COMPENSATION} FORCE INDEX (PRIMARY) WHERE id = ? AND {OF_BUSINESS}"
    ))
    .bind::<Unsigned<BigInt>, _>(id.0)
    .load(connection)
    .await?;
    let row = rows.into_iter().find(|row| row.is_seen_by(reach));
    row.map(CompensationRow::into_compensation).transpose()
}

#[derive(QueryableByName)]
pub(super) struct CompensationRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(super) id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    biz_type: String,
    #[diesel(sql_type = Text)]
    biz_id: String,
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Unsigned<Integer>)]
    cnt: u32,
    #[diesel(sql_type = Nullable<Unsigned<Integer>>)]
    max_cnt: Option<u32>,
    #[diesel(sql_type = Unsigned<BigInt>)]
    priority: u64,
    #[diesel(sql_type = Nullable<Datetime>)]
    due_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    group_id: Option<u64>,
    #[diesel(sql_type = Nullable<Text>)]
    last_failed_reason: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    created_by: Option<String>,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
    #[diesel(sql_type = Datetime)]
    updated_at: NaiveDateTime,
    #[diesel(sql_type = Nullable<Datetime>)]
    finished_at: Option<NaiveDateTime>,
}

impl CompensationRow {
    pub(super) fn is_seen_by(&self, reach: &CompensationReach) -> bool {
        reach.holds(&self.tenant, self.created_by.as_deref())
    }

    pub(super) fn into_compensation(self) -> Result<Compensation, StoreError> {
        Ok(Compensation {
            id: CompensateBizId(self.id),
            tenant: Tenant::stored(self.tenant),
            biz_type: self.biz_type,
            biz_id: self.biz_id,
            lane: self.lane,
            status: self.status.parse()?,
            priority: u8::try_from(self.priority).unwrap_or(u8::MAX),
            failures: self.cnt,
            max_failures: self.max_cnt,
            due_at: self.due_at.map(|moment| moment.and_utc()),
            group_id: self.group_id,
            last_failure: self.last_failed_reason,
            created_by: self.created_by,
            created_at: self.created_at.and_utc(),
            updated_at: self.updated_at.and_utc(),
            finished_at: self.finished_at.map(|moment| moment.and_utc()),
        })
    }
}

#[derive(QueryableByName)]
struct Content {
    #[diesel(sql_type = Nullable<Text>)]
    context: Option<String>,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

#[derive(QueryableByName)]
struct GroupRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Nullable<Text>)]
    group_key: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    created_by: Option<String>,
    #[diesel(sql_type = Unsigned<Integer>)]
    total: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    succeeded: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    dead: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    cancelled: u32,
    #[diesel(sql_type = Bool)]
    sealed: bool,
    #[diesel(sql_type = Unsigned<Integer>)]
    generation: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    ended_generation: u32,
}

impl GroupRow {
    fn into_group(self) -> Group {
        Group {
            id: self.id,
            key: self.group_key,
            total: self.total,
            succeeded: self.succeeded,
            dead: self.dead,
            cancelled: self.cancelled,
            sealed: self.sealed,
            generation: self.generation,
            finished: self.ended_generation >= self.generation,
        }
    }
}
