//! The HTTP server: routes, and what holds around all of them.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::guard::{self, Guard};
use actix_web::http::header;
use actix_web::{App, Handler, HttpResponse, HttpServer, Resource, Route, middleware, web};
use anyhow::Context;
use service::Lifecycle;

use crate::log::refusals;
use crate::observe::observe;
use crate::problem::{Code, Problem};
use crate::state::State;
use crate::{
    acts, attempts, compensations, datasets, dead_letters, events, exports, files, imports, lanes,
    notification_settings, notifications, openapi, operation_log, quotas, row_errors, rows, tasks,
    template, webhooks,
};

/// What the last rings may take at shutdown.
const RING_PATIENCE: Duration = Duration::from_secs(5);

/// What the removal of unfinished uploads may take at shutdown.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(2);

/// The gateway, ready to serve.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) state: web::Data<State>,
}

impl Gateway {
    /// Binds `listen` and serves with `workers` threads until the soft shutdown; requests under way
    /// are answered, and their rings sent, within the grace period. Returns the address that was bound.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn serve(
        &self,
        listen: SocketAddr,
        workers: usize,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(listen)
            .with_context(|| format!("cannot listen on {listen} (http.listen)"))?;
        let address = listener.local_addr()?;
        let state = self.state.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .wrap(middleware::from_fn(refusals))
                .wrap(middleware::from_fn(observe))
                .configure(routes)
                .default_service(web::to(nowhere))
        })
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(drain_time(lifecycle.grace()).as_secs())
        .listen(listener)?
        .run();
        self.state.events.start(lifecycle);
        self.state.authenticator.start(lifecycle);
        let handle = server.handle();
        let soft = lifecycle.soft();
        let announcer = self.state.announcer.clone();
        let uploads = self.state.uploads.clone();
        lifecycle.spawn("http server", async move {
            let ended = server.await;
            uploads.close(UPLOAD_PATIENCE).await;
            // Only now is there no request left that could ring.
            announcer.close(RING_PATIENCE).await;
            Ok(ended?)
        });
        lifecycle.spawn("http shutdown", async move {
            soft.cancelled().await;
            handle.stop(true).await;
            Ok(())
        });
        Ok(address)
    }
}

/// What requests under way get of the grace period: the last rings need some of it.
fn drain_time(grace: Duration) -> Duration {
    grace
        .saturating_sub(RING_PATIENCE + UPLOAD_PATIENCE + Duration::from_secs(1))
        .max(Duration::from_secs(1))
}

fn routes(app: &mut web::ServiceConfig) {
    app.service(resource("/openapi.json", "GET, HEAD").route(get(openapi::show)))
        .service(resource("/api/v1/exports", "POST").route(web::post().to(exports::submit)))
        .service(resource("/api/v1/imports", "POST").route(web::post().to(imports::submit)))
        .service(resource("/api/v1/tasks", "GET, HEAD").route(get(tasks::list)))
        // Before the tasks: `events` is no id.
        .service(resource("/api/v1/tasks/events", "GET").route(web::get().to(events::of_own)))
        .service(
            resource("/api/v1/tasks/events-ticket", "POST")
                .route(web::post().to(events::ticket_to_own)),
        )
        .service(resource("/api/v1/tasks/{id}/events", "GET").route(web::get().to(events::of_task)))
        .service(
            resource("/api/v1/tasks/{id}/events-ticket", "POST")
                .route(web::post().to(events::ticket_to_task)),
        )
        .service(
            resource("/api/v1/tasks/{id}", "GET, HEAD, DELETE")
                .route(get(tasks::show))
                .route(web::delete().to(acts::delete)),
        )
        .service(resource("/api/v1/tasks/{id}/cancel", "POST").route(web::post().to(acts::cancel)))
        .service(resource("/api/v1/tasks/{id}/retry", "POST").route(web::post().to(acts::retry)))
        .service(resource("/api/v1/tasks/{id}/attempts", "GET, HEAD").route(get(attempts::list)))
        .service(
            resource("/api/v1/tasks/{id}/row-errors", "GET, HEAD").route(get(row_errors::list)),
        )
        .service(resource("/api/v1/tasks/{id}/download", "GET, HEAD").route(get(files::download)))
        .service(
            resource("/api/v1/tasks/{id}/files/{file_id}", "GET, HEAD").route(get(files::file)),
        )
        .service(
            resource("/api/v1/compensations", "GET, HEAD, POST")
                .route(get(compensations::list))
                .route(web::post().to(compensations::submit)),
        )
        .service(
            resource("/api/v1/compensations/{id}", "GET, HEAD").route(get(compensations::show)),
        )
        .service(
            resource("/api/v1/compensations/{id}/retry", "POST")
                .route(web::post().to(compensations::retry)),
        )
        .service(
            resource("/api/v1/compensations/{id}/cancel", "POST")
                .route(web::post().to(compensations::cancel)),
        )
        .service(
            resource("/api/v1/compensation-groups/{id}", "GET, HEAD")
                .route(get(compensations::group)),
        )
        .service(resource("/api/v1/dead-letters", "GET, HEAD").route(get(dead_letters::list)))
        // Before the letters: neither is an id.
        .service(
            resource("/api/v1/dead-letters/summary", "GET, HEAD").route(get(dead_letters::summary)),
        )
        .service(
            resource("/api/v1/dead-letters/redrive", "POST")
                .route(web::post().to(dead_letters::redrive_many)),
        )
        .service(resource("/api/v1/dead-letters/{id}", "GET, HEAD").route(get(dead_letters::show)))
        .service(
            resource("/api/v1/dead-letters/{id}/redrive", "POST")
                .route(web::post().to(dead_letters::redrive)),
        )
        .service(
            resource("/api/v1/dead-letters/{id}/discard", "POST")
                .route(web::post().to(dead_letters::discard)),
        )
        .service(resource("/api/v1/notifications", "GET, HEAD").route(get(notifications::list)))
        .service(
            resource("/api/v1/notifications/{id}/read", "POST")
                .route(web::post().to(notifications::read)),
        )
        .service(
            resource("/api/v1/notifications/settings", "GET, HEAD, PUT")
                .route(get(notification_settings::show))
                .route(web::put().to(notification_settings::set)),
        )
        .service(
            resource("/api/v1/webhooks", "GET, HEAD, POST")
                .route(get(webhooks::list))
                .route(web::post().to(webhooks::make)),
        )
        .service(
            resource("/api/v1/webhooks/{id}", "DELETE").route(web::delete().to(webhooks::delete)),
        )
        .service(
            resource("/api/v1/webhooks/{id}/deliveries", "GET, HEAD")
                .route(get(webhooks::deliveries)),
        )
        .service(resource("/api/v1/operation-log", "GET, HEAD").route(get(operation_log::list)))
        .service(resource("/api/v1/quotas", "GET, HEAD").route(get(quotas::show)))
        .service(resource("/api/v1/lanes", "GET, HEAD").route(get(lanes::list)))
        .service(resource("/api/v1/lanes/{lane}/pause", "POST").route(web::post().to(lanes::pause)))
        .service(
            resource("/api/v1/lanes/{lane}/resume", "POST").route(web::post().to(lanes::resume)),
        )
        .service(resource("/api/v1/lanes/{lane}/scan", "POST").route(web::post().to(lanes::scan)))
        .service(resource("/api/v1/datasets", "GET, HEAD").route(get(datasets::list)))
        .service(resource("/api/v1/datasets/{name}", "GET, HEAD").route(get(datasets::show)))
        .service(
            resource("/api/v1/datasets/{name}/template", "GET, HEAD").route(get(template::show)),
        )
        .service(
            resource("/api/v1/datasets/{name}/rows", "POST").route(web::post().to(rows::submit)),
        );
}

/// A resource that answers other methods than `allow` by 405.
fn resource(path: &'static str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || {
        let detail = format!("allowed here: {allow}");
        let problem =
            Problem::new(Code::MethodNotAllowed, detail).with_header(header::ALLOW, allow);
        ready(Err::<HttpResponse, _>(problem))
    }))
}

/// GET, and HEAD as its shadow.
fn get<H, Args>(handler: H) -> Route
where
    H: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    H::Output: actix_web::Responder + 'static,
{
    web::route().guard(get_or_head()).to(handler)
}

fn get_or_head() -> impl Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

async fn nowhere() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}
