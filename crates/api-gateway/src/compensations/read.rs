//! `GET /compensations`, `GET /compensations/{id}`, `GET /compensation-groups/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::CompensateBizId;
use serde::Deserialize;
use store::CompensationFilter;
use utoipa::IntoParams;

use super::view::{CompensationView, GroupView};
use crate::auth::Caller;
use crate::cursor;
use crate::listing::{PageQuery, Paging, fresh, given, query, word};
use crate::problem::Problem;
use crate::state::State;
use crate::tasks::path_id;
use crate::view::List;

/// What may stand behind `?`. An empty value counts as left out, an unknown name is ignored.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompensationsQuery {
    /// The kind of work.
    biz_type: Option<String>,
    /// WAIT_HANDLE, PROCESSING, SUCCESS, FAILED or CANCELLED.
    status: Option<String>,
    /// What it is about; with `biz_type` it is found at once.
    biz_id: Option<String>,
    /// The group that counts it.
    group_id: Option<String>,
}

/// Lists business work, newest first: for operators all of the tenant, for others their own.
///
/// A page walks back over a bounded number of rows, so it may hold fewer than `limit` and none at all:
/// the list goes on as long as there is a `next_cursor`.
#[utoipa::path(
    get,
    path = "/api/v1/compensations",
    tag = "compensations",
    params(CompensationsQuery, PageQuery),
    responses(
        (status = 200, description = "A page", body = List<CompensationView>),
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
    let asked: CompensationsQuery = query(&request)?;
    let Paging { limit, after } = Paging::of(&request)?;
    let filter = CompensationFilter {
        biz_type: given(&asked.biz_type).map(str::to_owned),
        biz_id: given(&asked.biz_id).map(str::to_owned),
        status: word("status", &asked.status)?,
        group_id: word("group_id", &asked.group_id)?,
    };
    let reach = caller.compensations(&state);
    let before = after.map(CompensateBizId);
    let store = &state.house.store;
    let (found, next) = store.compensations(&reach, filter, before, limit).await?;
    let is_operator = caller.is_operator();
    let items = found
        .into_iter()
        .map(|found| CompensationView::new(found, is_operator));
    Ok(fresh().json(List {
        items: items.collect(),
        next_cursor: next.map(|next| cursor::encode(next.0)),
    }))
}

/// Shows a piece of business work with its context and its attempts.
#[utoipa::path(
    get,
    path = "/api/v1/compensations/{id}",
    tag = "compensations",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The work", body = CompensationView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn show(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id").map(CompensateBizId)?;
    let reach = caller.compensations(&state);
    let found = state
        .house
        .store
        .compensation(&reach, id, state.max_context_bytes);
    let found = found.await?;
    let (found, content) = found.ok_or_else(Problem::not_found)?;
    let is_operator = caller.is_operator();
    let view = CompensationView::new(found, is_operator).with_content(content, is_operator);
    Ok(fresh().json(view))
}

/// Shows how far a group has come.
#[utoipa::path(
    get,
    path = "/api/v1/compensation-groups/{id}",
    tag = "compensations",
    params(("id" = String, Path, description = "The group's id")),
    responses(
        (status = 200, description = "The group", body = GroupView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn group(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id")?;
    let reach = caller.compensations(&state);
    let found = state.house.store.compensation_group(&reach, id).await?;
    let group = found.ok_or_else(Problem::not_found)?;
    Ok(fresh().json(GroupView::from(group)))
}
