//! `/openapi.json`: the contract for machines, made from the handlers themselves.
//!
//! `tests/it/openapi.rs` compares it with what the gateway answers.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, RefOr, SecurityRequirement};
use utoipa::{Modify, OpenApi, ToSchema};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quayside",
        description = "Bulk exports as asynchronous tasks. Ids are numbers written as strings; \
                       times are RFC 3339 in UTC; errors are application/problem+json.",
    ),
    paths(
        crate::exports::submit,
        crate::tasks::list,
        crate::tasks::show,
        crate::acts::cancel,
        crate::acts::retry,
        crate::acts::delete,
        crate::attempts::list,
        crate::events::of_task,
        crate::events::of_own,
        crate::events::ticket_to_task,
        crate::events::ticket_to_own,
        crate::files::download,
        crate::files::file,
        crate::quotas::show,
        crate::datasets::list,
        crate::datasets::show,
    ),
    modifiers(&Bearer, &Problems),
)]
struct Contract;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, contract: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        contract
            .components
            .get_or_insert_with(Components::new)
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
        let nothing: [&str; 0] = [];
        contract.security = Some(vec![SecurityRequirement::new("bearer", nothing)]);
    }
}

/// Every error is a problem, and says so by its media type.
struct Problems;

impl Modify for Problems {
    fn modify(&self, contract: &mut utoipa::openapi::OpenApi) {
        let operations = contract
            .paths
            .paths
            .values_mut()
            .flat_map(|path| [path.get.as_mut(), path.post.as_mut(), path.delete.as_mut()])
            .flatten();
        let responses = operations.flat_map(|operation| &mut operation.responses.responses);
        for (_, response) in responses.filter(|(status, _)| status.as_str() >= "400") {
            if let RefOr::T(response) = response
                && let Some(body) = response.content.swap_remove("application/json")
            {
                response
                    .content
                    .insert("application/problem+json".to_owned(), body);
            }
        }
    }
}

/// What to export. Unknown fields are refused; null counts as left out.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportRequest)]
pub(crate) struct ExportBody {
    /// Name of the dataset.
    dataset: String,
    /// In the order of the sheet; all exportable ones when left out.
    columns: Option<Vec<String>>,
    /// `{"column": value}` or `{"column": {"operator": value}}`; several mean AND.
    filters: Option<BTreeMap<String, serde_json::Value>>,
    /// `"-hire_date"` is descending.
    sort: Option<Vec<String>>,
    /// `xlsx` or `csv`; `xlsx` when left out.
    format: Option<String>,
    /// BCP 47.
    locale: Option<String>,
    /// IANA.
    timezone: Option<String>,
    queue: Option<String>,
    /// `file_name`, `header`, `null_text`, `guard_formulas`, `rows_per_sheet`, `rows_per_file` (more
    /// than one file gives a zip).
    options: Option<BTreeMap<String, serde_json::Value>>,
    /// Export again although an identical one is open.
    force: Option<bool>,
}

pub(crate) async fn show() -> HttpResponse {
    HttpResponse::Ok().json(Contract::openapi())
}
