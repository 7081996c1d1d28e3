//! Making a webhook: once for each key of the client's, and never more of them than a user may have.

use std::fmt;
use std::sync::Arc;

use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use domain::{ObjectKind, OperationAction, WebhookEvent};
use thiserror::Error;

use super::{MAX_WEBHOOKS, WEBHOOK, Webhook, WebhookRow, packed};
use crate::Store;
use crate::door::Op;
use crate::error::{Cause, StoreError};
use crate::once::{FIND_TRIES, Key};
use crate::operation_log::{self, Actor, Operation};
use crate::pool::Connection;
use crate::row::Id;
use crate::zlib::{deflate, inflate};

/// What a client's key of this call is remembered under.
const ROUTE: &str = "POST /webhooks";

/// Makes the answer of what was made.
pub type WebhookReply = Arc<dyn Fn(&Webhook) -> Result<Vec<u8>, serde_json::Error> + Send + Sync>;

/// A webhook to be made.
#[derive(Clone)]
pub struct NewWebhook {
    /// Whose.
    pub actor: Actor,
    /// Where; checked, at most 2,000 characters.
    pub url: String,
    /// Signs the calls; at most 256 characters.
    pub secret: String,
    /// Of what; not empty.
    pub events: Vec<WebhookEvent>,
    /// The client's key, if it gave one.
    pub key: Option<WebhookKey>,
    /// What the client is answered.
    pub reply: WebhookReply,
}

/// What a request is known by, should it come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookKey {
    /// The client's own, at most 128 characters.
    pub key: String,
    /// Hash of the request's fields, 64 characters.
    pub request_hash: String,
}

/// Without the secret.
impl fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWebhook")
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}

/// What became of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookMade {
    /// It was made now; the answer.
    Now(Vec<u8>),
    /// The key was used for the same request before; what it was answered.
    Replayed(Vec<u8>),
    /// The key was used for another request.
    KeyReused,
    /// The user has [`MAX_WEBHOOKS`] already.
    TooMany,
}

/// Takes the transaction back, and the key with it.
#[derive(Debug, Error)]
#[error("the user has {MAX_WEBHOOKS} webhooks already")]
struct TooMany;

impl Store {
    /// Makes a webhook. With a key an unknown COMMIT is read back by it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was made, unless it is [`StoreError::UnknownCommit`]: then a list of the
    /// webhooks tells.
    pub async fn make_webhook(&self, new: NewWebhook) -> Result<WebhookMade, StoreError> {
        let new = Arc::new(new);
        for _ in 0..FIND_TRIES {
            let unknown = match self.make(new.clone()).await {
                Err(StoreError::Duplicate(_)) if new.key.is_some() => None,
                Err(StoreError::UnknownCommit(cause)) if new.key.is_some() => Some(cause),
                Err(StoreError::Refused(cause)) if cause.is::<TooMany>() => {
                    return Ok(WebhookMade::TooMany);
                }
                done => return done,
            };
            if let Some(found) = self.find_made(new.clone(), unknown).await? {
                return Ok(found);
            }
        }
        Err(StoreError::Contended(
            "the earlier request comes and goes".into(),
        ))
    }

    async fn make(&self, new: Arc<NewWebhook>) -> Result<WebhookMade, StoreError> {
        self.transact(Op::Webhooks, async move |connection: &mut Connection| {
            // First of all: who repeats a request waits here.
            if let (Some(key), Some(given)) = (new.key(), &new.key) {
                key.take(connection, &given.request_hash).await?;
            }
            if held(connection, &new.actor).await? >= MAX_WEBHOOKS {
                return Err(StoreError::Refused(Box::new(TooMany)));
            }
            let made = insert(connection, &new).await?;
            let action = OperationAction::WebhookCreate;
            let entry = Operation::done(&new.actor, action, ObjectKind::Webhook, made.id);
            operation_log::write(connection, &entry).await?;
            let answer = (new.reply)(&made).map_err(crate::ledger::corrupt)?;
            if let Some(key) = new.key() {
                key.note_answer(connection, &deflate(&answer)?).await?;
            }
            Ok(WebhookMade::Now(answer))
        })
        .await
    }

    /// What the key stands for; none when it stands for nothing any more. After an unknown COMMIT, it
    /// is this request's own, and nothing means that nothing was made.
    async fn find_made(
        &self,
        new: Arc<NewWebhook>,
        unknown: Option<Cause>,
    ) -> Result<Option<WebhookMade>, StoreError> {
        let asked = new.clone();
        let found = self
            .transact(
                Op::Webhooks,
                async move |connection: &mut Connection| match asked.key() {
                    Some(key) => key.first_request(connection).await,
                    None => Ok(None),
                },
            )
            .await;
        let is_own = unknown.is_some();
        let first = match (found, unknown) {
            (Ok(Some(first)), _) => first,
            (Ok(None), None) => return Ok(None),
            (Ok(None), Some(cause)) => return Err(StoreError::Unavailable(cause)),
            (Err(_), Some(cause)) => return Err(StoreError::UnknownCommit(cause)),
            (Err(error), None) => return Err(error),
        };
        if new.key.as_ref().map(|it| &it.request_hash) != Some(&first.request_hash) {
            return Ok(Some(WebhookMade::KeyReused));
        }
        let answer = first.answer.ok_or_else(|| {
            StoreError::Corrupt("a key of this call stands without its answer".to_owned())
        })?;
        let answer = inflate(&answer)?;
        Ok(Some(if is_own {
            WebhookMade::Now(answer)
        } else {
            WebhookMade::Replayed(answer)
        }))
    }
}

/// How many webhooks the user has; whoever else makes one of theirs waits until this transaction ends.
async fn held(connection: &mut Connection, actor: &Actor) -> Result<usize, StoreError> {
    sql_query(
        "INSERT INTO notification_setting (tenant, created_by) VALUES (?, ?) \
         ON DUPLICATE KEY UPDATE updated_at = UTC_TIMESTAMP(6)",
    )
    .bind::<Text, _>(actor.tenant.as_str())
    .bind::<Text, _>(actor.user.as_str())
    .execute(connection)
    .await?;
    let rows: Vec<Id> = sql_query(format!(
        "SELECT id FROM webhook FORCE INDEX (tenant_user) \
         WHERE tenant = ? AND created_by = ? LIMIT {MAX_WEBHOOKS}"
    ))
    .bind::<Text, _>(actor.tenant.as_str())
    .bind::<Text, _>(actor.user.as_str())
    .load(connection)
    .await?;
    Ok(rows.len())
}

async fn insert(connection: &mut Connection, new: &NewWebhook) -> Result<Webhook, StoreError> {
    sql_query(
        "INSERT INTO webhook (tenant, created_by, url, secret, events) VALUES (?, ?, ?, ?, ?)",
    )
    .bind::<Text, _>(new.actor.tenant.as_str())
    .bind::<Text, _>(new.actor.user.as_str())
    .bind::<Text, _>(&new.url)
    .bind::<Text, _>(&new.secret)
    .bind::<Text, _>(packed(&new.events))
    .execute(connection)
    .await?;
    let row: WebhookRow = sql_query(format!("{WEBHOOK} WHERE id = LAST_INSERT_ID()"))
        .get_result(connection)
        .await?;
    row.into_webhook()
}

impl NewWebhook {
    fn key(&self) -> Option<Key<'_>> {
        let key = self.key.as_ref()?;
        Some(Key {
            tenant: &self.actor.tenant,
            user: &self.actor.user,
            route: ROUTE,
            key: &key.key,
        })
    }
}
