//! `GET /quotas`, and what is told when one is used up.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use service::QuotaSettings;
use store::{OpenTaskLimits, Quota};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::listing::fresh;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::view::List;

/// When a client is told to try again that has too many open tasks, in seconds: one of them may
/// have ended by then.
const RETRY_WHEN_FULL: u32 = 5;

/// One quota of the caller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub(crate) struct QuotaView {
    /// `open_tasks_per_user`, `open_tasks_per_tenant` or `open_uploads_per_user`.
    name: &'static str,
    /// Null is without limit.
    #[schema(required)]
    limit: Option<u64>,
    used: u64,
    /// RFC 3339; null where nothing resets by time: a task or an upload that ends makes room.
    #[schema(required)]
    resets_at: Option<String>,
}

/// Shows the caller's quotas.
#[utoipa::path(
    get,
    path = "/api/v1/quotas",
    tag = "quotas",
    responses(
        (status = 200, description = "All of them, on one page", body = List<QuotaView>),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn show(caller: Caller, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let store = &state.house.store;
    let used = store.open_tasks(&caller.tenant, &caller.user).await?;
    let uploads = store.open_uploads(&caller.tenant, &caller.user).await?;
    let quota = |name, limit, used| QuotaView {
        name,
        limit,
        used,
        resets_at: None,
    };
    let OpenTaskLimits {
        per_user,
        per_tenant,
    } = state.limits;
    let most_uploads = state.uploads.most_open;
    let most_uploads = (most_uploads < u32::MAX).then_some(u64::from(most_uploads));
    Ok(fresh().json(List {
        items: vec![
            quota("open_tasks_per_user", per_user, used.of_user),
            quota("open_tasks_per_tenant", per_tenant, used.of_tenant),
            quota("open_uploads_per_user", most_uploads, uploads),
        ],
        next_cursor: None,
    }))
}

/// The limits that the settings mean: 0 is without.
pub(crate) fn limits(settings: &QuotaSettings) -> OpenTaskLimits {
    let limit = |most: u32| (most > 0).then_some(u64::from(most));
    OpenTaskLimits {
        per_user: limit(settings.open_tasks_per_user),
        per_tenant: limit(settings.open_tasks_per_tenant),
    }
}

/// `429 quota_exceeded`: too many uploads under way.
pub(crate) fn too_many_uploads(limit: u32) -> Problem {
    let detail = format!("at most {limit} of your uploads may be under way at once");
    Problem::new(Code::QuotaExceeded, detail).with_header(header::RETRY_AFTER, RETRY_WHEN_FULL)
}

/// How many uploads of a user may be under way, as the settings mean it: 0 is without limit.
pub(crate) fn most_uploads(settings: &QuotaSettings) -> u32 {
    match settings.open_uploads_per_user {
        0 => u32::MAX,
        most => most,
    }
}

/// `429 too_many_open_tasks`.
pub(crate) fn too_many_open(quota: Quota) -> Problem {
    let detail = match quota {
        Quota::User => "you have as many open tasks as you may; wait for one, or cancel one",
        Quota::Tenant => {
            "the users of your tenant have as many open tasks as they may; wait for one to end"
        }
    };
    Problem::new(Code::TooManyOpenTasks, detail).with_header(header::RETRY_AFTER, RETRY_WHEN_FULL)
}
