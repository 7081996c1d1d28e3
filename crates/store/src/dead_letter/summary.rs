//! How many dead letters there are of each kind: for a person who begins to look, and for a gauge.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Nullable, Text};
use diesel_async::RunQueryDsl;
use domain::{DeadLetterStatus, Tenant};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;

/// The states of a letter that waits for a person: one that is PARKED does as one that is OPEN.
pub(crate) const WAITING: [DeadLetterStatus; 2] =
    [DeadLetterStatus::Open, DeadLetterStatus::Parked];

/// How many letters of one kind stand in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterGroup {
    /// The state.
    pub status: DeadLetterStatus,
    /// The lane that they were on.
    pub lane: String,
    /// The kind of work; none of messages.
    pub biz_type: Option<String>,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// When the first was set aside.
    pub first_at: DateTime<Utc>,
    /// When the last was.
    pub last_at: DateTime<Utc>,
}

/// How many letters of one kind nobody has acted on, whosever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDeadLetters {
    /// Whether nobody could be told of them, so that they are PARKED; else OPEN.
    pub is_parked: bool,
    /// The lane that they were on.
    pub lane: String,
    /// The kind of work; none of messages.
    pub biz_type: Option<String>,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

impl Store {
    /// How many letters of each kind these tenants have in one state, the most first; without a state,
    /// those that wait for a person: OPEN and PARKED.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_letter_groups(
        &self,
        tenants: &[Tenant],
        status: Option<DeadLetterStatus>,
    ) -> Result<Vec<DeadLetterGroup>, StoreError> {
        let tenants = tenants.to_vec();
        let statuses = status.map_or(WAITING.to_vec(), |status| vec![status]);
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let mut groups: Vec<DeadLetterGroup> = Vec::new();
                for (tenant, status) in each(&tenants, &statuses) {
                    let rows: Vec<GroupRow> = sql_query(
                        "SELECT lane, biz_type, reason, COUNT(*) AS count, \
                         MIN(created_at) AS first_at, MAX(created_at) AS last_at \
                         FROM dead_letter FORCE INDEX (tenant_status_kind) \
                         WHERE tenant = ? AND status = ? GROUP BY lane, biz_type, reason",
                    )
                    .bind::<Text, _>(tenant.as_str())
                    .bind::<Text, _>(status.as_str())
                    .load(connection)
                    .await?;
                    for row in rows {
                        groups.push(row.into_group(status)?);
                    }
                }
                groups.sort_by_key(|group| std::cmp::Reverse(group.count));
                Ok(groups)
            },
        )
        .await
    }

    /// How many letters of each kind are OPEN or PARKED, whosever they are: for the gauges.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_dead_letters(&self) -> Result<Vec<OpenDeadLetters>, StoreError> {
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let mut open = Vec::new();
                for status in WAITING {
                    let rows: Vec<OpenRow> = sql_query(
                        "SELECT lane, biz_type, reason, COUNT(*) AS count \
                         FROM dead_letter FORCE INDEX (status_kind) \
                         WHERE status = ? GROUP BY lane, biz_type, reason",
                    )
                    .bind::<Text, _>(status.as_str())
                    .load(connection)
                    .await?;
                    for row in rows {
                        open.push(row.into_open(status)?);
                    }
                }
                Ok(open)
            },
        )
        .await
    }
}

fn each<'a>(
    tenants: &'a [Tenant],
    statuses: &'a [DeadLetterStatus],
) -> impl Iterator<Item = (&'a Tenant, DeadLetterStatus)> {
    let of = move |tenant| statuses.iter().map(move |status| (tenant, *status));
    tenants.iter().flat_map(of)
}

#[derive(QueryableByName)]
struct GroupRow {
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = Nullable<Text>)]
    biz_type: Option<String>,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Datetime)]
    first_at: NaiveDateTime,
    #[diesel(sql_type = Datetime)]
    last_at: NaiveDateTime,
}

impl GroupRow {
    fn into_group(self, status: DeadLetterStatus) -> Result<DeadLetterGroup, StoreError> {
        Ok(DeadLetterGroup {
            status,
            lane: self.lane,
            biz_type: self.biz_type,
            reason: self.reason,
            count: number(self.count)?,
            first_at: self.first_at.and_utc(),
            last_at: self.last_at.and_utc(),
        })
    }
}

#[derive(QueryableByName)]
struct OpenRow {
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = Nullable<Text>)]
    biz_type: Option<String>,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl OpenRow {
    fn into_open(self, status: DeadLetterStatus) -> Result<OpenDeadLetters, StoreError> {
        Ok(OpenDeadLetters {
            is_parked: status == DeadLetterStatus::Parked,
            lane: self.lane,
            biz_type: self.biz_type,
            reason: self.reason,
            count: number(self.count)?,
        })
    }
}

/// What COUNT answers.
pub(super) fn number(count: i64) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|error| StoreError::Corrupt(error.to_string()))
}
