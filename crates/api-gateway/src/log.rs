//! What the operation log tells of that has no transaction of its own: downloads, acts for which the
//! caller lacks the right, and acts whose transaction is taken back when a state refuses them. Such an
//! act is work for the biz type that writes the log: its row is durable before the caller is answered,
//! so nothing is lost, and the entry is written soon after (adr/0009). Every other act writes its entry
//! in its own transaction. Proven by `tests/it/log.rs`.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use domain::{
    HandlerCatalog, HandlerKind, ObjectKind, OperationAction, OperationNote, OperationOutcome,
    Task, TaskFile,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use store::{Actor, LogDesk, LoggedAct, StoreError};
use uuid::Uuid;

use crate::auth::Caller;
use crate::exports::traceparent;
use crate::problem::Problem;
use crate::state::State;

/// Seconds within which the parts that one user fetches of one file are one download.
const DOWNLOAD_SECONDS: i64 = 3_600;

/// Acts that a role may be missing for, by their route, with the part of the path that names the
/// object.
const ACTS: [(&str, OperationAction, ObjectKind, Option<&str>); 12] = {
    use ObjectKind::{Compensation, Dataset, DeadLetter, Lane, Task};
    use OperationAction as A;
    [
        ("/api/v1/exports", A::TaskSubmit, Task, None),
        ("/api/v1/imports", A::TaskSubmit, Task, None),
        (
            "/api/v1/datasets/{name}/rows",
            A::RowsSubmit,
            Dataset,
            Some("name"),
        ),
        (
            "/api/v1/compensations",
            A::CompensationSubmit,
            Compensation,
            None,
        ),
        (
            "/api/v1/compensations/{id}/retry",
            A::CompensationRetry,
            Compensation,
            Some("id"),
        ),
        (
            "/api/v1/compensations/{id}/cancel",
            A::CompensationCancel,
            Compensation,
            Some("id"),
        ),
        (
            "/api/v1/dead-letters/redrive",
            A::DeadLetterRedrive,
            DeadLetter,
            None,
        ),
        (
            "/api/v1/dead-letters/{id}/redrive",
            A::DeadLetterRedrive,
            DeadLetter,
            Some("id"),
        ),
        (
            "/api/v1/dead-letters/{id}/discard",
            A::DeadLetterDiscard,
            DeadLetter,
            Some("id"),
        ),
        (
            "/api/v1/lanes/{lane}/pause",
            A::LanePause,
            Lane,
            Some("lane"),
        ),
        (
            "/api/v1/lanes/{lane}/resume",
            A::LaneResume,
            Lane,
            Some("lane"),
        ),
        ("/api/v1/lanes/{lane}/scan", A::LaneScan, Lane, Some("lane")),
    ]
};

/// Who writes the entries; none where no definition does, and then they are written at once.
pub(crate) fn desk(handlers: &HandlerCatalog) -> Option<LogDesk> {
    let writes = |handler: &&domain::HandlerDef| handler.kind == HandlerKind::OperationLog;
    let handler = handlers.iter().find(writes)?;
    Some(LogDesk {
        biz_type: handler.biz_type.clone(),
        lane: handler.lane.clone(),
        max_cnt: handler.retry.max_cnt(),
        scan_interval: handler.scan_interval,
    })
}

async fn log(state: &State, act: LoggedAct) -> Result<(), StoreError> {
    let desk = state.log_desk.as_ref();
    let rung = state.house.store.log_act(act, desk).await?;
    state.announcer.announce_all(rung);
    Ok(())
}

/// Notes that the caller gets a file, before it does. HEAD brings none.
pub(crate) async fn download(
    state: &State,
    caller: &Caller,
    request: &HttpRequest,
    (task, file): (&Task, &TaskFile),
) -> Result<(), Problem> {
    if request.method() != Method::GET {
        return Ok(());
    }
    let once = if request.headers().contains_key(header::RANGE) {
        let hour = state.clock.now().timestamp() / DOWNLOAD_SECONDS;
        let part = format!("{}\n{}\n{hour}", file.id, caller.user);
        hex::encode(Sha256::digest(part))
    } else {
        unique()
    };
    let detail = json!({"task_id": task.id.to_string(), "role": file.role.as_str()});
    let act = LoggedAct {
        actor: caller.actor(request),
        action: OperationAction::FileDownload,
        object: ObjectKind::File,
        object_id: file.id.to_string(),
        outcome: OperationOutcome::Done,
        detail: object(detail),
        once: OperationNote::name_of_the_house(&once),
        trace_context: traceparent(),
    };
    Ok(log(state, act).await?)
}

/// Around every request: an act that ends as 403 is logged as refused. Where that cannot be done the
/// caller is told so instead.
pub(crate) async fn refusals(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let act = act_of(&request);
    let answer = next.call(request).await?;
    let Some(act) = act.filter(|_| answer.status() == StatusCode::FORBIDDEN) else {
        return Ok(answer);
    };
    match refused(answer.request(), act).await {
        Ok(()) => Ok(answer),
        Err(problem) => Ok(answer.error_response(problem)),
    }
}

type Act = (OperationAction, ObjectKind, Option<&'static str>);

fn act_of(request: &ServiceRequest) -> Option<Act> {
    if request.method() != Method::POST {
        return None;
    }
    let route = request.match_pattern()?;
    let acts = ACTS.iter().find(|(known, ..)| *known == route);
    acts.map(|(_, action, object, name)| (*action, *object, *name))
}

async fn refused(request: &HttpRequest, (action, kind, name): Act) -> Result<(), Problem> {
    let Some(state) = request.app_data::<web::Data<State>>() else {
        return Ok(());
    };
    let caller = Caller::of(state, request).await?;
    let named = name.and_then(|name| request.match_info().get(name));
    let named = named.unwrap_or_default().to_owned();
    let detail = json!({"because": "forbidden"});
    refusal(state, caller.actor(request), (action, kind, named), detail).await
}

/// Notes what could not be done and leaves no entry of its own: its transaction was taken back, or
/// never begun. `detail` is an object.
pub(crate) async fn refusal(
    state: &State,
    actor: Actor,
    (action, kind, object_id): (OperationAction, ObjectKind, String),
    detail: Value,
) -> Result<(), Problem> {
    let act = LoggedAct {
        actor,
        action,
        object: kind,
        object_id,
        outcome: OperationOutcome::Refused,
        detail: object(detail),
        once: OperationNote::name_of_the_house(&unique()),
        trace_context: traceparent(),
    };
    Ok(log(state, act).await?)
}

fn unique() -> String {
    Uuid::new_v4().simple().to_string()
}

fn object(detail: Value) -> Option<Map<String, Value>> {
    match detail {
        Value::Object(detail) => Some(detail),
        _ => None,
    }
}
