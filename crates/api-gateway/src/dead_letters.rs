//! `GET /dead-letters`, `/dead-letters/summary`, `/dead-letters/{id}`: work that was set aside, for
//! operators. Proven by `tests/it/dead_letters.rs`.

mod acts;
mod bulk;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::{DeadLetterId, DeadLetterStatus};
use serde::Deserialize;
use store::DeadLetterFilter;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::cursor;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::tasks::{given, limit, moment, path_id, word};
use crate::view::{DeadLetterGroupView, DeadLetterView, List};

pub(crate) use acts::{__path_discard, __path_redrive, discard, redrive};
pub(crate) use bulk::{__path_redrive_many, redrive_many};

/// What may stand behind `?`. An empty value counts as left out, an unknown name is ignored.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLettersQuery {
    /// OPEN, REDRIVEN, DISCARDED or PARKED.
    status: Option<String>,
    /// The kind of work.
    biz_type: Option<String>,
    /// Why it was set aside: a code, as of a failed task, or of a message.
    reason: Option<String>,
    /// RFC 3339, inclusive.
    created_from: Option<String>,
    /// RFC 3339, exclusive.
    created_to: Option<String>,
    /// 1 to 200; 50 when left out.
    limit: Option<String>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// Lists dead letters, newest first.
///
/// Those of the tenant; for operators of the house also those of tenant `default`: messages that
/// cannot be worked on, and rows that were inserted without a tenant.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters",
    tag = "dead letters",
    params(DeadLettersQuery),
    responses(
        (status = 200, description = "A page", body = List<DeadLetterView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let query = web::Query::<DeadLettersQuery>::from_query(request.query_string())
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?
        .into_inner();
    let filter = DeadLetterFilter {
        status: word("status", &query.status)?,
        biz_type: given(&query.biz_type).map(str::to_owned),
        reason: given(&query.reason).map(str::to_owned),
        created_from: moment("created_from", &query.created_from)?,
        created_to: moment("created_to", &query.created_to)?,
    };
    let before = given(&query.cursor).map(cursor::decode).transpose()?;
    let before = before.map(DeadLetterId);
    let tenants = caller.looks_after(&state);
    let store = &state.house.store;
    let page = store
        .dead_letters(&tenants, filter, before, limit(&query.limit)?)
        .await?;
    let last = page.items.last().filter(|_| page.more);
    let next_cursor = last.map(|last| cursor::encode(last.id.0));
    let items = page.items.into_iter().map(DeadLetterView::from).collect();
    Ok(answer().json(List::<DeadLetterView> { items, next_cursor }))
}

/// What may stand behind `?`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SummaryQuery {
    /// OPEN, REDRIVEN, DISCARDED or PARKED; OPEN when left out.
    status: Option<String>,
}

/// Counts dead letters by lane, type and reason, the most first.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/summary",
    tag = "dead letters",
    params(SummaryQuery),
    responses(
        (status = 200, description = "All groups", body = List<DeadLetterGroupView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn summary(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let query = web::Query::<SummaryQuery>::from_query(request.query_string())
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?
        .into_inner();
    let status = word("status", &query.status)?.unwrap_or(DeadLetterStatus::Open);
    let tenants = caller.looks_after(&state);
    let groups = state
        .house
        .store
        .dead_letter_groups(&tenants, status)
        .await?;
    let items = groups.into_iter().map(DeadLetterGroupView::from).collect();
    let next_cursor = None;
    Ok(answer().json(List::<DeadLetterGroupView> { items, next_cursor }))
}

/// Shows a dead letter with what it holds.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/{id}",
    tag = "dead letters",
    params(("id" = String, Path, description = "The dead letter's id")),
    responses(
        (status = 200, description = "The dead letter", body = DeadLetterView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn show(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let id = path_id(&request, "id").map(DeadLetterId)?;
    let tenants = caller.looks_after(&state);
    let found = state.house.store.dead_letter(&tenants, id).await?;
    let (letter, content) = found.ok_or_else(Problem::not_found)?;
    Ok(answer().json(DeadLetterView::from(letter).with_content(content)))
}

fn answer() -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}
