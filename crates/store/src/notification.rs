//! The in-app inbox of a user, or of everybody who has a role. What is told again is counted and
//! unread again, instead of filling the inbox. Shown by `tests/it/notification.rs`.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{NotificationKind, Recipient, Tenant};
use serde_json::Value;

use crate::Store;
use crate::door::Op;
use crate::effects::Tx;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::settle::shortened;
use crate::task::Page;

/// Characters of a key, less its day.
const KEY_CHARACTERS: usize = 480;

/// Something to tell, once a day for each key; from then on it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// Whom.
    pub recipient: Recipient,
    /// What it is about.
    pub kind: NotificationKind,
    /// What makes it the same as one of the same day.
    pub key: String,
    /// A JSON object: what the sentence is made of.
    pub params: Value,
}

/// A place that notifications come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// Of which tenant.
    pub tenant: Tenant,
    /// Whose.
    pub recipient: Recipient,
}

/// What was told, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its identity.
    pub id: u64,
    /// Whose inbox it is in: `USER` or `ROLE`.
    pub recipient_kind: String,
    /// The user, or the role.
    pub recipient: String,
    /// What it is about, in a word of [`NotificationKind`].
    pub kind: String,
    /// How often it was told.
    pub count: u32,
    /// What the sentence is made of.
    pub params: Value,
    /// When it was read; none while there is something new in it.
    pub read_at: Option<DateTime<Utc>>,
    /// When it was told first.
    pub created_at: DateTime<Utc>,
    /// When it was told last.
    pub updated_at: DateTime<Utc>,
}

impl Tx<'_> {
    /// Tells somebody of the row's tenant, with the finish and not without it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notify(&mut self, new: &NewNotification) -> Result<(), StoreError> {
        sql_query(
            "INSERT INTO notification (tenant, recipient_kind, recipient, kind, \
             notification_key, params) VALUES (?, ?, ?, ?, CONCAT(?, '/', UTC_DATE()), ?) AS told \
             ON DUPLICATE KEY UPDATE count = notification.count + 1, params = told.params, \
             read_at = NULL, updated_at = UTC_TIMESTAMP(6)",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Text, _>(new.recipient.kind())
        .bind::<Text, _>(new.recipient.name())
        .bind::<Text, _>(new.kind.as_str())
        .bind::<Text, _>(shortened(&new.key, KEY_CHARACTERS))
        .bind::<Text, _>(new.params.to_string())
        .execute(self.connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// What these inboxes hold, newest first, at most `limit`; `before` is where
    /// the page before ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notifications(
        &self,
        inboxes: &[Inbox],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<Notification>, StoreError> {
        let inboxes = inboxes.to_vec();
        self.transact(
            Op::Notifications,
            async move |connection: &mut Connection| {
                let mut items = Vec::new();
                for inbox in &inboxes {
                    items.append(&mut held(connection, inbox, before, limit).await?);
                }
                items.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
                let more = items.len() > limit;
                let items = items.into_iter().take(limit);
                let items = items.map(NotificationRow::into_told).collect();
                Ok(Page { items, more })
            },
        )
        .await
    }

    /// Notes that it was read, by whoever of its recipients, and answers it; none when it is in none
    /// of these inboxes. Reading it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_notification(
        &self,
        inboxes: &[Inbox],
        id: u64,
    ) -> Result<Option<Notification>, StoreError> {
        let inboxes = inboxes.to_vec();
        self.transact(
            Op::Notifications,
            async move |connection: &mut Connection| {
                let Some(found) = one(connection, id, "FOR UPDATE").await? else {
                    return Ok(None);
                };
                if !inboxes.iter().any(|inbox| found.is_in(inbox)) {
                    return Ok(None);
                }
                sql_query(
                    "UPDATE notification SET read_at = COALESCE(read_at, UTC_TIMESTAMP(6)) \
                     WHERE id = ?",
                )
                .bind::<Unsigned<BigInt>, _>(id)
                .execute(connection)
                .await?;
                let read = one(connection, id, "").await?;
                Ok(read.map(NotificationRow::into_told))
            },
        )
        .await
    }
}

const NOTIFICATION: &str = "SELECT id, tenant, recipient_kind, recipient, kind, count, params, \
     read_at, created_at, updated_at FROM notification";

async fn held(
    connection: &mut Connection,
    inbox: &Inbox,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<NotificationRow>, StoreError> {
    let rows = sql_query(format!(
        "{NOTIFICATION} FORCE INDEX (tenant_recipient) WHERE tenant = ? AND recipient_kind = ? \
         AND recipient = ? AND id < ? ORDER BY id DESC LIMIT {}",
        limit + 1
    ))
    .bind::<Text, _>(inbox.tenant.as_str())
    .bind::<Text, _>(inbox.recipient.kind())
    .bind::<Text, _>(inbox.recipient.name())
    .bind::<Unsigned<BigInt>, _>(before.unwrap_or(u64::MAX))
    .load(connection)
    .await?;
    Ok(rows)
}

async fn one(
    connection: &mut Connection,
    id: u64,
    lock: &str,
) -> Result<Option<NotificationRow>, StoreError> {
    let rows: Vec<NotificationRow> = sql_query(format!("{NOTIFICATION} WHERE id = ? {lock}"))
        .bind::<Unsigned<BigInt>, _>(id)
        .load(connection)
        .await?;
    Ok(rows.into_iter().next())
}

#[derive(QueryableByName)]
struct NotificationRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    recipient_kind: String,
    #[diesel(sql_type = Text)]
    recipient: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Unsigned<Integer>)]
    count: u32,
    #[diesel(sql_type = Text)]
    params: String,
    #[diesel(sql_type = Nullable<Datetime>)]
    read_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
    #[diesel(sql_type = Datetime)]
    updated_at: NaiveDateTime,
}

impl NotificationRow {
    fn is_in(&self, inbox: &Inbox) -> bool {
        self.tenant == inbox.tenant.as_str()
            && self.recipient_kind == inbox.recipient.kind()
            && self.recipient == inbox.recipient.name()
    }

    fn into_told(self) -> Notification {
        Notification {
            id: self.id,
            recipient_kind: self.recipient_kind,
            recipient: self.recipient,
            kind: self.kind,
            count: self.count,
            params: serde_json::from_str(&self.params).unwrap_or(Value::Null),
            read_at: self.read_at.map(|moment| moment.and_utc()),
            created_at: self.created_at.and_utc(),
            updated_at: self.updated_at.and_utc(),
        }
    }
}
