//! A refusal of the gateway (problem+json), put into words.

use std::time::Duration;

use serde::Deserialize;

use crate::exit::{Exit, Failure};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
    request_id: Option<String>,
    errors: Vec<FieldError>,
    state: Option<String>,
    allowed_actions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldError {
    pointer: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

/// What to do about a code of api.md, where there is more to say than the server said.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "unauthenticated" => {
            "Get a token: export QUAYSIDE_TOKEN=$(./dev token --user 7 --role MANAGER)\n\
             or: quay token --user 7 --role MANAGER (with the gateway's QUAYSIDE_JWT_SECRET)"
        }
        "forbidden" => "Your token's roles do not allow this; ask for one that names the role.",
        "dataset_not_found" => "Check the dataset's name: GET /api/v1/datasets lists them.",
        "file_expired" => "Export again: the file's time is over.",
        "too_many_open_tasks" => {
            "Wait for one of yours to end, or cancel one: quay tasks list\n\
             Your limits: quay quotas"
        }
        "idempotency_key_reused" => "Use a new --idempotency-key for a different export.",
        _ => return None,
    })
}

/// Turns an answer that is no success into the failure to print.
pub(crate) fn failure(status: u16, retry_after: Option<u64>, body: &[u8]) -> Failure {
    let exit = match status {
        429 | 502..=504 => Exit::Unavailable,
        400..=499 => Exit::Refused,
        _ => Exit::Failed,
    };
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let what = format!("the server answered {status}, without saying why");
        return Failure::new(exit, what)
            .advise("Is --url (QUAYSIDE_URL) really the address of a Quayside gateway?");
    };
    let code = problem.code.as_deref().unwrap_or("no code");
    let exit = match code {
        // the one conflict that the same request again resolves
        "idempotency_in_progress" => Exit::Unavailable,
        _ => exit,
    };
    // Where fields are at fault, the detail only joins what they say.
    let detail = problem.detail.filter(|_| problem.errors.is_empty());
    let sentence = detail
        .or(problem.title)
        .unwrap_or_else(|| "refused".to_owned());
    let mut lines: Vec<String> = Vec::new();
    for field in &problem.errors {
        let pointer = field.pointer.as_deref().unwrap_or("");
        let message = field.message.as_deref().unwrap_or("is wrong");
        let code = field.code.as_deref().unwrap_or(code);
        lines.push(format!("{pointer}: {message} ({code})"));
    }
    if let Some(state) = &problem.state {
        let allowed = problem.allowed_actions.join(", ");
        let allowed = if allowed.is_empty() {
            "nothing"
        } else {
            &allowed
        };
        lines.push(format!("It stands at {state}; allowed now: {allowed}."));
    }
    lines.extend(advice(code).map(str::to_owned));
    lines.extend(retry_after.map(|seconds| format!("Try again in {seconds} s.")));
    lines.extend(problem.request_id.map(|id| format!("Request id: {id}")));
    Failure::new(exit, format!("{sentence} [{status} {code}]"))
        .advise(lines.join("\n"))
        .coded(code)
        .after(retry_after.map(Duration::from_secs))
}
