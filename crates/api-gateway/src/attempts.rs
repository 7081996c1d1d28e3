//! `GET /tasks/{id}/attempts`: what has been tried. What went wrong is told twice: operators read
//! the failure's own text, everybody else the sentence that its code means. Proven by
//! `tests/it/attempts.rs`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::TaskId;
use serde::Serialize;
use store::AttemptRecord;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::listing::{PageQuery, Paging, answer};
use crate::problem::Problem;
use crate::state::State;
use crate::tasks::path_id;
use crate::view::List;

/// One attempt. What was handed back at a shutdown, or cancelled, leaves none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    /// Rises with each attempt at one piece of work, not always by one; the file, each batch and the
    /// end of an import are a piece of work each.
    epoch: u64,
    /// Who ran it, its host for operators alone; null when it has succeeded.
    #[schema(required)]
    worker: Option<String>,
    /// Null when the worker vanished; also of what runs or has succeeded, if it is a batch or the end of
    /// an import, or business work.
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// Null while it is under way.
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// RUNNING, SUCCESS, FAILED, or LOST when its worker vanished.
    outcome: &'static str,
    /// A code, as of a failed task.
    #[schema(required)]
    error_class: Option<String>,
    /// The sentence for the user; for operators the details.
    #[schema(required)]
    error_text: Option<String>,
}

/// Shows what has been tried for a task, newest first.
///
/// What runs comes first, then what failed or was lost: of an import at its file, its batches and its
/// end. Where nothing runs, the success of what was born last comes first.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}/attempts",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id"), PageQuery),
    responses(
        (status = 200, description = "A page", body = List<AttemptView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id").map(TaskId)?;
    let Paging { limit, after } = Paging::of(&request)?;
    let store = &state.house.store;
    let page = store
        .attempts(&caller.reach(), id, after, limit)
        .await?
        .ok_or_else(Problem::not_found)?;
    let operator = caller.is_operator();
    // The attempt that its row tells of is above all places.
    let place = |last: &AttemptRecord| last.place.unwrap_or(u64::MAX);
    Ok(answer(page, place, |attempt| {
        AttemptView::new(attempt, operator)
    }))
}

impl AttemptView {
    pub(crate) fn new(attempt: AttemptRecord, operator: bool) -> Self {
        let AttemptRecord {
            worker,
            sentence,
            detail,
            ..
        } = attempt;
        let (worker, error_text) = if operator {
            (worker, detail)
        } else {
            (worker.map(without_host), sentence)
        };
        Self {
            epoch: attempt.epoch.0,
            worker,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            outcome: attempt.outcome.as_str(),
            error_class: attempt.code,
            error_text,
        }
    }
}

/// Workers call themselves `name@host#pid`.
fn without_host(worker: String) -> String {
    match worker.split_once('@') {
        Some((name, _host)) => name.to_owned(),
        None => worker,
    }
}
