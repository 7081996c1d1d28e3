//! `GET /dead-letters`, `/dead-letters/summary`, `/dead-letters/{id}`: work that was set aside, for
//! operators. Proven by `tests/it/dead_letters.rs`.

mod acts;
mod bulk;

use actix_web::{HttpRequest, HttpResponse, web};
use domain::DeadLetterId;
use serde::Deserialize;
use store::DeadLetterFilter;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::listing::{PageQuery, Paging, answer, fresh, given, moment, query, word};
use crate::problem::Problem;
use crate::state::State;
use crate::tasks::path_id;
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
}

/// Lists dead letters, newest first.
///
/// Those of the tenant; for operators of the house also those of tenant `default`: messages that
/// cannot be worked on, and rows that were inserted without a tenant.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters",
    tag = "dead letters",
    params(DeadLettersQuery, PageQuery),
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
    let query: DeadLettersQuery = query(&request)?;
    let paging = Paging::of(&request)?;
    let filter = DeadLetterFilter {
        status: word("status", &query.status)?,
        biz_type: given(&query.biz_type).map(str::to_owned),
        reason: given(&query.reason).map(str::to_owned),
        created_from: moment("created_from", &query.created_from)?,
        created_to: moment("created_to", &query.created_to)?,
    };
    let before = paging.after.map(DeadLetterId);
    let tenants = caller.looks_after(&state);
    let store = &state.house.store;
    let page = store
        .dead_letters(&tenants, filter, before, paging.limit)
        .await?;
    Ok(answer(page, |letter| letter.id.0, DeadLetterView::from))
}

/// What may stand behind `?`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SummaryQuery {
    /// OPEN, REDRIVEN, DISCARDED or PARKED; when left out those that wait for a person: OPEN and
    /// PARKED.
    status: Option<String>,
}

/// Counts dead letters by state, lane, type and reason, the most first.
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
    let SummaryQuery { status } = query(&request)?;
    let status = word("status", &status)?;
    let tenants = caller.looks_after(&state);
    let store = &state.house.store;
    let groups = store.dead_letter_groups(&tenants, status).await?;
    let items = groups.into_iter().map(DeadLetterGroupView::from).collect();
    let next_cursor = None;
    Ok(fresh().json(List::<DeadLetterGroupView> { items, next_cursor }))
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
    Ok(fresh().json(DeadLetterView::from(letter).with_content(content)))
}
