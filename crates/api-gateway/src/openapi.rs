//! `/openapi.json`: the contract for machines, made from the handlers themselves.
//!
//! `tests/it/openapi.rs` compares it with what the gateway answers.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, RefOr, SecurityRequirement};
use utoipa::{Modify, OpenApi, ToSchema};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quayside",
        description = "Bulk exports and imports as asynchronous tasks. Ids are numbers written as strings; \
                       times are RFC 3339 in UTC; errors are application/problem+json.",
    ),
    paths(
        crate::exports::submit,
        crate::imports::submit,
        crate::tasks::list,
        crate::tasks::show,
        crate::acts::cancel,
        crate::acts::retry,
        crate::acts::delete,
        crate::attempts::list,
        crate::row_errors::list,
        crate::events::of_task,
        crate::events::of_own,
        crate::events::ticket_to_task,
        crate::events::ticket_to_own,
        crate::files::download,
        crate::files::file,
        crate::quotas::show,
        crate::lanes::list,
        crate::lanes::pause,
        crate::lanes::resume,
        crate::lanes::scan,
        crate::compensations::submit,
        crate::compensations::list,
        crate::compensations::show,
        crate::compensations::retry,
        crate::compensations::cancel,
        crate::compensations::group,
        crate::dead_letters::list,
        crate::dead_letters::summary,
        crate::dead_letters::show,
        crate::dead_letters::redrive,
        crate::dead_letters::discard,
        crate::dead_letters::redrive_many,
        crate::notifications::list,
        crate::notifications::read,
        crate::notification_settings::show,
        crate::notification_settings::set,
        crate::webhooks::make,
        crate::webhooks::list,
        crate::webhooks::delete,
        crate::webhooks::deliveries,
        crate::operation_log::list,
        crate::datasets::list,
        crate::datasets::show,
        crate::template::show,
        crate::rows::submit,
    ),
    modifiers(&Bearer, &Provider, &Problems),
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

fn operations(contract: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    let paths = contract.paths.paths.values_mut();
    paths
        .flat_map(|path| {
            let (get, post) = (path.get.as_mut(), path.post.as_mut());
            [get, post, path.put.as_mut(), path.delete.as_mut()]
        })
        .flatten()
}

/// Wherever a token is asked for, whoever could check it may be away.
struct Provider;

impl Modify for Provider {
    fn modify(&self, contract: &mut utoipa::openapi::OpenApi) {
        const CODE: &str = "identity_unavailable";
        for operation in operations(contract) {
            let responses = &mut operation.responses.responses;
            let Some(RefOr::T(refused)) = responses.get("401").cloned() else {
                continue;
            };
            match responses.get_mut("503") {
                Some(RefOr::T(away)) => away.description.extend([", ", CODE]),
                _ => {
                    let mut away = refused;
                    away.description = CODE.to_owned();
                    responses.insert("503".to_owned(), RefOr::T(away));
                }
            }
        }
    }
}

/// Every error is a problem, and says so by its media type.
struct Problems;

impl Modify for Problems {
    fn modify(&self, contract: &mut utoipa::openapi::OpenApi) {
        let responses =
            operations(contract).flat_map(|operation| &mut operation.responses.responses);
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

/// The form of an import, its parts in any order. Other parts are refused.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportRequest)]
pub(crate) struct ImportBody {
    /// Name of the dataset.
    dataset: String,
    /// A JSON object: `mode` (insert, upsert, update), `validate_only`, `sheet`, `header_row`, `mapping`
    /// (of headers of at most 512 characters), `on_error` (continue, abort), `batch_size`, `stagger_ms`,
    /// `empty_means` (null, keep), `formulas` (value, error), `merged` (error, first_only, fill),
    /// `hidden_rows` (include, skip), `locale`, `timezone`, `queue`; besides, of files that need it,
    /// `numbers` (how texts group digits, in place of what columns declare: `1,234.5`, `1.234,5`,
    /// `1 234,5`, `1'234.5`), `encoding` (of a csv without a byte order mark: utf-8, utf-16le, utf-16be,
    /// gb18030, big5, shift_jis, euc-kr, windows-1252), `stop_after_blank_rows` (so many on end are the
    /// end of the data). What is left out of `mode`, `empty_means`, `formulas`, `timezone`, `numbers`
    /// and `mapping` is, of a file of failures that comes back, what held for the import that it mends.
    options: Option<String>,
    /// The file, .xlsx or .csv.
    #[schema(format = Binary, value_type = String)]
    file: Vec<u8>,
}

/// Rows for a dataset's table. Unknown fields are refused.
#[derive(Serialize, ToSchema)]
#[schema(as = RowsRequest)]
pub(crate) struct RowsBody {
    /// At most 1,000, each by column name; a column that a row lacks is left as the table has it. Of a
    /// datetime or time what is finer than the column's `scale` is cut.
    rows: Vec<BTreeMap<String, serde_json::Value>>,
    /// `insert`, `upsert` or `update`; `insert` when left out.
    mode: Option<String>,
}

/// Why a lane is paused. Unknown fields are refused.
#[derive(Serialize, ToSchema)]
#[schema(as = PauseRequest)]
pub(crate) struct PauseBody {
    /// 1 to 500 characters.
    reason: String,
}

pub(crate) async fn show() -> HttpResponse {
    HttpResponse::Ok().json(Contract::openapi())
}
