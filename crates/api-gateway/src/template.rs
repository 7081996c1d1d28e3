//! `GET /datasets/{name}/template`: an empty file that says what may be filled in. Proven by
//! `tests/it/template.rs`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::{Dataset, UploadFormat, safe_stem};
use serde::Deserialize;
use service::Label;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::datasets;
use crate::problem::{Code, Problem};
use crate::state::State;

/// What may stand behind `?`. An empty value counts as left out.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TemplateQuery {
    /// `xlsx` or `csv`; `xlsx` when left out.
    format: Option<String>,
    /// BCP 47, of the headers and notes.
    locale: Option<String>,
}

/// Gives the import template of a dataset.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{name}/template",
    tag = "datasets",
    params(("name" = String, Path, description = "The dataset's name"), TemplateQuery),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream",
            body = Vec<u8>, headers(
                ("Content-Disposition" = String, description = "Its name (RFC 6266)"),
            )),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "dataset_not_found", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn show(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let dataset = datasets::find(&state, &request)?;
    datasets::check_import(&caller, dataset)?;
    let query = web::Query::<TemplateQuery>::from_query(request.query_string())
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?
        .into_inner();
    let format = query.format.as_deref().filter(|it| !it.is_empty());
    let format = format.map_or(Ok(UploadFormat::Xlsx), str::parse);
    let format = format.map_err(|_unknown| Problem::invalid("format", "format is xlsx or csv"))?;
    let locale = query.locale.filter(|it| !it.is_empty());
    let locale = locale.unwrap_or_else(|| state.defaults.locale.clone());
    if !dataset.label.speaks(&locale) {
        let message = "the dataset has no labels in this language";
        return Err(Problem::invalid("locale", message));
    }
    let (name, dataset) = (name(dataset, &locale, format), dataset.clone());
    // A few KiB, and a few milliseconds.
    let made = web::block(move || make(&dataset, &locale, format));
    let file = made
        .await
        .map_err(Problem::internal)?
        .map_err(Problem::internal)?;
    let label = Label::new(&name);
    Ok(HttpResponse::Ok()
        .content_type(label.content_type())
        .insert_header((header::CONTENT_DISPOSITION, label.content_disposition()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(file))
}

fn make(dataset: &Dataset, locale: &str, format: UploadFormat) -> std::io::Result<Vec<u8>> {
    let mut file = Vec::new();
    match format {
        UploadFormat::Xlsx => tabular::write_template(dataset, locale, &mut file)?,
        UploadFormat::Csv => tabular::write_csv_template(dataset, locale, &mut file)?,
    }
    Ok(file)
}

/// `会员_导入模板.xlsx`, `Member_template.xlsx`.
fn name(dataset: &Dataset, locale: &str, format: UploadFormat) -> String {
    let label = dataset.label.get(locale);
    let stem = safe_stem(label).unwrap_or_else(|| dataset.name.clone());
    let word = if locale.starts_with("zh") {
        "导入模板"
    } else {
        "template"
    };
    format!("{stem}_{word}.{format}")
}
