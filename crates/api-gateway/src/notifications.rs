//! `GET /notifications`, `POST /notifications/{id}/read`: the in-app inbox of a user and of its
//! roles. What a role is told is read for all of them. Proven by `tests/it/notifications.rs`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use store::Notification;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::listing::{PageQuery, Paging, answer, fresh};
use crate::problem::Problem;
use crate::state::State;
use crate::tasks::path_id;
use crate::view::List;

/// What was told, and how often since.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationView {
    id: String,
    /// DEAD_LETTERS: work of one kind was set aside for one reason, so often on one day; TASK_END: a
    /// task of the user's ended; MESSAGE: an operator wrote.
    kind: String,
    /// The role that is told; null when it is the user alone.
    #[schema(required)]
    role: Option<String>,
    count: u32,
    /// What it is about. DEAD_LETTERS: `lane`, `biz_type`, `reason`, `last_dead_letter`. TASK_END:
    /// `title`, `text` (in the task's language), `task`, `task_kind`, `status`, `dataset`, `name`,
    /// `link`. MESSAGE: `title`, `text`.
    params: serde_json::Value,
    /// Null while there is something new in it.
    #[schema(required)]
    read_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// When it was told last.
    updated_at: DateTime<Utc>,
}

impl From<Notification> for NotificationView {
    fn from(told: Notification) -> Self {
        Self {
            id: told.id.to_string(),
            kind: told.kind,
            role: (told.recipient_kind == "ROLE").then_some(told.recipient),
            count: told.count,
            params: told.params,
            read_at: told.read_at,
            created_at: told.created_at,
            updated_at: told.updated_at,
        }
    }
}

/// Lists what the user and its roles were told, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/notifications",
    tag = "notifications",
    params(PageQuery),
    responses(
        (status = 200, description = "A page", body = List<NotificationView>),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Paging { limit, after } = Paging::of(&request)?;
    let inboxes = caller.inboxes(&state);
    let store = &state.house.store;
    let page = store.notifications(&inboxes, after, limit).await?;
    Ok(answer(page, |told| told.id, NotificationView::from))
}

/// Notes that a notification was read. Again, it changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/notifications/{id}/read",
    tag = "notifications",
    params(("id" = String, Path, description = "The notification's id")),
    responses(
        (status = 200, description = "Read", body = NotificationView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn read(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = path_id(&request, "id")?;
    let inboxes = caller.inboxes(&state);
    let read = state.house.store.read_notification(&inboxes, id).await?;
    let read = read.ok_or_else(Problem::not_found)?;
    Ok(fresh().json(NotificationView::from(read)))
}
