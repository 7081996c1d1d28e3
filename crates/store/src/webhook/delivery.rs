//! What became of each call to a webhook. A try is noted under the epoch of the attempt that made it,
//! so a worker that comes late writes over nothing.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Integer, Nullable, SmallInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, LeaseEpoch, TaskId, Tenant, UserId, WebhookEvent};

use crate::Store;
use crate::door::Op;
use crate::effects::Tx;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::Id;
use crate::settle::shortened;
use crate::task::Page;

/// Characters of an error that are kept.
const ERROR_CHARS: usize = 500;

/// Whom to call for a delivery.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookCall {
    /// Where.
    pub url: String,
    /// Signs the call.
    pub secret: String,
    /// Of what.
    pub event: String,
}

/// One try of a delivery, for whoever lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryTry {
    /// Which delivery.
    pub delivery: u64,
    /// The fence of the attempt that made it.
    pub epoch: LeaseEpoch,
    /// The HTTP status; none when there was no answer.
    pub code: Option<u16>,
    /// What went wrong; none when nothing did.
    pub error: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It is still to be made, or made again.
    Pending,
    /// It was answered with a yes.
    Delivered,
    /// No further try is made.
    Failed,
}

impl DeliveryStatus {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
        }
    }
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Its identity.
    pub id: u64,
    /// Of what it tells, in a word of [`WebhookEvent`].
    pub event: String,
    /// The task that it tells of.
    pub task: TaskId,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Tries so far.
    pub attempts: u32,
    /// The HTTP status of the last try.
    pub code: Option<u16>,
    /// What went wrong with it.
    pub error: Option<String>,
    /// When the task ended.
    pub created_at: DateTime<Utc>,
    /// When the last try was.
    pub attempted_at: Option<DateTime<Utc>>,
    /// When it was answered with a yes.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// Bears a delivery for each of the webhooks; answers their numbers.
pub(crate) async fn born_deliveries(
    connection: &mut Connection,
    tenant: &str,
    webhooks: &[u64],
    event: WebhookEvent,
    task: TaskId,
) -> Result<Vec<u64>, StoreError> {
    let mut born = Vec::with_capacity(webhooks.len());
    for webhook in webhooks {
        sql_query(
            "INSERT INTO webhook_delivery (tenant, webhook_id, event, task_id) VALUES (?, ?, ?, ?)",
        )
        .bind::<Text, _>(tenant)
        .bind::<Unsigned<BigInt>, _>(webhook)
        .bind::<Text, _>(event.as_str())
        .bind::<Unsigned<BigInt>, _>(task.0)
        .execute(connection)
        .await?;
        let made: Id = sql_query("SELECT LAST_INSERT_ID() AS id")
            .get_result(connection)
            .await?;
        born.push(made.id);
    }
    Ok(born)
}

impl Tx<'_> {
    /// Notes the try that was answered with a yes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivered(&mut self, made: &DeliveryTry) -> Result<(), StoreError> {
        note(self.connection, &self.tenant.clone(), made).await
    }
}

impl Store {
    /// Whom to call; none when the webhook was taken away, or there is no such delivery.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhook_call(
        &self,
        tenant: &Tenant,
        delivery: u64,
    ) -> Result<Option<WebhookCall>, StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::Webhooks, async move |connection: &mut Connection| {
            let rows: Vec<CallRow> = sql_query(
                "SELECT w.url, w.secret, d.event FROM webhook_delivery d FORCE INDEX (PRIMARY) \
                 JOIN webhook w FORCE INDEX (PRIMARY) \
                 ON w.id = d.webhook_id AND w.tenant = d.tenant \
                 WHERE d.id = ? AND d.tenant = ?",
            )
            .bind::<Unsigned<BigInt>, _>(delivery)
            .bind::<Text, _>(tenant.as_str())
            .load(connection)
            .await?;
            let row = rows.into_iter().next();
            Ok(row.map(|CallRow { url, secret, event }| WebhookCall { url, secret, event }))
        })
        .await
    }

    /// Notes a try that did not succeed. A second note of one attempt changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_delivery_try(
        &self,
        tenant: &Tenant,
        made: DeliveryTry,
    ) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::Webhooks, async move |connection: &mut Connection| {
            note(connection, &tenant, &made).await
        })
        .await
    }

    /// Deliveries of a webhook of the user's, newest first, at most `limit`; `before` is where the page
    /// before ended. None when the user has no such webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhook_deliveries(
        &self,
        tenant: &Tenant,
        user: &UserId,
        webhook: u64,
        (before, limit): (Option<u64>, usize),
    ) -> Result<Option<Page<WebhookDelivery>>, StoreError> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.transact(Op::Webhooks, async move |connection: &mut Connection| {
            if !is_own(connection, &tenant, &user, webhook).await? {
                return Ok(None);
            }
            let rows: Vec<DeliveryRow> = sql_query(format!(
                "SELECT d.id, d.event, d.task_id, d.attempts, d.code, d.error, d.created_at, \
                 d.attempted_at, d.delivered_at, c.status AS row_status \
                 FROM webhook_delivery d FORCE INDEX (tenant_webhook) \
                 LEFT JOIN compensate_biz c FORCE INDEX (tenant_biz) ON c.tenant = d.tenant \
                 AND c.biz_type = 'notify' AND c.biz_id = CONCAT('delivery/', d.id) \
                 WHERE d.tenant = ? AND d.webhook_id = ? AND d.id < ? \
                 ORDER BY d.id DESC LIMIT {}",
                limit + 1
            ))
            .bind::<Text, _>(tenant.as_str())
            .bind::<Unsigned<BigInt>, _>(webhook)
            .bind::<Unsigned<BigInt>, _>(before.unwrap_or(u64::MAX))
            .load(connection)
            .await?;
            let more = rows.len() > limit;
            let items = rows.into_iter().take(limit);
            let items = items.map(DeliveryRow::into_delivery);
            Ok(Some(Page {
                items: items.collect::<Result<_, _>>()?,
                more,
            }))
        })
        .await
    }
}

async fn is_own(
    connection: &mut Connection,
    tenant: &Tenant,
    user: &UserId,
    webhook: u64,
) -> Result<bool, StoreError> {
    let own: Vec<Id> = sql_query(
        "SELECT id FROM webhook FORCE INDEX (PRIMARY) \
         WHERE id = ? AND tenant = ? AND created_by = ?",
    )
    .bind::<Unsigned<BigInt>, _>(webhook)
    .bind::<Text, _>(tenant.as_str())
    .bind::<Text, _>(user.as_str())
    .load(connection)
    .await?;
    Ok(!own.is_empty())
}

async fn note(
    connection: &mut Connection,
    tenant: &Tenant,
    made: &DeliveryTry,
) -> Result<(), StoreError> {
    let delivered_at = if made.error.is_none() {
        "UTC_TIMESTAMP(6)"
    } else {
        "delivered_at"
    };
    let error = made.error.as_deref().map(|it| shortened(it, ERROR_CHARS));
    sql_query(format!(
        "UPDATE webhook_delivery SET attempts = attempts + 1, epoch = ?, code = ?, error = ?, \
         attempted_at = UTC_TIMESTAMP(6), delivered_at = {delivered_at} \
         WHERE id = ? AND tenant = ? AND epoch < ?"
    ))
    .bind::<Unsigned<BigInt>, _>(made.epoch.0)
    .bind::<Nullable<Unsigned<SmallInt>>, _>(made.code)
    .bind::<Nullable<Text>, _>(error)
    .bind::<Unsigned<BigInt>, _>(made.delivery)
    .bind::<Text, _>(tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(made.epoch.0)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct CallRow {
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Text)]
    secret: String,
    #[diesel(sql_type = Text)]
    event: String,
}

#[derive(QueryableByName)]
struct DeliveryRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    event: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    task_id: u64,
    #[diesel(sql_type = Unsigned<Integer>)]
    attempts: u32,
    #[diesel(sql_type = Nullable<Unsigned<SmallInt>>)]
    code: Option<u16>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
    #[diesel(sql_type = Nullable<Datetime>)]
    attempted_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Datetime>)]
    delivered_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Text>)]
    row_status: Option<String>,
}

impl DeliveryRow {
    /// The row says whether more tries follow; one that is gone has had its time.
    fn status(&self) -> Result<DeliveryStatus, StoreError> {
        if self.delivered_at.is_some() {
            return Ok(DeliveryStatus::Delivered);
        }
        let row = self.row_status.as_deref().map(str::parse::<BizStatus>);
        let is_open = row.transpose()?.is_some_and(|status| !status.is_final());
        Ok(if is_open {
            DeliveryStatus::Pending
        } else {
            DeliveryStatus::Failed
        })
    }

    fn into_delivery(self) -> Result<WebhookDelivery, StoreError> {
        Ok(WebhookDelivery {
            id: self.id,
            status: self.status()?,
            event: self.event,
            task: TaskId(self.task_id),
            attempts: self.attempts,
            code: self.code,
            error: self.error,
            created_at: self.created_at.and_utc(),
            attempted_at: self.attempted_at.map(|moment| moment.and_utc()),
            delivered_at: self.delivered_at.map(|moment| moment.and_utc()),
        })
    }
}
