//! `GET /tasks` and `GET /tasks/{id}`.

use std::str::FromStr;

use actix_web::http::header::{self, ETag, EntityTag, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use chrono::{DateTime, Utc};
use domain::{Task, TaskId};
use serde::Deserialize;
use store::{TaskFilter, Visibility};

use crate::auth::Caller;
use crate::cursor;
use crate::problem::{Code, Problem};
use crate::retry_after::retry_after;
use crate::state::State;
use crate::view::{List, TaskView};

/// Items of a page, when the client does not say.
const DEFAULT_LIMIT: usize = 50;

/// Items of a page at most.
const MAX_LIMIT: usize = 200;

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
    /// 1 to 200; 50 when left out.
    limit: Option<String>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// Lists tasks, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/tasks",
    tag = "tasks",
    params(ListQuery),
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
    let query = web::Query::<ListQuery>::from_query(request.query_string())
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?
        .into_inner();
    let who = query.visibility(&caller)?;
    let page = state.house.store.tasks(&who, query.filter()?).await?;
    let next_cursor = page
        .items
        .last()
        .filter(|_| page.more)
        .map(|last| cursor::encode(last.id.0));
    let items = page.items.iter().map(TaskView::from).collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(List::<TaskView> { items, next_cursor }))
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

    fn filter(&self) -> Result<TaskFilter, Problem> {
        Ok(TaskFilter {
            kind: word("kind", &self.kind)?,
            status: word("status", &self.status)?,
            dataset: given(&self.dataset).map(str::to_owned),
            name_holds: given(&self.q).map(str::to_owned),
            created_from: moment("created_from", &self.created_from)?,
            created_to: moment("created_to", &self.created_to)?,
            before: given(&self.cursor)
                .map(cursor::decode)
                .transpose()?
                .map(TaskId),
            limit: limit(&self.limit)?,
        })
    }
}

/// How many items a page is to hold.
pub(crate) fn limit(parameter: &Option<String>) -> Result<usize, Problem> {
    let Some(limit) = given(parameter) else {
        return Ok(DEFAULT_LIMIT);
    };
    limit
        .parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| Problem::invalid("limit", format!("limit is 1 to {MAX_LIMIT}")))
}

pub(crate) fn given(parameter: &Option<String>) -> Option<&str> {
    parameter.as_deref().filter(|value| !value.is_empty())
}

pub(crate) fn word<W: FromStr>(
    name: &str,
    parameter: &Option<String>,
) -> Result<Option<W>, Problem> {
    let parse = |word: &str| {
        word.parse()
            .map_err(|_unknown| Problem::invalid(name, format!("{name} has no such value")))
    };
    given(parameter).map(parse).transpose()
}

pub(crate) fn moment(
    name: &str,
    parameter: &Option<String>,
) -> Result<Option<DateTime<Utc>>, Problem> {
    let parse = |text: &str| {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| moment.to_utc())
            .map_err(|_odd| {
                Problem::invalid(
                    name,
                    format!("{name} is a moment such as 2026-01-31T08:00:00Z"),
                )
            })
    };
    given(parameter).map(parse).transpose()
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
