//! Webhooks and deliveries, as clients see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::{Webhook, WebhookDelivery};
use utoipa::ToSchema;

/// Where to be called. Unknown fields are refused; null counts as left out.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookRequest)]
pub(super) struct WebhookBody {
    /// http or https, at most 2,000 characters, at an address that is open to this deployment.
    url: String,
    /// TASK_SUCCESS, TASK_PARTIAL_SUCCESS, TASK_FAILED, TASK_CANCELLED; all when left out.
    events: Option<Vec<String>>,
    /// 16 to 256 visible ASCII characters; one is made up when left out.
    secret: Option<String>,
}

/// Where a user wants to be called.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    id: String,
    url: String,
    /// TASK_SUCCESS, TASK_PARTIAL_SUCCESS, TASK_FAILED, TASK_CANCELLED.
    events: Vec<String>,
    created_at: DateTime<Utc>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let events = webhook.events.iter().map(|event| event.as_str().to_owned());
        Self {
            id: webhook.id.to_string(),
            events: events.collect(),
            url: webhook.url,
            created_at: webhook.created_at,
        }
    }
}

/// The same, with the secret, which is told this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewWebhook)]
pub(super) struct WebhookMadeView {
    id: String,
    url: String,
    events: Vec<String>,
    created_at: DateTime<Utc>,
    /// Calls bear `X-Quayside-Signature`: `v1=` and the hex of HMAC-SHA-256 with this secret over
    /// `X-Quayside-Timestamp`, `X-Quayside-Tenant`, `Idempotency-Key` and the body, a line feed
    /// between them.
    secret: String,
}

impl WebhookMadeView {
    pub(super) fn of(made: &Webhook, secret: &str) -> Self {
        let WebhookView {
            id,
            url,
            events,
            created_at,
        } = made.clone().into();
        Self {
            id,
            url,
            events,
            created_at,
            secret: secret.to_owned(),
        }
    }
}

/// What became of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(super) struct DeliveryView {
    id: String,
    /// TASK_SUCCESS, TASK_PARTIAL_SUCCESS, TASK_FAILED or TASK_CANCELLED.
    event: String,
    task_id: String,
    /// PENDING, DELIVERED or FAILED.
    status: String,
    /// Tries so far.
    attempts: u32,
    /// The HTTP status of the last try; null when there was no answer.
    #[schema(required)]
    code: Option<u16>,
    /// What went wrong with it; null when nothing did.
    #[schema(required)]
    error: Option<String>,
    /// When the task ended.
    created_at: DateTime<Utc>,
    /// When the last try was.
    #[schema(required)]
    attempted_at: Option<DateTime<Utc>>,
    #[schema(required)]
    delivered_at: Option<DateTime<Utc>>,
}

impl From<WebhookDelivery> for DeliveryView {
    fn from(made: WebhookDelivery) -> Self {
        Self {
            id: made.id.to_string(),
            event: made.event,
            task_id: made.task.to_string(),
            status: made.status.as_str().to_owned(),
            attempts: made.attempts,
            code: made.code,
            error: made.error,
            created_at: made.created_at,
            attempted_at: made.attempted_at,
            delivered_at: made.delivered_at,
        }
    }
}
