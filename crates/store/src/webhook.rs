//! Webhooks: where a user wants to be called when a task of theirs ends. Made, listed and taken away by
//! their owner alone. Shown by `tests/it/webhook.rs`.

mod delivery;
mod made;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{ObjectKind, OperationAction, Tenant, UserId, WebhookEvent};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::operation_log::{self, Actor, Operation};
use crate::pool::Connection;
use crate::task::Page;

pub(crate) use delivery::born_deliveries;
pub use delivery::{DeliveryStatus, DeliveryTry, WebhookCall, WebhookDelivery};
pub use made::{NewWebhook, WebhookKey, WebhookMade, WebhookReply};

/// Webhooks of one user at most: so many calls does the end of a task cost.
pub const MAX_WEBHOOKS: usize = 10;

/// Where a user wants to be called; its secret is told to nobody any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its identity.
    pub id: u64,
    /// Where.
    pub url: String,
    /// Of what.
    pub events: Vec<WebhookEvent>,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The user's webhooks, newest first, at most `limit`; `before` is where the page before ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhooks(
        &self,
        tenant: &Tenant,
        user: &UserId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<Webhook>, StoreError> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.transact(Op::Webhooks, async move |connection: &mut Connection| {
            let rows: Vec<WebhookRow> = sql_query(format!(
                "{WEBHOOK} FORCE INDEX (tenant_user) WHERE tenant = ? AND created_by = ? \
                 AND id < ? ORDER BY id DESC LIMIT {}",
                limit + 1
            ))
            .bind::<Text, _>(tenant.as_str())
            .bind::<Text, _>(user.as_str())
            .bind::<Unsigned<BigInt>, _>(before.unwrap_or(u64::MAX))
            .load(connection)
            .await?;
            let more = rows.len() > limit;
            let items = rows.into_iter().take(limit);
            let items = items.map(WebhookRow::into_webhook);
            Ok(Page {
                items: items.collect::<Result<_, _>>()?,
                more,
            })
        })
        .await
    }

    /// Takes a webhook of the actor's away; whether there was one. Calls that are still to be made to
    /// it are not made any more. Done again after an unknown COMMIT: then it may be told as missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_webhook(&self, actor: &Actor, id: u64) -> Result<bool, StoreError> {
        let delete = || {
            let actor = actor.clone();
            self.transact(Op::Webhooks, async move |connection: &mut Connection| {
                let removed = sql_query(
                    "DELETE w FROM webhook w FORCE INDEX (PRIMARY) \
                     WHERE id = ? AND tenant = ? AND created_by = ?",
                )
                .bind::<Unsigned<BigInt>, _>(id)
                .bind::<Text, _>(actor.tenant.as_str())
                .bind::<Text, _>(actor.user.as_str())
                .execute(connection)
                .await?;
                if removed == 0 {
                    return Ok(false);
                }
                let action = OperationAction::WebhookDelete;
                let entry = Operation::done(&actor, action, ObjectKind::Webhook, id);
                operation_log::write(connection, &entry).await?;
                Ok(true)
            })
        };
        match delete().await {
            Err(StoreError::UnknownCommit(_)) => delete().await.map(|_was_there| true),
            done => done,
        }
    }
}

const WEBHOOK: &str = "SELECT id, url, events, created_at FROM webhook";

/// The words as they are stored.
fn packed(events: &[WebhookEvent]) -> String {
    let words: Vec<&str> = events.iter().map(|event| event.as_str()).collect();
    words.join(",")
}

#[derive(QueryableByName)]
struct WebhookRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Text)]
    events: String,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
}

impl WebhookRow {
    fn into_webhook(self) -> Result<Webhook, StoreError> {
        let events = self.events.split(',').map(str::parse);
        Ok(Webhook {
            id: self.id,
            url: self.url,
            events: events.collect::<Result<_, _>>()?,
            created_at: self.created_at.and_utc(),
        })
    }
}
