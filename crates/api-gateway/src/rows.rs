//! `POST /datasets/{name}/rows`: a few rows, checked as those of a sheet are and answered at once.
//! What can be stored is stored, in one transaction; each row is told what became of it. Proven by
//! `tests/it/rows.rs`.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::{
    Catalog, Dataset, Field, Fields, ImportMode, JsonRows, JsonTerms, RowError, RowMessages,
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{Applied, ApplyRows, ApplyTarget, BulkRows};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::body::read_json;
use crate::datasets;
use crate::imports::SHOW_SENSITIVE;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::view::RowErrorView;

/// Most rows of a request.
const MAX_ROWS: usize = 1_000;

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
    params(("name" = String, Path, description = "The dataset's name")),
    responses(
        (status = 200, description = "What can be stored is stored", body = RowsView),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "dataset_not_found", body = crate::problem::ProblemBody),
        (status = 413, description = "body_too_large", body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 422, description = "too_many_rows, unknown_column",
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
    let body = read_json(&request, payload, MAX_BODY_BYTES).await?;
    let name = dataset.name.clone();
    let (catalog, defaults) = (state.house.catalog.clone(), state.defaults.clone());
    let sees_sensitive = SHOW_SENSITIVE;
    let tenant = caller.tenant.clone();
    // Checking costs milliseconds, more for long texts and patterns: off the async threads.
    let checked = web::block(move || {
        let dataset = defined(&catalog, &name)?;
        let (rows, mode) = read(dataset, &body)?;
        let terms = JsonTerms {
            mode,
            locale: &defaults.locale,
            timezone: defaults.timezone,
            sees_sensitive,
        };
        Checked::of(dataset, &tenant, &rows, terms)
    });
    let checked = checked.await.map_err(Problem::internal)??;
    let applied = match checked.work.clone() {
        Some((target, rows)) => state.house.store.apply_rows(target, rows).await?,
        None => Applied::default(),
    };
    let messages = RowMessages::new(dataset, &[], None, &state.defaults.locale, sees_sensitive);
    let view = checked.results(&messages, applied);
    tracing::info!(
        dataset = dataset.name,
        actor = %caller.user,
        rows = view.total,
        failed = view.failed,
        "rows written"
    );
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(view))
}

fn defined<'c>(catalog: &'c Arc<Catalog>, name: &str) -> Result<&'c Dataset, Problem> {
    catalog.get(name).ok_or_else(datasets::not_found)
}

/// Rows that were checked, and what of them goes to the table.
struct Checked {
    rows: JsonRows,
    mode: ImportMode,
    work: Option<(ApplyTarget, ApplyRows)>,
}

impl Checked {
    fn of(
        dataset: &Dataset,
        tenant: &domain::Tenant,
        rows: &[Map<String, Value>],
        terms: JsonTerms<'_>,
    ) -> Result<Self, Problem> {
        let mode = terms.mode;
        let rows = JsonRows::read(dataset, rows, terms)?;
        let mut numbers = Vec::new();
        let mut text = BulkRows::default();
        for (number, row) in (0..).zip(rows.rows()) {
            if let Ok(fields) = row {
                numbers.push(number);
                write(fields, &mut text);
            }
        }
        let work = if numbers.is_empty() {
            None
        } else {
            let target = ApplyTarget::new(dataset, rows.fields(), tenant, mode);
            let rows = ApplyRows::of_chunk(numbers, text.take())?;
            Some((target.map_err(Problem::internal)?, rows))
        };
        Ok(Self { rows, mode, work })
    }

    fn results(self, messages: &RowMessages, applied: Applied) -> RowsView {
        let stored = |number: u32| match self.mode {
            ImportMode::Insert => "INSERTED",
            ImportMode::Update => "UPDATED",
            ImportMode::Upsert if applied.updated_rows.binary_search(&number).is_ok() => "UPDATED",
            ImportMode::Upsert => "INSERTED",
        };
        let mut refused = applied.refused.iter().peekable();
        let mut results = Vec::with_capacity(self.rows.rows().len());
        for (number, row) in (0_u32..).zip(self.rows.rows()) {
            let mut errors: Vec<RowError> = row.as_ref().err().cloned().unwrap_or_default();
            while let Some(it) = refused.next_if(|it| it.number == number) {
                let fields = row.as_ref().ok();
                let value = fields.and_then(|row| text_of(&self.rows, row, it.field.as_deref()?));
                let said = it
                    .said
                    .iter()
                    .map(|said| ("reason".to_owned(), said.clone().into()));
                let params: Map<String, Value> = said.collect();
                let field = it.field.as_deref();
                errors.push(messages.error(number, it.code, field, value, params));
            }
            let status = if errors.is_empty() {
                stored(number)
            } else {
                "FAILED"
            };
            results.push(RowResultView {
                index: results.len(),
                status,
                errors: errors.iter().map(RowErrorView::from).collect(),
            });
        }
        let count = |status: &str| results.iter().filter(|row| row.status == status).count();
        RowsView {
            total: results.len(),
            inserted: count("INSERTED"),
            updated: count("UPDATED"),
            failed: count("FAILED"),
            results,
        }
    }
}

fn write(fields: &Fields, text: &mut BulkRows) {
    for field in fields.iter() {
        match field {
            Field::Text(value) => text.text(value),
            Field::Null => text.null(),
            // A row that is good misses nothing.
            Field::Keep | Field::Missing => text.keep(),
        }
    }
    text.end_row();
}

fn text_of<'r>(rows: &JsonRows, row: &'r Fields, field: &str) -> Option<&'r str> {
    let index = rows.fields().iter().position(|name| name == field)?;
    match row.get(index) {
        Field::Text(text) => Some(text),
        Field::Missing | Field::Null | Field::Keep => None,
    }
}

/// The rows and the mode of a body.
fn read(dataset: &Dataset, body: &[u8]) -> Result<(Vec<Map<String, Value>>, ImportMode), Problem> {
    let whole = |message: String| Problem::invalid("", message);
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| whole(format!("the body is not valid JSON: {error}")))?;
    let Value::Object(mut body) = body else {
        return Err(whole("the body must be a JSON object".to_owned()));
    };
    let mode = mode(dataset, body.remove("mode"))?;
    let rows = rows(body.remove("rows"))?;
    match body.keys().next() {
        None => Ok((rows, mode)),
        Some(name) => Err(Problem::unknown_field(name)),
    }
}

fn mode(dataset: &Dataset, wanted: Option<Value>) -> Result<ImportMode, Problem> {
    let modes = &dataset.import_modes;
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_null()) else {
        let insert = modes.iter().find(|mode| **mode == ImportMode::Insert);
        let first = insert.or(modes.first()).copied();
        return first.ok_or_else(|| Problem::invalid("mode", "the dataset takes no rows"));
    };
    let known = wanted.as_str().and_then(|word| word.parse().ok());
    known.filter(|mode| modes.contains(mode)).ok_or_else(|| {
        let modes: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
        Problem::invalid("mode", format!("mode is one of {}", modes.join(", ")))
    })
}

fn rows(wanted: Option<Value>) -> Result<Vec<Map<String, Value>>, Problem> {
    let Some(Value::Array(rows)) = wanted else {
        return Err(Problem::invalid("rows", "rows is a list of objects"));
    };
    if rows.len() > MAX_ROWS {
        let message = format!("at most {MAX_ROWS} rows are taken; import a file for more");
        return Err(Problem::at(Code::TooManyRows, "rows", message));
    }
    let row = |(index, row)| match row {
        Value::Object(row) => Ok(row),
        _ => Err(Problem::invalid(
            &format!("rows/{index}"),
            "a row is an object",
        )),
    };
    rows.into_iter().enumerate().map(row).collect()
}
