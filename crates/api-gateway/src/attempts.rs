//! `GET /tasks/{id}/attempts`: what has been tried. What went wrong is told twice: operators read
//! the failure's own text, everybody else the sentence that its code means. Proven by
//! `tests/it/attempts.rs`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::TaskId;
use serde::{Deserialize, Serialize};
use store::AttemptRecord;
use utoipa::{IntoParams, ToSchema};

use crate::auth::Caller;
use crate::cursor;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::tasks::{limit, path_id};
use crate::view::List;

/// What may stand behind `?`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptsQuery {
    /// 1 to 200; 50 when left out.
    limit: Option<String>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// One attempt. What was handed back at a shutdown, or cancelled, leaves none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    /// Rises with each attempt, not always by one.
    epoch: u64,
    /// Who ran it, its host for operators alone; null when it has succeeded.
    #[schema(required)]
    worker: Option<String>,
    /// Null when the worker vanished.
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
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}/attempts",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id"), AttemptsQuery),
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
    let query = web::Query::<AttemptsQuery>::from_query(request.query_string())
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?
        .into_inner();
    let given = query.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let before = given.map(cursor::decode).transpose()?;
    let store = &state.house.store;
    let page = store
        .attempts(&caller.reach(), id, before, limit(&query.limit)?)
        .await?
        .ok_or_else(Problem::not_found)?;
    let last = page.items.last().filter(|_| page.more);
    // The attempt that its row tells of is above all places.
    let next_cursor = last.map(|last| cursor::encode(last.place.unwrap_or(u64::MAX)));
    let operator = caller.is_operator();
    let items = page
        .items
        .into_iter()
        .map(|attempt| AttemptView::new(attempt, operator))
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(List::<AttemptView> { items, next_cursor }))
}

impl AttemptView {
    fn new(attempt: AttemptRecord, operator: bool) -> Self {
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
