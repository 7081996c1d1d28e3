//! `GET /notifications/settings`, `PUT /notifications/settings`: by what a user wants to be told when
//! their tasks end. Nobody is told who has not asked for it. Proven by `tests/it/webhooks.rs`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use store::NotificationSettings;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::body::{fields, read_json};
use crate::listing::fresh;
use crate::problem::Problem;
use crate::state::State;
use crate::webhooks::spec;

/// Most bytes of a request.
const MAX_BODY_BYTES: usize = 4 << 10;

/// By what a user wants to be told; webhooks are besides it. Unknown fields are refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotificationSettings)]
pub(crate) struct SettingsView {
    /// By the inbox: `GET /notifications`. False when left out.
    #[schema(required = false)]
    in_app: bool,
    /// By mail to this address; null, or left out, for none.
    email: Option<String>,
}

impl From<NotificationSettings> for SettingsView {
    fn from(settings: NotificationSettings) -> Self {
        let NotificationSettings { in_app, email } = settings;
        Self { in_app, email }
    }
}

/// Shows what the user has set.
#[utoipa::path(
    get,
    path = "/api/v1/notifications/settings",
    tag = "notifications",
    responses(
        (status = 200, description = "The settings", body = SettingsView),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn show(caller: Caller, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let store = &state.house.store;
    let settings = store.notification_settings(&caller.tenant, &caller.user);
    Ok(fresh().json(SettingsView::from(settings.await?)))
}

/// Sets by what the user wants to be told when a task of theirs ends from now on.
#[utoipa::path(
    put,
    path = "/api/v1/notifications/settings",
    tag = "notifications",
    request_body = SettingsView,
    responses(
        (status = 200, description = "Set", body = SettingsView),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 413, description = "body_too_large", body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 422, description = "unknown_biz_type", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn set(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = read_json(&request, payload, MAX_BODY_BYTES).await?;
    let settings = read(&body)?;
    let spec = spec(&state)?;
    if let Some(email) = &settings.email {
        let allowed = spec.check_email(email);
        allowed.map_err(|reason| Problem::invalid("email", reason))?;
    }
    let store = &state.house.store;
    let actor = caller.actor(&request);
    store.set_notification_settings(&actor, &settings).await?;
    tracing::info!(actor = %caller.user, "notification settings changed");
    Ok(fresh().json(SettingsView::from(settings)))
}

fn read(body: &[u8]) -> Result<NotificationSettings, Problem> {
    let mut body = fields(body)?;
    let in_app = match body.remove("in_app") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(in_app)) => in_app,
        Some(_) => return Err(Problem::invalid("in_app", "in_app is true or false")),
    };
    let email = match body.remove("email") {
        None | Some(Value::Null) => None,
        Some(Value::String(email)) => Some(email),
        Some(_) => return Err(Problem::invalid("email", "email is an address or null")),
    };
    match body.keys().next() {
        Some(name) => Err(Problem::unknown_field(name)),
        None => Ok(NotificationSettings { in_app, email }),
    }
}
