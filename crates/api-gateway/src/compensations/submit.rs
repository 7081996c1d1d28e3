//! `POST /compensations`: a checked call becomes rows, all in one transaction.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use domain::{BizType, ObjectKind, OperationAction};
use serde_json::json;
use store::{
    CallKey, CompensationsOnce, GroupRefusal, NewCompensations, StoreError, SubmittedCompensations,
};

use super::body::{self, Terms, Wanted};
use super::call_hash::call_hash;
use super::view::SubmittedView;
use crate::auth::Caller;
use crate::exports::traceparent;
use crate::log;
use crate::problem::{Code, Problem};
use crate::repetition::{self, REPLAYED, key_reused};
use crate::state::State;

/// Most bytes of a call.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Bodies beyond this are read off the async threads.
const QUICK_BODY_BYTES: usize = 64 << 10;

/// Submits business work.
///
/// All of a call is accepted, or nothing. An item whose biz_type and biz_id the tenant has already,
/// or that stands in the call twice, is a duplicate and changes nothing: to send a call again is safe.
#[utoipa::path(
    post,
    path = "/api/v1/compensations",
    tag = "compensations",
    request_body = super::view::CompensationsBody,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 128 visible ASCII characters; the same key and body within 24 h is \
                       answered as the first time")),
    responses(
        (status = 202, description = "Accepted", body = SubmittedView,
            headers(("Idempotency-Replayed" = bool,
                description = "true when the key was used before"))),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict, idempotency_in_progress",
            body = crate::problem::ProblemBody),
        (status = 413, description = "body_too_large, context_too_large",
            body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 429, description = "quota_exceeded: too many large calls at once",
            body = crate::problem::ProblemBody),
        (status = 422, description = "unknown_biz_type, unknown_queue, idempotency_key_reused",
            body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn submit(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let key = repetition::key(&request)?;
    let read = state
        .large_bodies
        .read_json(&request, payload, MAX_BODY_BYTES);
    let (body, _room) = read.await?;
    let (wanted, request_hash) = wanted(&state, &caller, body, key.is_some()).await?;
    let keyed = key.zip(request_hash);
    let biz_ids = wanted.items.iter().map(|item| item.biz_id.clone());
    let biz_ids: Arc<[_]> = biz_ids.collect();
    let biz_types: Vec<BizType> = wanted.items.iter().map(|it| it.biz_type.clone()).collect();
    let group_key = wanted.group.as_ref().map(|group| group.key.clone());
    let call = NewCompensations {
        actor: caller.actor(&request),
        items: wanted.items,
        group: wanted.group,
        trace_context: traceparent(),
        key: keyed.map(|(key, request_hash)| {
            let biz_ids = biz_ids.clone();
            CallKey {
                key,
                request_hash,
                reply: Arc::new(move |done| serde_json::to_vec(&SubmittedView::of(done, &biz_ids))),
            }
        }),
    };
    let submitted = state.gatherer.submit(call).await;
    match submitted.map_err(unknown)? {
        CompensationsOnce::Now(done, first) => {
            tell(&caller, &biz_types, &done);
            Ok(match first {
                Some(first) => as_before(accepted(), first),
                None => accepted().json(SubmittedView::of(&done, &biz_ids)),
            })
        }
        CompensationsOnce::Remembered(first) => Ok(as_before(accepted(), first)),
        CompensationsOnce::Replayed(first) => {
            let mut answer = accepted();
            answer.insert_header((REPLAYED, "true"));
            Ok(as_before(answer, first))
        }
        CompensationsOnce::KeyReused => Err(key_reused()),
        CompensationsOnce::Refused(refusal) => {
            let submit = (
                OperationAction::CompensationSubmit,
                ObjectKind::Compensation,
                String::new(),
            );
            let detail = json!({"because": "state_conflict", "group_key": group_key});
            log::refusal(&state, caller.actor(&request), submit, detail).await?;
            Err(refused(refusal))
        }
    }
}

/// What the call asks for, and what it has in common with the same one, where it has a key. Large
/// bodies take milliseconds to be read: off the async threads.
async fn wanted(
    state: &State,
    caller: &Caller,
    body: web::Bytes,
    has_key: bool,
) -> Result<(Wanted, Option<String>), Problem> {
    let (handlers, now) = (state.handlers.clone(), state.clock.now());
    let (caller, max_context_bytes) = (caller.clone(), state.max_context_bytes);
    let quick = body.len() <= QUICK_BODY_BYTES;
    let read = move || {
        let terms = Terms {
            handlers: &handlers,
            caller: &caller,
            now,
            max_context_bytes,
        };
        let wanted = body::read(&body, &terms)?;
        let request_hash = has_key.then(|| call_hash(&body)).transpose()?;
        Ok((wanted, request_hash))
    };
    if quick {
        return read();
    }
    web::block(read).await.map_err(Problem::internal)?
}

fn accepted() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

fn as_before(mut answer: HttpResponseBuilder, first: Vec<u8>) -> HttpResponse {
    answer.content_type(header::ContentType::json()).body(first)
}

/// One line and the counts.
fn tell(caller: &Caller, biz_types: &[BizType], done: &SubmittedCompensations) {
    let duplicates = done.duplicates();
    tracing::info!(
        actor = %caller.user,
        accepted = done.items.len() - duplicates,
        duplicates,
        group = done.group_id,
        "business work accepted"
    );
    let mut left = biz_types.iter().zip(&done.items).peekable();
    while let Some((biz_type, item)) = left.next() {
        // What stands together of one kind is counted at once.
        let mut counts = [u64::from(!item.duplicate), u64::from(item.duplicate)];
        while let Some((_, item)) = left.next_if(|(other, _)| *other == biz_type) {
            counts[usize::from(item.duplicate)] += 1;
        }
        for (outcome, count) in ["accepted", "duplicate"].into_iter().zip(counts) {
            metrics::counter!("quayside_compensations_submitted_total",
                "biz_type" => biz_type.as_str().to_owned(), "outcome" => outcome)
            .increment(count);
        }
    }
}

/// `409 state_conflict`.
fn refused(refusal: GroupRefusal) -> Problem {
    let state = match refusal {
        GroupRefusal::Sealed => "SEALED",
        GroupRefusal::OtherFollowUps => "OPEN",
        // What it stands at is nobody else's business.
        GroupRefusal::Foreign => return Problem::new(Code::StateConflict, refusal.to_string()),
    };
    Problem::new(Code::StateConflict, refusal.to_string()).in_state(state, std::iter::empty())
}

/// This call makes no task that could be looked at.
fn unknown(error: StoreError) -> Problem {
    let detail = "it is unknown whether the work was accepted; send the same call again: what is \
                  there is told as a duplicate";
    match error {
        StoreError::UnknownCommit(_) => Problem::away(error, detail),
        other => other.into(),
    }
}
