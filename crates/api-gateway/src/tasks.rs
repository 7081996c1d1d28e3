//! `GET /tasks` and `GET /tasks/{id}`.

use actix_web::http::header::{self, ETag, EntityTag, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use domain::{Task, TaskId};
use serde::Deserialize;
use store::{TaskFilter, Visibility};

use crate::auth::Caller;
use crate::listing::{PageQuery, Paging, answer, given, moment, query, word};
use crate::problem::{Code, Problem};
use crate::retry_after::retry_after;
use crate::state::State;
use crate::view::{List, TaskView};

/// What may stand behind `?`. An empty value counts as left out, an unknown name is ignored.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// EXPORT or IMPORT.
    kind: Option<String>,
    /// One of the states of a task.
    status: Option<String>,
    /// Name of a dataset.
    dataset: Option<String>,
    /// A text that the task's name holds.
    q: Option<String>,
    /// RFC 3339, inclusive.
    created_from: Option<String>,
    /// RFC 3339, exclusive.
    created_to: Option<String>,
    /// `true`: those of all users of the tenant, for SUPER_ADMIN.
    all: Option<String>,
}

/// Lists tasks, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/tasks",
    tag = "tasks",
    params(ListQuery, PageQuery),
    responses(
        (status = 200, description = "A page", body = List<TaskView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden: `all` without the role",
            body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query: ListQuery = query(&request)?;
    let who = query.visibility(&caller)?;
    let filter = query.filter(Paging::of(&request)?)?;
    let page = state.house.store.tasks(&who, filter).await?;
    Ok(answer(page, |task| task.id.0, |task| TaskView::from(&task)))
}

impl ListQuery {
    fn visibility(&self, caller: &Caller) -> Result<Visibility, Problem> {
        match given(&self.all) {
            None | Some("false") => Ok(caller.own()),
            Some("true") if caller.is_super_admin() => Ok(caller.reach()),
            Some("true") => Err(Problem::new(
                Code::Forbidden,
                "only SUPER_ADMIN sees the tasks of all users",
            )),
            Some(_) => Err(Problem::invalid("all", "all is true or false")),
        }
    }

    fn filter(&self, paging: Paging) -> Result<TaskFilter, Problem> {
        Ok(TaskFilter {
            kind: word("kind", &self.kind)?,
            status: word("status", &self.status)?,
            dataset: given(&self.dataset).map(str::to_owned),
            name_holds: given(&self.q).map(str::to_owned),
            created_from: moment("created_from", &self.created_from)?,
            created_to: moment("created_to", &self.created_to)?,
            before: paging.after.map(TaskId),
            limit: paging.limit,
        })
    }
}

/// Shows a task.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "The task", body = TaskView, headers(
            ("ETag" = String, description = "Changes with the version"),
            ("Retry-After" = u32, description = "While it is unfinished: when to ask again"),
        )),
        (status = 304, description = "Not changed since the version of If-None-Match"),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn show(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    known: web::Header<IfNoneMatch>,
) -> Result<HttpResponse, Problem> {
    let task = find(&state, &caller, &request).await?;
    if matches(&known, &tag(&task)) {
        return Ok(render(HttpResponse::NotModified(), &task).finish());
    }
    Ok(render(HttpResponse::Ok(), &task).json(TaskView::from(&task)))
}

/// The task that the path names, if it is for this caller.
pub(crate) async fn find(
    state: &State,
    caller: &Caller,
    request: &HttpRequest,
) -> Result<Task, Problem> {
    let id = path_id(request, "id").map(TaskId)?;
    state
        .house
        .store
        .task(&caller.reach(), id)
        .await?
        .ok_or_else(Problem::not_found)
}

/// A number of the path in its one spelling; anything else names nothing.
pub(crate) fn path_id(request: &HttpRequest, name: &str) -> Result<u64, Problem> {
    let text = request.match_info().get(name).unwrap_or_default();
    let number: u64 = text.parse().map_err(|_not_a_number| Problem::not_found())?;
    if number.to_string() == text {
        Ok(number)
    } else {
        Err(Problem::not_found())
    }
}

/// An answer about a task, with the headers that go with one.
pub(crate) fn render(mut answer: HttpResponseBuilder, task: &Task) -> HttpResponseBuilder {
    answer
        .insert_header(ETag(tag(task)))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(seconds) = retry_after(task) {
        answer.insert_header((header::RETRY_AFTER, seconds));
    }
    answer
}

/// Weak, because speed and remaining time change within a version.
fn tag(task: &Task) -> EntityTag {
    EntityTag::new_weak(format!("{}-{}", task.id, task.version))
}

/// Whether the client has this version already (RFC 9110, 13.1.2).
pub(crate) fn matches(known: &IfNoneMatch, tag: &EntityTag) -> bool {
    match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(tag)),
    }
}
