//! `GET /datasets`, `GET /datasets/{name}`.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::Dataset;

use crate::auth::Caller;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::view::{DatasetSummary, DatasetView, List};

/// Lists the datasets and what the caller may do with each.
#[utoipa::path(
    get,
    path = "/api/v1/datasets",
    tag = "datasets",
    responses(
        (status = 200, description = "All of them", body = List<DatasetSummary>),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(caller: Caller, state: web::Data<State>) -> HttpResponse {
    let items = state
        .house
        .catalog
        .iter()
        .map(|dataset| DatasetSummary::new(dataset, &caller))
        .collect();
    HttpResponse::Ok().json(List::<DatasetSummary> {
        items,
        next_cursor: None,
    })
}

/// Shows a dataset: columns, filters, limits.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{name}",
    tag = "datasets",
    params(("name" = String, Path, description = "The dataset's name")),
    responses(
        (status = 200, description = "The dataset", body = DatasetView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "dataset_not_found", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn show(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let dataset = find(&state, &request)?;
    Ok(HttpResponse::Ok().json(DatasetView::new(dataset, &caller)))
}

/// The dataset that the path names.
pub(crate) fn find<'s>(state: &'s State, request: &HttpRequest) -> Result<&'s Dataset, Problem> {
    let name = request.match_info().get("name").unwrap_or_default();
    state.house.catalog.get(name).ok_or_else(not_found)
}

/// `404 dataset_not_found`.
pub(crate) fn not_found() -> Problem {
    Problem::new(Code::DatasetNotFound, "no dataset of that name is defined")
}

/// `403 forbidden` unless the caller may import into the dataset.
pub(crate) fn check_import(caller: &Caller, dataset: &Dataset) -> Result<(), Problem> {
    if caller.may_import(dataset) {
        return Ok(());
    }
    let detail = format!("none of your roles may import {}", dataset.name);
    Err(Problem::new(Code::Forbidden, detail))
}
