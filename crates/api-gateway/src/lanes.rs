//! `GET /lanes`, `POST /lanes/{lane}/pause`, `POST /lanes/{lane}/resume`, `POST /lanes/{lane}/scan`: for
//! operators. Lanes belong to the house: every operator sees them, those of the house's tenant act on
//! them for all. Proven by `tests/it/lanes.rs`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::{Lane, LaneState, ObjectKind, OperationAction};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Backlog, LaneAct, LaneStanding};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::body::read_json;
use crate::listing::fresh;
use crate::log;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::view::List;

/// Most bytes of a request.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Most characters of a reason.
const MAX_REASON_CHARS: usize = 500;

/// A lane: a topic, and the rows that ring on it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lane)]
pub(crate) struct LaneView {
    lane: String,
    /// OPEN, PAUSED, or PROBING: one row is tried, to find out whether the lane may be opened.
    state: &'static str,
    /// Why it is not open.
    #[schema(required)]
    reason: Option<String>,
    /// `<tenant>/<user>`; null when the lane paused by itself.
    #[schema(required)]
    paused_by: Option<String>,
    #[schema(required)]
    paused_at: Option<DateTime<Utc>>,
    /// When a row is tried next; null when only a person opens the lane.
    #[schema(required)]
    probe_at: Option<DateTime<Utc>>,
    /// How often it paused by itself without having been well in between.
    trips: u32,
    /// Rows that wait or run, of all tenants; 100,000 means so many or more.
    open_rows: u64,
    /// For how long the latest of them should have been looked at; 0 when nothing is late.
    oldest_row_seconds: u64,
}

impl LaneView {
    fn new(lane: LaneStanding, backlog: Backlog) -> Self {
        Self {
            lane: lane.lane.to_string(),
            state: lane.state.as_str(),
            reason: lane.reason,
            paused_by: lane.paused_by,
            paused_at: lane.paused_at,
            probe_at: lane.probe_at,
            trips: lane.trips,
            open_rows: backlog.rows,
            oldest_row_seconds: backlog.oldest_seconds,
        }
    }
}

/// A lane whose workers will look for due rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LaneScan)]
pub(crate) struct ScanView {
    #[serde(flatten)]
    lane: LaneView,
    /// Lanes of the same queue that are not open, so that nothing is taken from them.
    not_open: Vec<String>,
}

/// Shows all lanes, by name.
#[utoipa::path(
    get,
    path = "/api/v1/lanes",
    tag = "lanes",
    responses(
        (status = 200, description = "All of them, on one page", body = List<LaneView>),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(caller: Caller, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let defined = defined(&state).map_err(Problem::internal)?;
    let lanes = state.house.store.lanes(&defined).await?.into_iter();
    let items = lanes.map(|(lane, backlog)| LaneView::new(lane, backlog));
    Ok(fresh().json(List {
        items: items.collect(),
        next_cursor: None,
    }))
}

/// Stops a lane: no worker takes its rows until a person lets it go on. What runs goes on.
///
/// Whoever paused it may say why anew; what another person has paused is `409 state_conflict`.
#[utoipa::path(
    post,
    path = "/api/v1/lanes/{lane}/pause",
    tag = "lanes",
    request_body = crate::openapi::PauseBody,
    params(("lane" = String, Path, description = "The lane's name")),
    responses(
        (status = 200, description = "Paused", body = LaneView),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 413, description = "body_too_large", body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn pause(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    caller.check_house_operator(&state)?;
    let lane = find(&state, &request).await?;
    let reason = reason(&read_json(&request, payload, MAX_BODY_BYTES).await?)?;
    let store = &state.house.store;
    match store
        .pause_lane(&lane, &caller.actor(&request), &reason)
        .await?
    {
        LaneAct::Done(standing) => {
            tracing::info!(%lane, actor = %caller.user, "lane paused");
            show(&state, standing).await
        }
        LaneAct::Refused(standing) => {
            let by = standing.paused_by.as_deref().unwrap_or_default();
            Err(refused(
                &standing,
                format!("{by} has paused the lane; let it go on first"),
            ))
        }
    }
}

/// Has the workers of a lane look for due rows within a few seconds, and not when their scan comes
/// round; with the usual lane of a queue of business work, on the lanes of its urgent work and its rest,
/// too.
///
/// A row is due when it waits and its time has come; one that was rung is due again a scan interval
/// after that. Of a lane that is not open nothing is taken: `409 state_conflict`; if it is another one
/// of the queue, `not_open` names it.
#[utoipa::path(
    post,
    path = "/api/v1/lanes/{lane}/scan",
    tag = "lanes",
    params(("lane" = String, Path, description = "The lane's name")),
    responses(
        (status = 200, description = "The workers will look", body = ScanView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 409, description = "state_conflict", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn scan(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_house_operator(&state)?;
    let lane = find(&state, &request).await?;
    let (store, actor) = (&state.house.store, caller.actor(&request));
    let levels = || state.handlers.iter().flat_map(|it| it.levels.iter());
    let queue = levels().find(|queue| queue.usual == lane);
    let under = levels().find(|it| it.urgent == lane || it.rest == lane);
    if let Some(queue) = under {
        let usual = store.lane(&queue.usual).await?;
        if usual.state != LaneState::Open && usual.paused_by.is_some() {
            let scan = (
                OperationAction::LaneScan,
                ObjectKind::Lane,
                lane.to_string(),
            );
            let told = json!({"because": "state_conflict", "paused": queue.usual.as_str()});
            log::refusal(&state, actor, scan, told).await?;
            let detail = format!("{} is paused, and this lane with it", queue.usual);
            return Err(refused(&usual, detail));
        }
    }
    let standing = match store.scan_lane(&lane, &actor).await? {
        LaneAct::Done(standing) => standing,
        LaneAct::Refused(standing) => {
            let detail = "the lane is not open: nothing is taken from it".to_owned();
            return Err(refused(&standing, detail));
        }
    };
    let mut not_open = Vec::new();
    for part in queue
        .into_iter()
        .flat_map(|queue| [&queue.urgent, &queue.rest])
    {
        if let LaneAct::Refused(_) = store.scan_lane(part, &actor).await? {
            not_open.push(part.to_string());
        }
    }
    tracing::info!(%lane, actor = %caller.user, "a scan of the lane is asked for");
    let backlog = store.backlog(&lane).await?;
    let lane = LaneView::new(standing, backlog);
    Ok(fresh().json(ScanView { lane, not_open }))
}

fn refused(standing: &LaneStanding, detail: String) -> Problem {
    let allowed = ["resume"].into_iter();
    Problem::new(Code::StateConflict, detail).in_state(standing.state.as_str(), allowed)
}

/// Lets a lane go on, whoever or whatever paused it. One that is open stays so.
#[utoipa::path(
    post,
    path = "/api/v1/lanes/{lane}/resume",
    tag = "lanes",
    params(("lane" = String, Path, description = "The lane's name")),
    responses(
        (status = 200, description = "Open", body = LaneView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn resume(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_house_operator(&state)?;
    let lane = find(&state, &request).await?;
    let store = &state.house.store;
    let standing = store.resume_lane(&lane, &caller.actor(&request)).await?;
    tracing::info!(%lane, actor = %caller.user, "lane open");
    show(&state, standing).await
}

async fn show(state: &State, standing: LaneStanding) -> Result<HttpResponse, Problem> {
    let backlog = state.house.store.backlog(&standing.lane).await?;
    Ok(fresh().json(LaneView::new(standing, backlog)))
}

/// The lane that the path names, if a definition names it, or a row, or somebody once paused it.
async fn find(state: &State, request: &HttpRequest) -> Result<Lane, Problem> {
    let name = request.match_info().get("lane").unwrap_or_default();
    let lane = Lane::parse(name).map_err(|_no_topic| Problem::not_found())?;
    let defined = defined(state).map_err(Problem::internal)?;
    if defined.contains(&lane) || state.house.store.knows_lane(&lane).await? {
        Ok(lane)
    } else {
        Err(Problem::not_found())
    }
}

/// The lanes of all queues that a definition names, and those of their dead letters.
fn defined(state: &State) -> anyhow::Result<Vec<Lane>> {
    let imports = state.house.import_lanes()?.into_iter();
    let imports = imports.flat_map(|lanes| [lanes.imports, lanes.batches]);
    let lanes = state.house.export_lanes()?.into_iter().chain(imports);
    let lanes = lanes.chain(state.handlers.lanes().cloned());
    Ok(lanes.flat_map(|lane| [lane.dead_letters(), lane]).collect())
}

fn reason(body: &[u8]) -> Result<String, Problem> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Problem::invalid("", format!("the body is not valid JSON: {error}")))?;
    let Value::Object(mut body) = body else {
        return Err(Problem::invalid("", "the body must be a JSON object"));
    };
    let reason = body.remove("reason");
    if let Some(name) = body.keys().next() {
        return Err(Problem::unknown_field(name));
    }
    let reason = reason.as_ref().and_then(Value::as_str).unwrap_or_default();
    let reason = reason.trim();
    if (1..=MAX_REASON_CHARS).contains(&reason.chars().count()) {
        Ok(reason.to_owned())
    } else {
        let message = format!("reason is a text of 1 to {MAX_REASON_CHARS} characters");
        Err(Problem::invalid("reason", message))
    }
}
