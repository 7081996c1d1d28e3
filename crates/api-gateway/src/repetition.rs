//! Which earlier request makes a submit a repetition: the client's key, or the same export still
//! open (api.md, ground rules); and what is answered then.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use domain::{ExportRequest, ExportSpec, Task};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::{Once, Submission};

use crate::problem::{Code, Problem};
use crate::quotas::too_many_open;
use crate::tasks::render;
use crate::view::TaskView;

/// Tells that an answer is an earlier request's.
pub(crate) const REPLAYED: &str = "Idempotency-Replayed";

const KEY: &str = "Idempotency-Key";

/// Longest key, in characters.
const MAX_KEY: usize = 128;

/// The client's key, if it gave one.
pub(crate) fn key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut keys = request.headers().get_all(KEY);
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(Problem::invalid(KEY, format!("{KEY} is given once")));
    }
    let visible = key.as_bytes().iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(key) if visible && (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        Ok(_) | Err(_) => Err(Problem::invalid(
            KEY,
            format!("{KEY} has 1 to {MAX_KEY} visible ASCII characters"),
        )),
    }
}

/// What the store is to compare. With a key, the fields as they were sent, whatever their order;
/// without one, what would be exported, so that another way to say the same counts as the same.
pub(crate) fn once(
    key: Option<String>,
    body: &[u8],
    wanted: &ExportRequest,
    spec: &ExportSpec,
) -> Once {
    match key {
        Some(key) => Once::Key {
            key,
            request_hash: body_hash(body),
        },
        None if wanted.force.unwrap_or_default() => Once::Always,
        None => Once::WhileOpen(hash(&spec.identity())),
    }
}

/// What two uploads have in common that are the same request: fields and content, whatever the form
/// looked like on the wire and whatever the file was called. `options` has its keys in order.
pub(crate) fn upload_hash(dataset: &str, options: &Value, sha256: &str) -> String {
    let fields = serde_json::json!({"dataset": dataset, "options": options, "sha256": sha256});
    hash(&fields.to_string())
}

/// What two requests for rows have in common that are the same: dataset and fields, whatever their
/// order.
pub(crate) fn rows_hash(dataset: &str, body: &[u8]) -> String {
    hash(&format!("{dataset}\n{}", fields_in_order(body)))
}

/// What two requests have in common that are the same: their fields, whatever their order.
pub(crate) fn body_hash(body: &[u8]) -> String {
    hash(&fields_in_order(body))
}

/// `422 idempotency_key_reused`.
pub(crate) fn key_reused() -> Problem {
    Problem::new(
        Code::IdempotencyKeyReused,
        "this Idempotency-Key was used for another request; use a new one for each request",
    )
}

/// The answer of a submit; `accepted` is what the log says of a new task.
pub(crate) fn answer(
    submission: Submission,
    accepted: &'static str,
) -> Result<HttpResponse, Problem> {
    match submission {
        Submission::New(new) => {
            let task = new.task;
            tracing::info!(task.id = %task.id, dataset = task.dataset, "{accepted}");
            Ok(located(HttpResponse::Accepted(), &task).json(TaskView::from(&task)))
        }
        Submission::Replayed(task) => Ok(located(HttpResponse::Accepted(), &task)
            .insert_header((REPLAYED, "true"))
            .json(TaskView::from(&*task))),
        Submission::Open(task) => {
            Ok(located(HttpResponse::Ok(), &task).json(TaskView::deduplicated(&task)))
        }
        Submission::TooManyOpen(quota) => Err(too_many_open(quota)),
        Submission::KeyReused => Err(key_reused()),
    }
}

/// With the task's address.
fn located(answer: HttpResponseBuilder, task: &Task) -> HttpResponseBuilder {
    let mut answer = render(answer, task);
    answer.insert_header((header::LOCATION, format!("/api/v1/tasks/{}", task.id)));
    answer
}

fn fields_in_order(body: &[u8]) -> String {
    let mut fields: Value = serde_json::from_slice(body).unwrap_or_default();
    fields.sort_all_objects();
    fields.to_string()
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
