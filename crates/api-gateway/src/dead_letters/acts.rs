//! `POST /dead-letters/{id}/redrive` and `/discard`.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::DeadLetterId;
use store::{Announce, DeadLetter, DeadLetterActed, Refusal};

use crate::auth::Caller;
use crate::exports::traceparent;
use crate::listing::fresh;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::tasks::path_id;
use crate::view::DeadLetterView;

/// Puts the work of a dead letter back.
///
/// With a fresh count of failures: an export from its beginning, an import from where that part of
/// it stopped. Its task is open again; quotas do not apply. A message can only be discarded.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/{id}/redrive",
    tag = "dead letters",
    params(("id" = String, Path, description = "The dead letter's id")),
    responses(
        (status = 200, description = "Redriven", body = DeadLetterView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn redrive(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let id = path_id(&request, "id").map(DeadLetterId)?;
    let announce = Announce {
        scan_interval: state.scan_interval,
        trace_context: traceparent(),
    };
    let (tenants, actor) = (caller.looks_after(&state), caller.actor(&request));
    let store = &state.house.store;
    let acted = store
        .redrive_dead_letter(&tenants, id, &actor, &announce)
        .await?;
    told(&state, acted, &caller, "dead letter redriven")
}

/// Decides that nothing is to be done about a dead letter. Its work stays as it is.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/{id}/discard",
    tag = "dead letters",
    params(("id" = String, Path, description = "The dead letter's id")),
    responses(
        (status = 200, description = "Discarded", body = DeadLetterView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn discard(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let id = path_id(&request, "id").map(DeadLetterId)?;
    let (tenants, actor) = (caller.looks_after(&state), caller.actor(&request));
    let store = &state.house.store;
    let acted = store.discard_dead_letter(&tenants, id, &actor).await?;
    told(&state, acted, &caller, "dead letter discarded")
}

fn told(
    state: &State,
    acted: DeadLetterActed,
    caller: &Caller,
    done: &str,
) -> Result<HttpResponse, Problem> {
    match acted {
        DeadLetterActed::Now(letter, rows) => {
            state.announcer.announce_all(rows);
            tracing::info!(dead_letter.id = %letter.id, actor = %caller.user, "{done}");
            Ok(fresh().json(DeadLetterView::from(*letter)))
        }
        DeadLetterActed::Refused(letter, why) => Err(refused(&letter, why)),
        DeadLetterActed::NotFound => Err(Problem::not_found()),
    }
}

/// `409 state_conflict`, with where the letter stands and what is possible there.
fn refused(letter: &DeadLetter, why: Refusal) -> Problem {
    let detail = match why {
        Refusal::NotOpen => format!("the dead letter is {}: {why}", letter.status),
        Refusal::Message
        | Refusal::RowGone
        | Refusal::RowStands(_)
        | Refusal::TaskDeleted
        | Refusal::TaskEnded(_)
        | Refusal::FileGone
        | Refusal::Superseded => why.to_string(),
    };
    let acts = letter.allowed_acts().iter().map(|act| act.as_str());
    Problem::new(Code::StateConflict, detail).in_state(letter.status.as_str(), acts)
}
