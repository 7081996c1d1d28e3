//! The admin port of every binary: `/livez`, `/readyz`, `/metrics`.
//!
//! `/readyz` is 503 only while the process starts or drains. The state of each dependency, and of
//! the lanes that the process works on, is detail in its body: a database's outage, or a lane that is
//! paused, must not take every pod out of service. Proven by
//! `tests/it/admin.rs`.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::json;

use crate::lifecycle::{Lifecycle, Phase};
use crate::telemetry::Telemetry;

/// A dependency that has not answered by then counts as away.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often recorded metrics are folded where nobody scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

type Check = dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync;

type Look = dyn Fn() -> (&'static str, Option<String>) + Send + Sync;

/// A named detail of `/readyz`.
#[derive(Clone)]
pub struct Probe {
    name: &'static str,
    asks: Asks,
}

#[derive(Clone)]
enum Asks {
    /// A dependency, whether it is there.
    Dependency(Arc<Check>),
    /// The process, what it knows.
    Process(Arc<Look>),
}

impl Probe {
    /// A probe called `name`; `check` gets one second. What it returns as an error is shown on
    /// the admin port, so it must hold no secret.
    pub fn new<C, F>(name: &'static str, check: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self {
            name,
            asks: Asks::Dependency(Arc::new(move || check().boxed())),
        }
    }

    /// A probe called `name` of something that the process knows by itself: its state in a word, and
    /// what else is to be said of it. That is shown on the admin port, so it must hold no secret.
    pub fn known<L>(name: &'static str, look: L) -> Self
    where
        L: Fn() -> (&'static str, Option<String>) + Send + Sync + 'static,
    {
        let asks = Asks::Process(Arc::new(look));
        Self { name, asks }
    }

    async fn state(&self) -> serde_json::Value {
        match &self.asks {
            Asks::Dependency(check) => self.reached(check).await,
            Asks::Process(look) => match look() {
                (state, None) => json!({"name": self.name, "state": state}),
                (state, Some(detail)) => {
                    json!({"name": self.name, "state": state, "detail": detail})
                }
            },
        }
    }

    async fn reached(&self, check: &Arc<Check>) -> serde_json::Value {
        match tokio::time::timeout(PROBE_TIMEOUT, check()).await {
            Ok(Ok(())) => json!({"name": self.name, "state": "up"}),
            Ok(Err(error)) => {
                json!({"name": self.name, "state": "down", "detail": format!("{error:#}")})
            }
            Err(_) => json!({
                "name": self.name,
                "state": "down",
                "detail": format!("no answer within {} s", PROBE_TIMEOUT.as_secs()),
            }),
        }
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Probe").field(&self.name).finish()
    }
}

#[derive(Clone)]
struct Admin {
    lifecycle: Lifecycle,
    telemetry: Telemetry,
    probes: Arc<[Probe]>,
}

/// The admin port.
#[derive(Debug)]
pub struct AdminServer;

impl AdminServer {
    /// Binds `listen` and serves until all work has drained. Returns the address that was bound.
    pub fn start(
        listen: SocketAddr,
        lifecycle: &Lifecycle,
        telemetry: &Telemetry,
        probes: Vec<Probe>,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(listen)
            .with_context(|| format!("cannot listen on {listen} (admin.listen)"))?;
        let address = listener.local_addr()?;
        let admin = Admin {
            lifecycle: lifecycle.clone(),
            telemetry: telemetry.clone(),
            probes: probes.into(),
        };
        let upkeep = telemetry.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(admin.clone()))
                .route("/livez", web::get().to(HttpResponse::Ok))
                .route("/readyz", web::get().to(readyz))
                .route("/metrics", web::get().to(metrics))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run();
        let handle = server.handle();
        let drained = lifecycle.drained();
        lifecycle.spawn_support("admin server", async move { Ok(server.await?) });
        lifecycle.spawn_support("metrics upkeep", async move {
            while tokio::time::timeout(UPKEEP_INTERVAL, drained.cancelled())
                .await
                .is_err()
            {
                upkeep.run_upkeep();
            }
            handle.stop(true).await;
            Ok(())
        });
        tracing::info!(%address, "admin port is open");
        Ok(address)
    }
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    let (mut answer, state) = match admin.lifecycle.phase() {
        Phase::Ready => (HttpResponse::Ok(), "ready"),
        Phase::Starting => (HttpResponse::ServiceUnavailable(), "starting"),
        Phase::Draining => (HttpResponse::ServiceUnavailable(), "draining"),
    };
    let dependencies = join_all(admin.probes.iter().map(Probe::state)).await;
    answer.json(json!({"state": state, "dependencies": dependencies}))
}

async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(admin.telemetry.render_metrics())
}
