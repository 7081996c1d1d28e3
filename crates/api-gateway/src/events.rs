//! Live events: `GET /tasks/{id}/events`, `GET /tasks/events`, and the tickets to them.
//!
//! A stream begins with the present state, sends the newest state after each change and never an
//! older one, and is silent for no longer than the keep-alive. Thousands of streams cost MySQL one
//! look per interval and process ([`hub`]). Proven by `tests/it/events.rs`.

mod book;
mod hub;
mod mailbox;
mod slots;
mod stream;
mod ticket;

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Datelike, Utc};
use domain::TaskId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use crate::auth::{Caller, unauthenticated};
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::tasks::{find, path_id};
use hub::Watch;
use mailbox::News;
use slots::Full;
use stream::{Ids, Live};
use ticket::{Scope, left_until};

pub(crate) use hub::Hub;
pub(crate) use ticket::Tickets;

/// How long a stream lives at most, however long its token does.
const LONGEST_STREAM: Duration = Duration::from_secs(24 * 3_600);

/// When a client is told to come back that has too many streams, in seconds.
const RETRY_WHEN_FULL: u32 = 15;

const LAST_EVENT_ID: &str = "last-event-id";

/// What may stand behind `?`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// A ticket in the place of the token, for `EventSource`.
    ticket: Option<String>,
    /// As the header `Last-Event-ID`, which `EventSource` cannot send with its first request.
    last_event_id: Option<String>,
}

/// A ticket to a stream of events.
#[derive(Serialize, ToSchema)]
#[schema(as = EventsTicket)]
pub(crate) struct TicketView {
    /// For `?ticket=` of that stream alone.
    ticket: String,
    /// Until when a stream can be opened by it; one that is open lives on until the token ends.
    expires_at: DateTime<Utc>,
}

/// Follows one task.
///
/// `event: task` with the task as `data:` and its version as `id:`; first the present state, then
/// the newest after each change. With the present version as `Last-Event-ID`, nothing until the
/// next change. Ends after a final state, when the task is deleted, when the token ends (a ticket's
/// is the one it was given for) and when the gateway shuts down. A comment at least every 15 s.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}/events",
    tag = "events",
    params(
        ("id" = String, Path, description = "The task's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen"),
        EventsQuery,
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 204, description = "Final, and Last-Event-ID says that the client knows: \
            EventSource does not come back"),
        (status = 400, description = "invalid_request: a parameter twice",
            body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 429, description = "quota_exceeded: too many open streams",
            body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn of_task(
    state: web::Data<State>,
    request: HttpRequest,
    query: web::Query<EventsQuery>,
) -> Result<HttpResponse, Problem> {
    // What is no id names the task that never was; it is looked for once it is known who asks.
    let id = path_id(&request, "id").map_or(TaskId(0), TaskId);
    let caller = watcher(&state, &request, &query, Scope::Task(id)).await?;
    let task = find(&state, &caller, &request).await?;
    let known = last_event_id(&request, &query).and_then(|id| id.parse().ok());
    let news = News::of(&task).map_err(Problem::internal)?;
    if news.is_final && known == Some(news.version) {
        return Ok(HttpResponse::NoContent().finish());
    }
    let watch = state.events.watch_task(caller.key(), news, known);
    Ok(open(&state, &caller, watch.map_err(full)?, Ids::Version))
}

/// Follows all of one's own tasks.
///
/// `event: task` with the task as `data:`; first the open tasks, then every task after each change,
/// as its newest state. `id:` is opaque; with it as `Last-Event-ID` come the open tasks and those
/// that finished since, some perhaps again (compare the versions), for up to one hour back; after
/// that, list them. A deleted task is not told. Ends when the token does, and when the gateway shuts
/// down. A comment at least every 15 s.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/events",
    tag = "events",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen"),
        EventsQuery,
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 400, description = "invalid_request: no id that was given here",
            body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 429, description = "quota_exceeded: too many open streams",
            body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn of_own(
    state: web::Data<State>,
    request: HttpRequest,
    query: web::Query<EventsQuery>,
) -> Result<HttpResponse, Problem> {
    let caller = watcher(&state, &request, &query, Scope::Own).await?;
    let known = last_event_id(&request, &query).map(moment).transpose()?;
    let finished_after = known.map(|moment| moment - store::COMMIT_SLACK);
    let watch = state.events.watch_own(caller.key(), finished_after);
    Ok(open(
        &state,
        &caller,
        watch.map_err(full)?,
        Ids::Moment(known),
    ))
}

/// Gives a ticket to the stream of one task.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{id}/events-ticket",
    tag = "events",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "Good for a minute", body = TicketView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn ticket_to_task(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let task = find(&state, &caller, &request).await?;
    give(&state, &caller, Scope::Task(task.id))
}

/// Gives a ticket to the stream of all of one's own tasks.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/events-ticket",
    tag = "events",
    responses(
        (status = 200, description = "Good for a minute", body = TicketView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn ticket_to_own(
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    give(&state, &caller, Scope::Own)
}

fn give(state: &State, caller: &Caller, scope: Scope) -> Result<HttpResponse, Problem> {
    let ticket = state.tickets.give(caller, scope);
    let ticket = ticket.map_err(Problem::internal)?;
    let expires_at = i64::try_from(ticket.expires_at).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(TicketView {
            ticket: ticket.text,
            expires_at: DateTime::from_timestamp(expires_at, 0).unwrap_or_default(),
        }))
}

/// Who watches: by a ticket if one is given, else by the token.
async fn watcher(
    state: &State,
    request: &HttpRequest,
    query: &EventsQuery,
    scope: Scope,
) -> Result<Caller, Problem> {
    match &query.ticket {
        None => Caller::of(state, request).await,
        Some(ticket) => state
            .tickets
            .check(ticket, scope)
            .ok_or_else(|| unauthenticated("the ticket has expired, or is not one to this stream")),
    }
}

/// The header; where there is none, the parameter. Empty counts as left out.
fn last_event_id<'r>(request: &'r HttpRequest, query: &'r EventsQuery) -> Option<&'r str> {
    let header = request.headers().get(LAST_EVENT_ID);
    header
        .and_then(|header| header.to_str().ok())
        .or(query.last_event_id.as_deref())
        .filter(|id| !id.is_empty())
}

fn moment(id: &str) -> Result<DateTime<Utc>, Problem> {
    id.parse()
        .ok()
        .and_then(DateTime::from_timestamp_micros)
        // far from the ends of the calendar, where time cannot be reckoned with
        .filter(|moment| (1970..=9999).contains(&moment.year()))
        .ok_or_else(|| Problem::invalid("last_event_id", "Last-Event-ID is not one of this stream"))
}

fn full(why: Full) -> Problem {
    let detail = match why {
        Full::User => "you have too many streams open; close one",
        Full::Process => "too many streams are open here; try again",
    };
    Problem::new(Code::QuotaExceeded, detail).with_header(header::RETRY_AFTER, RETRY_WHEN_FULL)
}

fn open(state: &State, caller: &Caller, watch: Watch, ids: Ids) -> HttpResponse {
    let live = Live {
        watch,
        ids,
        until: Instant::now() + left_until(caller.expires_at, LONGEST_STREAM),
        keep_alive: state.keep_alive,
    };
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(live.into_stream())
}
