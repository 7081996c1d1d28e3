//! What a person does with a task: `POST /tasks/{id}/cancel`, `POST /tasks/{id}/retry`,
//! `DELETE /tasks/{id}`. Each is done once: again, it finds another state and is refused with it, or
//! finds nothing. Proven by `tests/it/acts.rs`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{Action, Task, TaskId, Tenant};
use store::{Announce, Cancelled, Deleted, Leftover, Retried, Retry};

use crate::auth::Caller;
use crate::exports::traceparent;
use crate::problem::{Code, Problem};
use crate::quotas::too_many_open;
use crate::state::State;
use crate::tasks::{find, path_id, render};
use crate::view::TaskView;

/// Longest wait for storage to remove the objects of a deleted task; what is left then is marked
/// for removal.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

/// Cancels a task.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{id}/cancel",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 202, description = "Cancelled", body = TaskView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
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
    let id = path_id(&request, "id").map(TaskId)?;
    let (actor, reach) = (caller.actor(&request), caller.reach());
    let store = &state.house.store;
    let cancelled = store.cancel_task_by(&actor, &reach, id).await?;
    let task = match cancelled {
        Cancelled::Now | Cancelled::TooLate(_) => find(&state, &caller, &request).await?,
        Cancelled::NotFound => return Err(Problem::not_found()),
    };
    match cancelled {
        Cancelled::TooLate(_) => Err(refused(&task, Action::Cancel)),
        Cancelled::Now | Cancelled::NotFound => {
            tracing::info!(task.id = %task.id, actor = %caller.user, "task cancelled");
            Ok(render(HttpResponse::Accepted(), &task).json(TaskView::from(&task)))
        }
    }
}

/// Has a task tried again.
///
/// A failed one, unless the user's own request or file was at fault (`error.code` tells), a cancelled
/// export, from its beginning; and an import with rows that nothing has become of yet: those alone. It is the same task, open again; it counts among the open tasks.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{id}/retry",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 202, description = "Open again", body = TaskView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 429, description = "too_many_open_tasks", body = crate::problem::ProblemBody,
            headers(("Retry-After" = u32, description = "When to try again"))),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn retry(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id").map(TaskId)?;
    let terms = Retry {
        actor: caller.actor(&request),
        limits: state.limits,
        announce: Announce {
            scan_interval: state.scan_interval,
            trace_context: traceparent(),
        },
    };
    let store = &state.house.store;
    match store.retry_task(&caller.reach(), id, &terms).await? {
        Retried::Now(task, rows) => {
            state.announcer.announce_all(rows);
            tracing::info!(task.id = %task.id, actor = %caller.user, "task tried again");
            Ok(render(HttpResponse::Accepted(), &task).json(TaskView::from(&*task)))
        }
        Retried::Refused(task) => Err(refused(&task, Action::Retry)),
        Retried::TooManyOpen(quota) => Err(too_many_open(quota)),
        Retried::NotFound => Err(Problem::not_found()),
    }
}

/// Deletes a finished task, its files too.
#[utoipa::path(
    delete,
    path = "/api/v1/tasks/{id}",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn delete(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id").map(TaskId)?;
    let (actor, reach) = (caller.actor(&request), caller.reach());
    match state.house.store.delete_task_by(&actor, &reach, id).await? {
        Deleted::Now(leftovers) => {
            tracing::info!(task.id = %id, actor = %caller.user, "task deleted");
            remove(&state, &caller.tenant, id, leftovers).await;
            Ok(HttpResponse::NoContent().finish())
        }
        Deleted::Refused(task) => Err(refused(&task, Action::Delete)),
        Deleted::NotFound => Err(Problem::not_found()),
    }
}

/// `409 state_conflict`, with where the task stands and what is possible there.
fn refused(task: &Task, wanted: Action) -> Problem {
    let detail = match (wanted, &task.error) {
        (Action::Retry, _) if task.status.is_final() && task.has_lost_its_file() => {
            "the file of this import has had its time; submit it anew".to_owned()
        }
        (Action::Retry, Some(error)) => format!(
            "the task is {} by the request's own fault ({}); trying the same again cannot help",
            task.status, error.code
        ),
        (Action::Cancel | Action::Retry | Action::Delete, _) => {
            format!("the task is {}, which allows no {wanted}", task.status)
        }
    };
    Problem::new(Code::StateConflict, detail).in_state_of(task)
}

/// Removes the objects of a deleted task, as far as storage lets us just now.
async fn remove(state: &State, tenant: &Tenant, task: TaskId, leftovers: Vec<Leftover>) {
    let mut removed = Vec::with_capacity(leftovers.len());
    let removing = async {
        for leftover in &leftovers {
            match state.house.storage.delete(&leftover.object_key).await {
                Ok(()) => removed.push(leftover.file),
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(file.id = %leftover.file, error, "an object is left for later");
                }
            }
        }
        // and what no row tells of: the remains of attempts that were cut off
        let prefix = domain::task_prefix(tenant, task);
        if let Err(error) = state.house.storage.delete_prefix(&prefix).await {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(task.id = %task, error, "files of cut-off attempts may be left behind");
        }
    };
    if tokio::time::timeout(REMOVAL_PATIENCE, removing)
        .await
        .is_err()
    {
        tracing::warn!("storage takes its time; objects are left for later");
    }
    if let Err(error) = state.house.store.objects_removed(tenant, &removed).await {
        let error = format!("{:#}", anyhow::Error::from(error));
        tracing::warn!(error, "removed objects stay marked for removal");
    }
}
