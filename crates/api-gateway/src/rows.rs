//! `POST /datasets/{name}/rows`: a few rows, checked as those of a sheet are and answered at once.
//! What can be stored is stored, in one transaction; each row is told what became of it. With an
//! `Idempotency-Key` the answer is remembered in that transaction. Proven by `tests/it/rows.rs` and
//! `tests/it/rows_once.rs`.
//!
//! Rows and errors are counted as those of files are: `quayside_import_rows_total{dataset, outcome}`,
//! `quayside_import_row_errors_total{dataset, code}`.

mod body;
mod check;

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::{Catalog, Dataset, JsonTerms};
use serde::Serialize;
use store::{Applied, KeyedRows, RowsOnce, StoreError};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::datasets;
use crate::imports::SHOW_SENSITIVE;
use crate::language;
use crate::listing::fresh;
use crate::problem::Problem;
use crate::repetition::{self, REPLAYED, key_reused};
use crate::state::State;
use crate::view::RowErrorView;
use check::Checked;

/// Most bytes of a request.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// What became of the rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowsResult)]
pub(crate) struct RowsView {
    /// inserted + updated + failed.
    total: usize,
    inserted: usize,
    updated: usize,
    failed: usize,
    /// One for each row, in the order of the request.
    results: Vec<RowResultView>,
}

/// What became of one row.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowResult)]
pub(crate) struct RowResultView {
    /// Counted from 0.
    index: usize,
    /// INSERTED, UPDATED or FAILED.
    status: &'static str,
    /// Empty unless it failed.
    errors: Vec<RowErrorView>,
}

/// Writes rows to a dataset's table.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{name}/rows",
    tag = "datasets",
    request_body = crate::openapi::RowsBody,
    params(
        ("name" = String, Path, description = "The dataset's name"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 128 visible ASCII characters; the same key and body within 24 h is \
                           answered as the first time, and nothing is written again"),
    ),
    responses(
        (status = 200, description = "What can be stored is stored", body = RowsView,
            headers(("Idempotency-Replayed" = bool,
                description = "true when the key was used before"))),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "dataset_not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "idempotency_in_progress", body = crate::problem::ProblemBody,
            headers(("Retry-After" = u32, description = "When to send it again"))),
        (status = 413, description = "body_too_large", body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 422, description = "too_many_rows, unknown_column, idempotency_key_reused",
            body = crate::problem::ProblemBody),
        (status = 429, description = "quota_exceeded: too many large calls at once",
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
    let dataset = datasets::find(&state, &request)?;
    datasets::check_import(&caller, dataset)?;
    let key = repetition::key(&request)?;
    let read = state
        .large_bodies
        .read_json(&request, payload, MAX_BODY_BYTES);
    let (body, _room) = read.await?;
    let once = key.map(|key| (key, repetition::rows_hash(&dataset.name, &body)));
    let locale = language::of(&request, &state.defaults.locale);
    let mut checked = checked(&state, dataset, body, locale).await?;
    let store = &state.house.store;
    checked.refuse_doubles(store, dataset).await?;
    let work = checked.work(dataset, &caller.tenant)?;
    let Some((key, request_hash)) = once else {
        let applied = match work {
            Some(work) => {
                let actor = caller.actor(&request);
                let applied = store.apply_rows_by(&actor, &dataset.name, work);
                applied.await.map_err(unknown)?
            }
            None => Applied::default(),
        };
        let view = checked.view(&applied);
        tell(&caller, dataset, &view);
        return Ok(fresh().json(view));
    };
    let checked = Arc::new(checked);
    let rows = KeyedRows {
        tenant: caller.tenant.clone(),
        user: caller.user.clone(),
        request_id: caller.actor(&request).request_id,
        dataset: dataset.name.clone(),
        key,
        request_hash,
        work,
        reply: {
            let checked = checked.clone();
            Arc::new(move |applied| serde_json::to_vec(&checked.view(applied)))
        },
    };
    match store.apply_rows_once(rows).await.map_err(unknown_of_key)? {
        RowsOnce::Now(applied, first) => {
            if let Some(applied) = applied {
                tell(&caller, dataset, &checked.view(&applied));
            }
            Ok(fresh()
                .content_type(header::ContentType::json())
                .body(first))
        }
        RowsOnce::Replayed(first) => Ok(fresh()
            .insert_header((REPLAYED, "true"))
            .content_type(header::ContentType::json())
            .body(first)),
        RowsOnce::KeyReused => Err(key_reused()),
    }
}

/// Checking may cost more than milliseconds: off the async threads.
async fn checked(
    state: &State,
    dataset: &Dataset,
    body: web::Bytes,
    locale: String,
) -> Result<Checked, Problem> {
    let name = dataset.name.clone();
    let (catalog, timezone) = (state.house.catalog.clone(), state.defaults.timezone);
    let checked = web::block(move || {
        let dataset = defined(&catalog, &name)?;
        let (rows, mode) = body::read(dataset, &body)?;
        let terms = JsonTerms {
            mode,
            locale: &locale,
            timezone,
            sees_sensitive: SHOW_SENSITIVE,
        };
        Checked::of(dataset, &rows, terms)
    });
    checked.await.map_err(Problem::internal)?
}

fn defined<'c>(catalog: &'c Arc<Catalog>, name: &str) -> Result<&'c Dataset, Problem> {
    catalog.get(name).ok_or_else(datasets::not_found)
}

/// One line and the counts.
fn tell(caller: &Caller, dataset: &Dataset, view: &RowsView) {
    tracing::info!(
        dataset = dataset.name,
        actor = %caller.user,
        rows = view.total,
        failed = view.failed,
        "rows written"
    );
    for (outcome, rows) in [
        ("inserted", view.inserted),
        ("updated", view.updated),
        ("failed", view.failed),
    ] {
        metrics::counter!("quayside_import_rows_total",
            "dataset" => dataset.name.clone(), "outcome" => outcome)
        .increment(rows as u64);
    }
    for error in view.results.iter().flat_map(|row| &row.errors) {
        metrics::counter!("quayside_import_row_errors_total",
            "dataset" => dataset.name.clone(), "code" => error.code())
        .increment(1);
    }
}

/// This call makes no task that could be looked at.
fn unknown(error: StoreError) -> Problem {
    let detail = "it is unknown whether the rows were stored; look at them before you send them \
                  again, or give each request an Idempotency-Key";
    match error {
        StoreError::UnknownCommit(_) => Problem::away(error, detail),
        other => other.into(),
    }
}

fn unknown_of_key(error: StoreError) -> Problem {
    let detail = "it is unknown whether the rows were stored; send the same request with the same \
                  Idempotency-Key again";
    match error {
        StoreError::UnknownCommit(_) => Problem::away(error, detail),
        other => other.into(),
    }
}
