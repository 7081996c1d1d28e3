//! Looking at dead letters: lists, and one of them whole.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    CompensateBizId, DeadLetterAct, DeadLetterId, DeadLetterSource, DeadLetterStatus, TaskId,
    Tenant,
};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::task::{Page, storable};

/// Which letters a list holds, or a bulk redrive takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only in this state.
    pub status: Option<DeadLetterStatus>,
    /// Only of this kind of work.
    pub biz_type: Option<String>,
    /// Only for this reason.
    pub reason: Option<String>,
    /// Only those of this moment or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Only those before this moment.
    pub created_to: Option<DateTime<Utc>>,
}

/// One dead letter, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its identity.
    pub id: DeadLetterId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it is made of.
    pub source: DeadLetterSource,
    /// Where it stands.
    pub status: DeadLetterStatus,
    /// The lane that it was on.
    pub lane: String,
    /// The kind of work; none of a message.
    pub biz_type: Option<String>,
    /// What the work was about.
    pub biz_id: Option<String>,
    /// The row; none of a message.
    pub compensate_biz_id: Option<CompensateBizId>,
    /// The user's task, if the row belongs to one.
    pub task_id: Option<TaskId>,
    /// Why, in one word.
    pub reason: String,
    /// Why, for operators: may name tables, paths and hosts. In lists its beginning.
    pub detail: String,
    /// Who redrove or discarded it.
    pub acted_by: Option<String>,
    /// When.
    pub acted_at: Option<DateTime<Utc>>,
    /// When it was set aside.
    pub created_at: DateTime<Utc>,
}

impl DeadLetter {
    /// What a person may do with it now.
    #[must_use]
    pub fn allowed_acts(&self) -> &'static [DeadLetterAct] {
        DeadLetterAct::allowed(self.source, self.status)
    }
}

/// What a dead letter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterContent {
    /// The row's context, or the message; perhaps its beginning alone.
    pub payload: Vec<u8>,
    /// Bytes of all of it.
    pub payload_bytes: u64,
    /// The message's headers, `key: value` a line.
    pub headers: Option<String>,
}

impl Store {
    /// Letters of these tenants, newest first, at most `limit`; `before` is where the page before
    /// ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_letters(
        &self,
        tenants: &[Tenant],
        filter: DeadLetterFilter,
        before: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Page<DeadLetter>, StoreError> {
        let tenants = tenants.to_vec();
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let mut rows: Vec<LetterRow> = Vec::new();
                for tenant in &tenants {
                    let select = selected(&filter, LISTED);
                    let mut query = filtered(&select, tenant, &filter);
                    if let Some(before) = before {
                        query = query
                            .sql(" AND id < ?")
                            .bind::<Unsigned<BigInt>, _>(before.0);
                    }
                    let query = query.sql(format!(" ORDER BY id DESC LIMIT {}", limit + 1));
                    rows.extend(query.load::<LetterRow>(connection).await?);
                }
                rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
                let more = rows.len() > limit;
                let rows = rows.into_iter().take(limit);
                let items = rows.map(LetterRow::into_letter).collect::<Result<_, _>>()?;
                Ok(Page { items, more })
            },
        )
        .await
    }

    /// A letter of one of these tenants, with what it holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_letter(
        &self,
        tenants: &[Tenant],
        id: DeadLetterId,
    ) -> Result<Option<(DeadLetter, DeadLetterContent)>, StoreError> {
        let tenants = tenants.to_vec();
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let Some(letter) = letter(connection, &tenants, id).await? else {
                    return Ok(None);
                };
                let content: Content = sql_query(
                    "SELECT payload, payload_bytes, headers FROM dead_letter WHERE id = ?",
                )
                .bind::<Unsigned<BigInt>, _>(id.0)
                .get_result(connection)
                .await?;
                let content = DeadLetterContent {
                    payload: content.payload.unwrap_or_default(),
                    payload_bytes: content.payload_bytes,
                    headers: content.headers,
                };
                Ok(Some((letter, content)))
            },
        )
        .await
    }
}

/// What is read of a letter for lists: of the detail its beginning.
const LISTED: &str = "SELECT id, tenant, source, status, lane, biz_type, biz_id, \
     compensate_biz_id, task_id, reason, LEFT(detail, 500) AS detail, acted_by, acted_at, \
     created_at FROM dead_letter";

/// What is read of one letter.
const WHOLE: &str = "SELECT id, tenant, source, status, lane, biz_type, biz_id, \
     compensate_biz_id, task_id, reason, detail, acted_by, acted_at, \
     created_at FROM dead_letter";

type Query<'q> = BoxedSqlQuery<'q, Mysql, SqlQuery>;

/// The statement with the index that its filter walks in the order of the ids.
pub(super) fn selected(filter: &DeadLetterFilter, select: &str) -> String {
    let key = match (filter.status, &filter.reason, &filter.biz_type) {
        (Some(_), Some(_), _) => "tenant_status_reason",
        (Some(_), None, Some(_)) => "tenant_status_biz_type",
        (Some(_), None, None) => "tenant_status",
        (None, _, _) => "tenant_id",
    };
    format!("{select} FORCE INDEX ({key})")
}

pub(super) fn filtered<'q>(
    select: &str,
    tenant: &Tenant,
    filter: &'q DeadLetterFilter,
) -> Query<'q> {
    let mut query = sql_query(format!("{select} WHERE tenant = ?"))
        .into_boxed()
        .bind::<Text, _>(tenant.as_str().to_owned());
    if let Some(status) = filter.status {
        query = query
            .sql(" AND status = ?")
            .bind::<Text, _>(status.as_str());
    }
    if let Some(biz_type) = &filter.biz_type {
        query = query.sql(" AND biz_type = ?").bind::<Text, _>(biz_type);
    }
    if let Some(reason) = &filter.reason {
        query = query.sql(" AND reason = ?").bind::<Text, _>(reason);
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
    query
}

/// A letter of one of these tenants. What is another's does not exist.
pub(super) async fn letter(
    connection: &mut Connection,
    tenants: &[Tenant],
    id: DeadLetterId,
) -> Result<Option<DeadLetter>, StoreError> {
    let rows: Vec<LetterRow> = sql_query(format!("{WHOLE} WHERE id = ?"))
        .bind::<Unsigned<BigInt>, _>(id.0)
        .load(connection)
        .await?;
    let is_theirs = |row: &LetterRow| tenants.iter().any(|own| own.as_str() == row.tenant);
    let row = rows.into_iter().find(is_theirs);
    row.map(LetterRow::into_letter).transpose()
}

#[derive(QueryableByName)]
struct LetterRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = Nullable<Text>)]
    biz_type: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    biz_id: Option<String>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    compensate_biz_id: Option<u64>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    task_id: Option<u64>,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Nullable<Text>)]
    detail: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    acted_by: Option<String>,
    #[diesel(sql_type = Nullable<Datetime>)]
    acted_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
}

impl LetterRow {
    fn into_letter(self) -> Result<DeadLetter, StoreError> {
        Ok(DeadLetter {
            id: DeadLetterId(self.id),
            tenant: Tenant::stored(self.tenant),
            source: self.source.parse()?,
            status: self.status.parse()?,
            lane: self.lane,
            biz_type: self.biz_type,
            biz_id: self.biz_id,
            compensate_biz_id: self.compensate_biz_id.map(CompensateBizId),
            task_id: self.task_id.map(TaskId),
            reason: self.reason,
            detail: self.detail.unwrap_or_default(),
            acted_by: self.acted_by,
            acted_at: self.acted_at.map(|moment| moment.and_utc()),
            created_at: self.created_at.and_utc(),
        })
    }
}

#[derive(QueryableByName)]
struct Content {
    #[diesel(sql_type = Nullable<Binary>)]
    payload: Option<Vec<u8>>,
    #[diesel(sql_type = Unsigned<BigInt>)]
    payload_bytes: u64,
    #[diesel(sql_type = Nullable<Text>)]
    headers: Option<String>,
}
