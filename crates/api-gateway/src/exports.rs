//! `POST /exports`: a checked request becomes a task and its row, in one transaction.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{Access, ExportRequest, ExportSpec, Lane};
use store::{Actor, Announced, NewExport, Submission};

use crate::auth::Caller;
use crate::body::read_json;
use crate::problem::{Code, Problem};
use crate::repetition;
use crate::state::State;

/// Most bytes of a body that describes an export.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Submits an export.
#[utoipa::path(
    post,
    path = "/api/v1/exports",
    tag = "exports",
    request_body = crate::openapi::ExportBody,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 128 visible ASCII characters; the same key and body within 24 h is the \
                       same task")),
    responses(
        (status = 200, description = "The same export of the same user is still open: that task",
            body = crate::view::TaskView),
        (status = 202, description = "Accepted", body = crate::view::TaskView,
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
        (status = 413, description = "body_too_large", body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 422, description = "unknown_column, invalid_filter, unknown_queue, idempotency_key_reused",
            body = crate::problem::ProblemBody),
        (status = 429, description = "too_many_open_tasks", body = crate::problem::ProblemBody,
            headers(("Retry-After" = u32, description = "When to try again"))),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn submit(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let key = repetition::key(&request)?;
    let body = read_json(&request, payload, MAX_BODY_BYTES).await?;
    let wanted = ExportRequest::from_json(&body)?;
    check_role(&state, &caller, &wanted)?;
    let access = access(&state, &caller, &wanted);
    let catalog = &state.house.catalog;
    let spec = wanted.check(catalog, &state.defaults, access, state.clock.now())?;
    let export = new_export(&state, caller.actor(&request), &wanted, &spec)?;
    let (lane, trace_context) = (export.lane.clone(), export.trace_context.clone());
    let once = repetition::once(key, &body, &wanted, &spec);
    let store = &state.house.store;

    let submission = store.submit_export_once(export, once, state.limits).await?;
    if let Submission::New(accepted) = &submission {
        let row = Announced {
            rung: accepted.rung,
            trace_context,
        };
        state.announcer.announce(lane, row);
    }
    repetition::answer(submission, "export accepted")
}

/// A dataset that the caller may not export is told before any fault within it.
fn check_role(state: &State, caller: &Caller, wanted: &ExportRequest) -> Result<(), Problem> {
    match state.house.catalog.get(&wanted.dataset) {
        Some(dataset) if !caller.may_export(dataset) => {
            let detail = format!("none of your roles may export {}", dataset.name);
            Err(Problem::new(Code::Forbidden, detail))
        }
        Some(_) | None => Ok(()),
    }
}

fn access(state: &State, caller: &Caller, wanted: &ExportRequest) -> Access {
    let dataset = state.house.catalog.get(&wanted.dataset);
    dataset.map_or_else(Access::default, |dataset| caller.access(dataset))
}

fn new_export(
    state: &State,
    actor: Actor,
    wanted: &ExportRequest,
    spec: &ExportSpec,
) -> Result<NewExport, Problem> {
    Ok(NewExport {
        tenant: actor.tenant,
        user: actor.user,
        request_id: actor.request_id,
        dataset: spec.dataset.clone(),
        name: spec.file_name.clone(),
        queue: spec.queue.clone(),
        lane: Lane::export(&spec.queue).map_err(Problem::internal)?,
        locale: spec.locale.clone(),
        options: json(&wanted.options.clone().unwrap_or_default())?,
        context: json(spec)?,
        max_retries: state.export_retries,
        trace_context: traceparent(),
        scan_interval: state.scan_interval,
    })
}

/// The present span, as W3C `traceparent`.
pub(crate) fn traceparent() -> Option<String> {
    let headers = bus::TraceHeaders::current();
    headers.traceparent().map(str::to_owned)
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(Problem::internal)
}
