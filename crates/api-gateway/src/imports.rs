//! `POST /imports`: a file and what is to be done with it become a task and its row, in one
//! transaction. The file goes straight to storage while it comes (`imports/form.rs`,
//! `imports/uploads.rs`); the gateway holds a few hundred KiB of it and one part of an upload, never
//! the whole. Proven by `tests/it/imports.rs` and `tests/it/imports/`.

mod file_bytes;
mod file_name;
mod form;
mod uploads;

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{ImportRequest, ImportSpec, Lane, Upload};
use store::{NewImport, Once};

pub(crate) use uploads::Uploads;

use crate::auth::Caller;
use crate::datasets;
use crate::exports::{json, traceparent};
use crate::problem::{Code, Problem};
use crate::repetition;
use crate::state::State;
use crate::view::TaskView;
use form::{Form, FormReader};

/// Submits an import.
///
/// The parts may come in any order; a file that comes after `dataset` and `options` is refused
/// earlier where it is to be refused.
#[utoipa::path(
    post,
    path = "/api/v1/imports",
    tag = "imports",
    request_body(content = crate::openapi::ImportBody, content_type = "multipart/form-data"),
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 128 visible ASCII characters; the same key with the same fields and the \
                       same content of the file within 24 h is the same task")),
    responses(
        (status = 202, description = "Accepted", body = TaskView,
            headers(
            ("Location" = String, description = "Path of the task"),
            ("Idempotency-Replayed" = bool, description = "true when the key was used before"),
        )),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "dataset_not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "idempotency_in_progress", body = crate::problem::ProblemBody,
            headers(("Retry-After" = u32, description = "When to send it again"))),
        (status = 413, description = "file_too_large, body_too_large",
            body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media, legacy_xls, encrypted_workbook, not_a_workbook",
            body = crate::problem::ProblemBody),
        (status = 422, description = "empty_file, archive_limits, unknown_column, unknown_queue, \
            idempotency_key_reused", body = crate::problem::ProblemBody),
        (status = 429, description = "quota_exceeded (uploads under way), too_many_open_tasks",
            body = crate::problem::ProblemBody,
            headers(("Retry-After" = u32, description = "When to try again"))),
        (status = 503, description = "database_unavailable, storage_unavailable",
            body = crate::problem::ProblemBody,
            headers(("Retry-After" = u32, description = "When to try again"))),
    )
)]
pub(crate) async fn submit(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let key = repetition::key(&request)?;
    let form = FormReader::new(&state, &caller, &request, payload)?;
    let Form {
        dataset,
        options,
        file,
    } = form.read().await?;
    let held = file.ok_or_else(|| Problem::invalid("file", "file is the file to import"))?;
    let wanted = Wanted { dataset, options };
    let (import, once) = match wanted.check(&state, &caller, key, held.upload()) {
        Ok(checked) => checked,
        Err(problem) => {
            held.discard().await;
            return Err(problem);
        }
    };
    let import = NewImport {
        request_id: caller.actor(&request).request_id,
        ..import
    };
    let submission = held.submit(import, once, state.limits).await?;
    repetition::answer(submission, "import accepted")
}

/// Whether what stood in sensitive columns is told with a row's fault: never (api.md, RowError).
pub(crate) const SHOW_SENSITIVE: bool = false;

/// The fields beside the file.
struct Wanted {
    dataset: Option<String>,
    options: Option<web::Bytes>,
}

impl Wanted {
    fn check(
        &self,
        state: &State,
        caller: &Caller,
        key: Option<String>,
        upload: &Upload,
    ) -> Result<(NewImport, Once), Problem> {
        let spec = self.spec(state, caller, upload)?;
        let options = self.options()?;
        let once = match key {
            Some(key) => Once::Key {
                key,
                request_hash: repetition::upload_hash(&spec.dataset, &options, &upload.sha256),
            },
            None => Once::Always,
        };
        let import = NewImport {
            tenant: caller.tenant.clone(),
            user: caller.user.clone(),
            request_id: None,
            dataset: spec.dataset.clone(),
            name: upload.name.clone(),
            queue: spec.queue.clone(),
            lane: Lane::import(&spec.queue).map_err(Problem::internal)?,
            locale: spec.locale.clone(),
            options: options.to_string(),
            context: json(&spec)?,
            max_retries: state.import_retries,
            trace_context: traceparent(),
            scan_interval: state.scan_interval,
            upload: upload.clone(),
        };
        Ok((import, once))
    }

    fn spec(&self, state: &State, caller: &Caller, upload: &Upload) -> Result<ImportSpec, Problem> {
        let dataset = self.dataset.as_deref().unwrap_or_default();
        let wanted = ImportRequest::read(dataset, self.options.as_deref())?;
        let catalog = &state.house.catalog;
        // once more, on the very name that the request is checked by
        if let Some(dataset) = catalog.get(wanted.dataset()) {
            datasets::check_import(caller, dataset)?;
        }
        Ok(wanted.check(catalog, &state.defaults, upload.clone(), SHOW_SENSITIVE)?)
    }

    /// As they were sent, with their keys in order.
    fn options(&self) -> Result<serde_json::Value, Problem> {
        let Some(options) = &self.options else {
            return Ok(serde_json::Value::Object(serde_json::Map::new()));
        };
        let mut options: serde_json::Value =
            serde_json::from_slice(options).map_err(Problem::internal)?;
        options.sort_all_objects();
        Ok(options)
    }
}

/// `413 file_too_large`.
fn too_large(limit: u64, language: &str) -> Problem {
    let detail = if language.starts_with("zh") {
        format!("文件过大，最多 {limit} 字节")
    } else {
        format!("a file may have at most {limit} bytes")
    };
    Problem::new(Code::FileTooLarge, detail)
}
