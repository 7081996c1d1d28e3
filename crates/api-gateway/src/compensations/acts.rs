//! `POST /compensations/{id}/retry` and `/cancel`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::CompensateBizId;
use store::{Announce, Compensation, CompensationActed};

use super::view::{CompensationView, allowed_actions};
use crate::auth::Caller;
use crate::exports::traceparent;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::tasks::path_id;

/// Has a piece of business work tried again that was given up or cancelled, with a fresh count of
/// failures.
#[utoipa::path(
    post,
    path = "/api/v1/compensations/{id}/retry",
    tag = "compensations",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 202, description = "It waits again", body = CompensationView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn retry(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let id = path_id(&request, "id").map(CompensateBizId)?;
    let terms = Announce {
        scan_interval: state.scan_interval,
        trace_context: traceparent(),
    };
    let (reach, actor) = (caller.compensations(&state), caller.actor(&request));
    let store = &state.house.store;
    let acted = store.retry_compensation(&reach, id, &actor, &terms).await?;
    told(&state, acted, &caller, "business work tried again")
}

/// Cancels a piece of business work that waits or is being run.
#[utoipa::path(
    post,
    path = "/api/v1/compensations/{id}/cancel",
    tag = "compensations",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 202, description = "Cancelled", body = CompensationView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn cancel(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let id = path_id(&request, "id").map(CompensateBizId)?;
    let (reach, actor) = (caller.compensations(&state), caller.actor(&request));
    let store = &state.house.store;
    let acted = store.cancel_compensation(&reach, id, &actor).await?;
    told(&state, acted, &caller, "business work cancelled")
}

fn told(
    state: &State,
    acted: CompensationActed,
    caller: &Caller,
    done: &str,
) -> Result<HttpResponse, Problem> {
    match acted {
        CompensationActed::Now(row, rows) => {
            state.gatherer.ring(rows);
            tracing::info!(compensation.id = %row.id, actor = %caller.user, "{done}");
            Ok(HttpResponse::Accepted()
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(CompensationView::new(*row, true)))
        }
        CompensationActed::Refused(row) => {
            let detail = format!("it is {}, which does not allow this", row.status);
            Err(refused(&row, detail))
        }
        CompensationActed::Superseded(row) => {
            let detail = "it follows the end of a group that has gone on without it";
            Err(refused(&row, detail))
        }
        CompensationActed::NotFound => Err(Problem::not_found()),
    }
}

/// `409 state_conflict`, with where the row stands and what is possible there.
fn refused(row: &Compensation, detail: impl Into<String>) -> Problem {
    let allowed = allowed_actions(row.status).iter().copied();
    Problem::new(Code::StateConflict, detail).in_state(row.status.as_str(), allowed)
}
