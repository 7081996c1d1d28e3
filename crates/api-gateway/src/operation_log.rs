//! `GET /operation-log`: who did what in the tenant, for operators. Proven by
//! `tests/it/operation_log.rs`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::is_operation_word;
use serde::{Deserialize, Serialize};
use store::{OperationFilter, OperationRecord};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Caller;
use crate::cursor;
use crate::listing::{PageQuery, Paging, fresh, given, moment, query};
use crate::problem::Problem;
use crate::state::State;
use crate::view::List;

/// What may stand behind `?`. An empty value counts as left out, an unknown name is ignored.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OperationsQuery {
    /// A user, as of the token's `sub`.
    actor: Option<String>,
    /// TASK_SUBMIT, TASK_CANCEL, TASK_RETRY, TASK_DELETE, FILE_DOWNLOAD, ROWS_SUBMIT,
    /// DEAD_LETTER_REDRIVE, DEAD_LETTER_DISCARD, LANE_PAUSE, LANE_RESUME, LANE_SCAN,
    /// COMPENSATION_SUBMIT, COMPENSATION_CANCEL, COMPENSATION_RETRY, WEBHOOK_CREATE, WEBHOOK_DELETE,
    /// SETTINGS_CHANGE, or a word of a service that submits entries of its own.
    action: Option<String>,
    /// RFC 3339, inclusive.
    from: Option<String>,
    /// RFC 3339, exclusive.
    to: Option<String>,
}

/// Who did what to what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(crate) struct OperationView {
    id: String,
    actor: String,
    action: String,
    /// TASK, FILE, DATASET, DEAD_LETTER, LANE, COMPENSATION, WEBHOOK, SETTINGS, or a service's own word.
    object_kind: String,
    /// Its id or name.
    object_id: String,
    /// DONE, or REFUSED when a state or a missing right did not allow it.
    outcome: String,
    /// What else is to be said; null when nothing is.
    detail: serde_json::Value,
    /// The request that asked for it, where it is known.
    #[schema(required)]
    request_id: Option<String>,
    /// Who submitted the entry, where that is not who did it.
    #[schema(required)]
    told_by: Option<String>,
    /// When it was done; of an entry that a service submitted, when it did so.
    created_at: DateTime<Utc>,
}

impl From<OperationRecord> for OperationView {
    fn from(entry: OperationRecord) -> Self {
        Self {
            id: entry.id.to_string(),
            actor: entry.actor.to_string(),
            action: entry.action,
            object_kind: entry.object_kind,
            object_id: entry.object_id,
            outcome: entry.outcome,
            detail: entry.detail,
            request_id: entry.request_id,
            told_by: entry.told_by,
            created_at: entry.created_at,
        }
    }
}

/// A word of the house's or of a service's own.
fn action(query: &OperationsQuery) -> Result<Option<String>, Problem> {
    match given(&query.action) {
        Some(word) if !is_operation_word(word) => {
            let message = "action is a word of 1 to 64 capital letters, digits and _";
            Err(Problem::invalid("action", message))
        }
        action => Ok(action.map(str::to_owned)),
    }
}

/// Lists who did what in the tenant, newest first.
///
/// With `from`, `to`, or `actor` and `action` together, a page walks back over a bounded number of
/// entries, so it may hold fewer than `limit` and none at all: the list goes on as long as there is a
/// `next_cursor`.
#[utoipa::path(
    get,
    path = "/api/v1/operation-log",
    tag = "operation log",
    params(OperationsQuery, PageQuery),
    responses(
        (status = 200, description = "A page", body = List<OperationView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let query: OperationsQuery = query(&request)?;
    let paging = Paging::of(&request)?;
    let filter = OperationFilter {
        actor: given(&query.actor).map(str::to_owned),
        action: action(&query)?,
        from: moment("from", &query.from)?,
        to: moment("to", &query.to)?,
        before: paging.after,
        limit: paging.limit,
    };
    let store = &state.house.store;
    let (found, next) = store.operations(&caller.tenant, filter).await?;
    let items = found.into_iter().map(OperationView::from);
    Ok(fresh().json(List {
        items: items.collect(),
        next_cursor: next.map(cursor::encode),
    }))
}
