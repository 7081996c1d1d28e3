//! `GET /tasks/{id}/download` and `GET /tasks/{id}/files/{file_id}`: a file as a stream, whole or
//! in one range, never in memory; logged. Proven by `tests/it/files.rs`.

use actix_web::body::SizedStream;
use actix_web::http::Method;
use actix_web::http::header::{self, ETag, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use domain::{FileRole, FileState, Task, TaskFile, TaskFileId, TaskKind};
use futures::TryStreamExt;
use service::Label;

use crate::auth::Caller;
use crate::log;
use crate::problem::{Code, Problem};
use crate::range::{Wanted, wanted};
use crate::retry_after::retry_after;
use crate::state::State;
use crate::tasks::{find, matches, path_id};
use crate::view::state_of;

/// Gives a task's main file: an export's result, an import's failure workbook.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}/download",
    tag = "files",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream",
            body = Vec<u8>, headers(
                ("ETag" = String, description = "The file's SHA-256"),
                ("Accept-Ranges" = String, description = "bytes"),
                ("Content-Disposition" = String, description = "Its name (RFC 6266)"),
            )),
        (status = 206, description = "The range asked for",
            content_type = "application/octet-stream", body = Vec<u8>),
        (status = 303, description = "Storage gives it: a GET without Range, where storage offers \
            a short-lived address, which is a secret", headers(
                ("Location" = String, description = "The address"),
            )),
        (status = 304, description = "The client has it already"),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "not_ready", body = crate::problem::ProblemBody),
        (status = 410, description = "file_expired", body = crate::problem::ProblemBody),
        (status = 416, description = "range_not_satisfiable", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable, storage_unavailable",
            body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn download(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let task = find(&state, &caller, &request).await?;
    let main = task
        .files
        .iter()
        .rfind(|file| file.role == main_role(task.kind) && file.state != FileState::Deleted);
    let file = main.ok_or_else(|| not_ready(&task))?;
    send(&state, &caller, &request, (&task, file)).await
}

/// Gives one file of a task.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}/files/{file_id}",
    tag = "files",
    params(
        ("id" = String, Path, description = "The task's id"),
        ("file_id" = String, Path, description = "The file's id"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream",
            body = Vec<u8>),
        (status = 206, description = "The range asked for",
            content_type = "application/octet-stream", body = Vec<u8>),
        (status = 303, description = "Storage gives it: a GET without Range, where storage offers \
            a short-lived address, which is a secret", headers(
                ("Location" = String, description = "The address"),
            )),
        (status = 304, description = "The client has it already"),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "not_ready", body = crate::problem::ProblemBody),
        (status = 410, description = "file_expired", body = crate::problem::ProblemBody),
        (status = 416, description = "range_not_satisfiable", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable, storage_unavailable",
            body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn file(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let task = find(&state, &caller, &request).await?;
    let id = path_id(&request, "file_id").map(TaskFileId)?;
    let file = task
        .files
        .iter()
        .find(|file| file.id == id)
        .ok_or_else(Problem::not_found)?;
    send(&state, &caller, &request, (&task, file)).await
}

/// What a person wants of a task: the export's rows, the rows that an import could not take.
fn main_role(kind: TaskKind) -> FileRole {
    match kind {
        TaskKind::Export => FileRole::Artifact,
        TaskKind::Import => FileRole::Failures,
    }
}

fn not_ready(task: &Task) -> Problem {
    let detail = format!("the task is {} and has no file", task.status);
    let problem = Problem::new(Code::NotReady, detail);
    match retry_after(task) {
        Some(seconds) => problem.with_header(header::RETRY_AFTER, seconds),
        None => problem,
    }
}

async fn send(
    state: &State,
    caller: &Caller,
    request: &HttpRequest,
    (task, file): (&Task, &TaskFile),
) -> Result<HttpResponse, Problem> {
    match state_of(file, task.read_at) {
        FileState::Available => {}
        FileState::Pending => return Err(not_ready(task)),
        FileState::Expired => {
            return Err(Problem::new(
                Code::FileExpired,
                "the time for which it is kept is over",
            ));
        }
        FileState::Deleted => return Err(Problem::not_found()),
    }
    let tag = EntityTag::new_strong(file.sha256.clone());
    if IfNoneMatch::parse(request).is_ok_and(|known| matches(&known, &tag)) {
        return Ok(headers(HttpResponse::NotModified(), file, tag).finish());
    }
    if let Some(address) = presigned(state, request, task, file).await? {
        log::download(state, caller, request, (task, file)).await?;
        return Ok(HttpResponse::SeeOther()
            .insert_header((header::LOCATION, address))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish());
    }
    let range = match wanted(request, &tag, file.size) {
        Wanted::Whole => None,
        Wanted::Part(range) => Some(range),
        Wanted::Nothing => {
            let detail = format!("the file has {} bytes", file.size);
            return Err(Problem::new(Code::RangeNotSatisfiable, detail)
                .with_header(header::CONTENT_RANGE, format!("bytes */{}", file.size)));
        }
    };
    let object = state
        .house
        .storage
        .get(&file.object_key, range.clone())
        .await?;
    log::download(state, caller, request, (task, file)).await?;
    let mut answer = match &range {
        None => headers(HttpResponse::Ok(), file, tag),
        Some(range) => {
            let mut answer = headers(HttpResponse::PartialContent(), file, tag);
            let last = range.end.saturating_sub(1);
            let sent = format!("bytes {}-{last}/{}", range.start, file.size);
            answer.insert_header((header::CONTENT_RANGE, sent));
            answer
        }
    };
    let length = object.range.end - object.range.start;
    Ok(answer.body(SizedStream::new(
        length,
        object.stream.map_err(std::io::Error::other),
    )))
}

/// Where the client may fetch the file from storage itself, at most as long as it is kept. Ranges
/// are served from here: `If-Range` speaks of our tag, which storage does not know.
async fn presigned(
    state: &State,
    request: &HttpRequest,
    task: &Task,
    file: &TaskFile,
) -> Result<Option<String>, Problem> {
    if request.method() != Method::GET || request.headers().contains_key(header::RANGE) {
        return Ok(None);
    }
    let kept = (file.expires_at - task.read_at).to_std();
    let storage = &state.house.storage;
    let address = storage.presigned(&file.object_key, kept.unwrap_or_default());
    Ok(address.await?)
}

fn headers(
    mut answer: HttpResponseBuilder,
    file: &TaskFile,
    tag: EntityTag,
) -> HttpResponseBuilder {
    let label = Label::new(&file.name);
    answer
        .content_type(label.content_type())
        .insert_header(ETag(tag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CONTENT_DISPOSITION, label.content_disposition()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    answer
}
