//! `GET /webhooks`, `POST /webhooks`, `DELETE /webhooks/{id}`, `GET /webhooks/{id}/deliveries`: where a
//! user wants to be called when their tasks end, and what became of the calls. A user sees their own
//! alone. Proven by `tests/it/webhooks.rs`.

mod body;
mod view;

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::{HandlerKind, NOTIFY, NotifySpec, ObjectKind, OperationAction};
use serde_json::json;
use store::{MAX_WEBHOOKS, NewWebhook, StoreError, WebhookKey, WebhookMade};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::read_json;
use crate::listing::{PageQuery, Paging, answer};
use crate::log;
use crate::problem::{Code, Problem};
use crate::repetition::{self, REPLAYED, key_reused};
use crate::state::State;
use crate::tasks::path_id;
use crate::view::List;
use body::Wanted;
use view::{DeliveryView, WebhookMadeView, WebhookView};

/// Most bytes of a request.
const MAX_BODY_BYTES: usize = 16 << 10;

/// What this deployment says of telling people.
///
/// # Errors
/// `422 unknown_biz_type` where nobody tells anybody anything.
pub(crate) fn spec(state: &State) -> Result<&NotifySpec, Problem> {
    let handler = state.handlers.get(NOTIFY);
    if let Some(HandlerKind::Notify(spec)) = handler.map(|handler| &handler.kind) {
        return Ok(spec);
    }
    let detail = "this deployment has no handler `notify`: nobody is told of anything";
    Err(Problem::new(Code::UnknownBizType, detail))
}

/// Makes a webhook: from now on it is called when a task of the user's ends.
///
/// The answer, and it alone, tells the secret that the calls are signed with. At most 10 per user.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    request_body = view::WebhookBody,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 128 visible ASCII characters; the same key and body within 24 h is \
                       answered as the first time")),
    responses(
        (status = 201, description = "Made", body = WebhookMadeView,
            headers(("Idempotency-Replayed" = bool,
                description = "true when the key was used before"))),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict, idempotency_in_progress",
            body = crate::problem::ProblemBody),
        (status = 413, description = "body_too_large", body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 422, description = "unknown_biz_type, idempotency_key_reused",
            body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn make(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let key = repetition::key(&request)?;
    let body = read_json(&request, payload, MAX_BODY_BYTES).await?;
    let Wanted {
        url,
        events,
        secret,
    } = Wanted::read(&body, spec(&state)?)?;
    let secret = secret.unwrap_or_else(new_secret);
    let told = secret.clone();
    let new = NewWebhook {
        actor: caller.actor(&request),
        url,
        secret,
        events,
        key: key.map(|key| WebhookKey {
            key,
            request_hash: repetition::body_hash(&body),
        }),
        reply: Arc::new(move |made| serde_json::to_vec(&WebhookMadeView::of(made, &told))),
    };
    match state.house.store.make_webhook(new).await.map_err(unknown)? {
        WebhookMade::Now(made) => {
            tracing::info!(actor = %caller.user, "webhook made");
            Ok(created(made, false))
        }
        WebhookMade::Replayed(made) => Ok(created(made, true)),
        WebhookMade::KeyReused => Err(key_reused()),
        WebhookMade::TooMany => {
            let create = (
                OperationAction::WebhookCreate,
                ObjectKind::Webhook,
                String::new(),
            );
            let detail = json!({"because": "state_conflict", "webhooks": MAX_WEBHOOKS});
            log::refusal(&state, caller.actor(&request), create, detail).await?;
            let detail = format!("a user has {MAX_WEBHOOKS} webhooks at most; take one away first");
            Err(Problem::new(Code::StateConflict, detail))
        }
    }
}

fn created(made: Vec<u8>, is_replayed: bool) -> HttpResponse {
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    if is_replayed {
        answer.insert_header((REPLAYED, "true"));
    }
    answer.content_type(header::ContentType::json()).body(made)
}

/// 244 random bits, in hex.
fn new_secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Without a key nobody can say which of the user's webhooks it would be.
fn unknown(error: StoreError) -> Problem {
    let detail = "it is unknown whether the webhook was made; GET /webhooks tells";
    match error {
        StoreError::UnknownCommit(_) => Problem::away(error, detail),
        other => other.into(),
    }
}

/// Lists the user's webhooks, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    params(PageQuery),
    responses(
        (status = 200, description = "A page", body = List<WebhookView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Paging { limit, after } = Paging::of(&request)?;
    let store = &state.house.store;
    let page = store
        .webhooks(&caller.tenant, &caller.user, after, limit)
        .await?;
    Ok(answer(page, |webhook| webhook.id, WebhookView::from))
}

/// Takes a webhook of the user's away. What it was still to be told is not told any more.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 204, description = "Gone"),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn delete(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id")?;
    let store = &state.house.store;
    if store.delete_webhook(&caller.actor(&request), id).await? {
        tracing::info!(webhook.id = id, actor = %caller.user, "webhook taken away");
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Problem::not_found())
    }
}

/// Lists what became of the calls to a webhook of the user's, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}/deliveries",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"), PageQuery),
    responses(
        (status = 200, description = "A page", body = List<DeliveryView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn deliveries(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id")?;
    let Paging { limit, after } = Paging::of(&request)?;
    let store = &state.house.store;
    let page = store
        .webhook_deliveries(&caller.tenant, &caller.user, id, (after, limit))
        .await?;
    let page = page.ok_or_else(Problem::not_found)?;
    Ok(answer(page, |made| made.id, DeliveryView::from))
}
