//! Who did what: written in the transaction that does it, so there is no act without its entry and
//! no entry without its act; what has no transaction of its own comes as work (`act.rs`, `note.rs`,
//! adr/0009). Append-only. Shown by `tests/it/operation_log.rs`.

mod act;
mod note;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{ObjectKind, OperationAction, OperationOutcome, TaskId, Tenant, UserId};
use serde_json::{Value, json};

use crate::Store;
use crate::apply::Applied;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::Id;
use crate::settle::shortened;
use crate::task::{Visibility, storable};

pub use act::{LogDesk, LoggedAct};

/// Entries of one statement.
const ENTRIES_PER_INSERT: usize = 500;

/// Characters of an object's id.
const OBJECT_ID_CHARACTERS: usize = 249;

/// Entries that a page walks past at most. No index holds what is asked for beside its key, and one
/// more would be paid by every entry.
const WALKED: usize = 20_000;

/// Minutes by which entries may stand out of the order in which they were written.
const OUT_OF_ORDER_MINUTES: i64 = 10;

/// Characters of an entry's detail.
const DETAIL_CHARACTERS: usize = 8_000;

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Whose log it goes to.
    pub tenant: Tenant,
    /// The person or service.
    pub user: UserId,
    /// The request that asked for it, at most 128 characters.
    pub request_id: Option<String>,
}

impl Actor {
    /// Who acts on tasks that it sees, where nothing else is known of it.
    pub(crate) fn of(who: &Visibility) -> Self {
        Self {
            tenant: who.tenant.clone(),
            user: (who.user.clone()).unwrap_or_else(|| UserId::stored("unknown".to_owned())),
            request_id: None,
        }
    }
}

/// What was done, or refused.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) actor: Actor,
    pub(crate) action: OperationAction,
    pub(crate) object: ObjectKind,
    /// Its number or name, at most 249 characters.
    pub(crate) object_id: String,
    pub(crate) outcome: OperationOutcome,
    /// A JSON object.
    pub(crate) detail: Option<Value>,
}

impl Operation {
    /// Done, with nothing more to say.
    pub(crate) fn done(
        actor: &Actor,
        action: OperationAction,
        object: ObjectKind,
        object_id: impl ToString,
    ) -> Self {
        Self {
            actor: actor.clone(),
            action,
            object,
            object_id: object_id.to_string(),
            outcome: OperationOutcome::Done,
            detail: None,
        }
    }

    /// The same, with more to say.
    pub(crate) fn with_detail(self, detail: Value) -> Self {
        let detail = Some(detail);
        Self { detail, ..self }
    }

    /// The same, but it could not be done.
    pub(crate) fn refused(self) -> Self {
        let outcome = OperationOutcome::Refused;
        Self { outcome, ..self }
    }
}

/// What was done to a task.
pub(crate) fn entry(actor: &Actor, action: OperationAction, task: TaskId) -> Operation {
    Operation::done(actor, action, ObjectKind::Task, task)
}

/// What a person's rows in a dataset's table came to.
pub(crate) fn of_rows(actor: &Actor, dataset: &str, applied: &Applied) -> Operation {
    let action = OperationAction::RowsSubmit;
    Operation::done(actor, action, ObjectKind::Dataset, dataset).with_detail(json!({
        "inserted": applied.inserted,
        "updated": applied.updated,
        "refused": applied.refused.len(),
    }))
}

/// Writes the entry, in the transaction of the act.
pub(crate) async fn write(
    connection: &mut Connection,
    operation: &Operation,
) -> Result<(), StoreError> {
    write_all(connection, std::slice::from_ref(operation)).await
}

/// Writes the entries, in the transaction of their acts.
pub(crate) async fn write_all(
    connection: &mut Connection,
    operations: &[Operation],
) -> Result<(), StoreError> {
    for operations in operations.chunks(ENTRIES_PER_INSERT) {
        let mut insert = sql_query(format!(
            "INSERT INTO operation_log (tenant, actor, action, object_kind, object_id, outcome, \
             detail, request_id) VALUES {}",
            vec!["(?, ?, ?, ?, ?, ?, ?, ?)"; operations.len()].join(",")
        ))
        .into_boxed::<Mysql>();
        for operation in operations {
            let detail = operation.detail.as_ref().map(told);
            let actor = &operation.actor;
            let request = actor.request_id.as_deref();
            insert = insert
                .bind::<Text, _>(actor.tenant.as_str())
                .bind::<Text, _>(actor.user.as_str())
                .bind::<Text, _>(operation.action.as_str())
                .bind::<Text, _>(operation.object.as_str())
                .bind::<Text, _>(shortened(&operation.object_id, OBJECT_ID_CHARACTERS))
                .bind::<Text, _>(operation.outcome.as_str())
                .bind::<Nullable<Text>, _>(detail)
                .bind::<Nullable<Text>, _>(request.map(|id| shortened(id, 128)));
        }
        insert.execute(connection).await?;
    }
    Ok(())
}

/// The detail as it is stored: JSON, or nothing where it is out of all measure.
fn told(detail: &Value) -> String {
    let text = detail.to_string();
    if text.chars().count() > DETAIL_CHARACTERS {
        "{}".to_owned()
    } else {
        text
    }
}

/// Which entries a list holds. Newest first.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    /// Only of this person or service.
    pub actor: Option<String>,
    /// Only this act: a word of [`OperationAction`], or a service's own.
    pub action: Option<String>,
    /// Only at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Only before this moment.
    pub to: Option<DateTime<Utc>>,
    /// Only older than this one: where the page before ended.
    pub before: Option<u64>,
    /// At most so many; the caller bounds it.
    pub limit: usize,
}

/// One entry, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// Its place in the log.
    pub id: u64,
    /// Who.
    pub actor: UserId,
    /// What, in a word of [`OperationAction`] or of a service's own.
    pub action: String,
    /// To what, in a word of [`ObjectKind`] or of a service's own.
    pub object_kind: String,
    /// Which one.
    pub object_id: String,
    /// What came of it, in a word of [`OperationOutcome`].
    pub outcome: String,
    /// What else is to be said.
    pub detail: Value,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// Who submitted the entry over the API, where that is not who did it.
    pub told_by: Option<String>,
    /// When; of what was submitted as work, when it was submitted.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// Entries of the tenant's log, newest first. Answers the page, and where the next one begins if
    /// there may be more: what is sought by more than a key is walked for, a bounded number of entries
    /// a page, which may hold few or none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn operations(
        &self,
        tenant: &Tenant,
        filter: OperationFilter,
    ) -> Result<(Vec<OperationRecord>, Option<u64>), StoreError> {
        let tenant = tenant.clone();
        self.transact(
            Op::ReadOperations,
            async move |connection: &mut Connection| {
                let floor = floor(connection, &tenant, &filter).await?;
                let mut rows = listed(connection, &tenant, &filter, floor).await?;
                let more = rows.len() > filter.limit;
                rows.truncate(filter.limit);
                let next = match rows.last().filter(|_| more) {
                    Some(last) => Some(last.id),
                    None => onward(connection, floor, filter.from).await?,
                };
                let items = rows.into_iter().map(OperationRow::into_record);
                Ok((items.collect(), next))
            },
        )
        .await
    }
}

impl OperationFilter {
    /// The index that is walked.
    const fn key(&self) -> &'static str {
        match (&self.actor, &self.action) {
            (Some(_), _) => "tenant_actor",
            (None, Some(_)) => "tenant_action",
            (None, None) => "tenant_id",
        }
    }

    /// Whether entries are walked past that are not wanted.
    const fn is_sought(&self) -> bool {
        let by_both = self.actor.is_some() && self.action.is_some();
        by_both || self.from.is_some() || self.to.is_some()
    }

    fn below(&self) -> u64 {
        self.before.unwrap_or(u64::MAX)
    }
}

/// Where a walk ends; none when it comes to the end of all entries of its key, or needs no end.
async fn floor(
    connection: &mut Connection,
    tenant: &Tenant,
    filter: &OperationFilter,
) -> Result<Option<u64>, StoreError> {
    if !filter.is_sought() {
        return Ok(None);
    }
    let of_key = match (&filter.actor, &filter.action) {
        (Some(actor), _) => Some(("actor", actor)),
        (None, Some(action)) => Some(("action", action)),
        (None, None) => None,
    };
    let mut query = sql_query(format!(
        "SELECT id FROM operation_log FORCE INDEX ({}) WHERE tenant = ? AND id < ?",
        filter.key()
    ))
    .into_boxed::<Mysql>()
    .bind::<Text, _>(tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(filter.below());
    if let Some((column, word)) = of_key {
        query = query
            .sql(format!(" AND {column} = ?"))
            .bind::<Text, _>(word);
    }
    let query = query.sql(format!(" ORDER BY id DESC LIMIT 1 OFFSET {WALKED}"));
    let found: Vec<Id> = query.load(connection).await?;
    Ok(found.into_iter().next().map(|row| row.id))
}

/// Where the list goes on behind a walk that ended at `floor`; nowhere when all that is older was
/// written before `from`. By `written_at` alone: an entry's own time may lie long before it was written,
/// and says nothing about those below it.
async fn onward(
    connection: &mut Connection,
    floor: Option<u64>,
    from: Option<DateTime<Utc>>,
) -> Result<Option<u64>, StoreError> {
    let (Some(floor), Some(from)) = (floor, from) else {
        return Ok(floor);
    };
    let margin = TimeDelta::minutes(OUT_OF_ORDER_MINUTES);
    let Some(clearly) = from.checked_sub_signed(margin) else {
        return Ok(Some(floor));
    };
    let before: Vec<Id> = sql_query(format!(
        "SELECT id FROM operation_log FORCE INDEX (PRIMARY) WHERE id = {floor} AND written_at < ?"
    ))
    .bind::<Datetime, _>(storable(clearly))
    .load(connection)
    .await?;
    Ok(before.is_empty().then_some(floor))
}

async fn listed(
    connection: &mut Connection,
    tenant: &Tenant,
    filter: &OperationFilter,
    floor: Option<u64>,
) -> Result<Vec<OperationRow>, StoreError> {
    let mut query = sql_query(format!(
        "SELECT id, actor, action, object_kind, object_id, outcome, detail, request_id, \
         told_by, created_at FROM operation_log FORCE INDEX ({}) \
         WHERE tenant = ? AND id < ? AND id >= ?",
        filter.key()
    ))
    .into_boxed::<Mysql>()
    .bind::<Text, _>(tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(filter.below())
    .bind::<Unsigned<BigInt>, _>(floor.unwrap_or(0));
    if let Some(actor) = &filter.actor {
        query = query.sql(" AND actor = ?").bind::<Text, _>(actor);
    }
    if let Some(action) = &filter.action {
        query = query.sql(" AND action = ?").bind::<Text, _>(action);
    }
    if let Some(from) = filter.from {
        query = query
            .sql(" AND created_at >= ?")
            .bind::<Datetime, _>(storable(from));
    }
    if let Some(to) = filter.to {
        query = query
            .sql(" AND created_at < ?")
            .bind::<Datetime, _>(storable(to));
    }
    let query = query.sql(format!(" ORDER BY id DESC LIMIT {}", filter.limit + 1));
    Ok(query.load(connection).await?)
}

#[derive(QueryableByName)]
struct OperationRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    actor: String,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Text)]
    object_kind: String,
    #[diesel(sql_type = Text)]
    object_id: String,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Nullable<Text>)]
    detail: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    request_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    told_by: Option<String>,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
}

impl OperationRow {
    fn into_record(self) -> OperationRecord {
        let detail = self.detail.as_deref().map(serde_json::from_str);
        OperationRecord {
            id: self.id,
            actor: UserId::stored(self.actor),
            action: self.action,
            object_kind: self.object_kind,
            object_id: self.object_id,
            outcome: self.outcome,
            detail: detail.and_then(Result::ok).unwrap_or(Value::Null),
            request_id: self.request_id,
            told_by: self.told_by,
            created_at: self.created_at.and_utc(),
        }
    }
}
