//! Puts the gateway together from its settings.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::{BizType, Clock, ExportDefaults, HandlerCatalog};
use engine::{Announcer, Relay, RelayLane};
use service::{AdminServer, House, Lifecycle, Process, Settings, read_handlers};
use store::{EXPORT, IMPORT};
use tokio_util::task::TaskTracker;

use crate::app::Gateway;
use crate::auth::Authenticator;
use crate::body::LargeBodies;
use crate::compensations::Gatherer;
use crate::events::{Hub, Tickets};
use crate::imports::Uploads;
use crate::quotas::{limits, most_uploads};
use crate::state::State;

/// Rows in one ring of a lane of exports, imports or batches (design.md, section 6).
const RING_SIZE: usize = 1;

/// Starts the gateway: public port, admin port, relay.
///
/// # Errors
/// When settings, definitions or addresses are not usable. A database or a Kafka that is away is
/// no reason.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let Process {
        settings,
        lifecycle,
        telemetry,
        ..
    } = process;
    let gateway = Gateway::new(&settings, Arc::new(wall_clock))?;
    let probes = gateway.state.house.probes();
    AdminServer::start(settings.admin.listen, &lifecycle, &telemetry, probes)?;
    gateway.check_datasets(&lifecycle);
    gateway.relay(&lifecycle)?;
    let address = gateway.serve(settings.http.listen, settings.http.workers, &lifecycle)?;
    lifecycle.set_ready();
    tracing::info!(%address, "the gateway is open");
    Ok(())
}

impl Gateway {
    /// A gateway as the settings say; reaches for nothing yet.
    ///
    /// # Errors
    /// When a setting or a dataset's definition is wrong, or there is nothing to check tokens with.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        crate::measures::describe();
        let house = House::open(settings)?;
        let handlers = match &settings.handlers.dir {
            Some(dir) => read_handlers(dir, &house.catalog)?,
            None => HandlerCatalog::default(),
        };
        let policies = settings.retry_policies()?;
        let retries = |biz_type: &str| {
            BizType::parse(biz_type).map(|biz_type| policies.of(&biz_type).max_cnt())
        };
        let announcer = Announcer::new(house.store.clone(), house.ringer.clone());
        let gatherer = Gatherer::new(house.store.clone(), announcer.clone(), &handlers);
        let state = State {
            uploads: Uploads {
                store: house.store.clone(),
                storage: house.storage.clone(),
                announcer: announcer.clone(),
                most_open: most_uploads(&settings.quotas),
                under_way: TaskTracker::new(),
            },
            upload_silence: settings.http.upload_silence(),
            upload_time: settings.http.upload_time(),
            announcer,
            events: Hub::new(house.store.clone(), &settings.events),
            gatherer,
            house,
            log_desk: crate::log::desk(&handlers),
            handlers: Arc::new(handlers),
            tickets: Tickets::new(&settings.auth.jwt_secret)?,
            keep_alive: settings.events.keep_alive(),
            authenticator: Authenticator::new(&settings.auth, settings.environment)?,
            defaults: defaults(settings)?,
            clock,
            limits: limits(&settings.quotas),
            export_retries: retries(EXPORT)?,
            import_retries: retries(IMPORT)?,
            house_tenant: settings.dead_letters.house_tenant.clone(),
            large_bodies: LargeBodies::new(),
            max_context_bytes: settings.handlers.max_context_bytes,
            scan_interval: Duration::from_secs(settings.worker.scan_interval_seconds.into()),
        };
        Ok(Self {
            state: web::Data::new(state),
        })
    }

    /// Compares the definitions with their tables as soon as the database is there. Requests are
    /// answered meanwhile; a definition that does not fit ends the process.
    fn check_datasets(&self, lifecycle: &Lifecycle) {
        let house = self.state.house.clone();
        let soft = lifecycle.soft();
        lifecycle.spawn("check of the definitions", async move {
            if let Some(checked) = soft.run_until_cancelled(house.check_datasets()).await {
                checked?;
                soft.cancelled().await;
            }
            Ok(())
        });
    }

    /// Rings rows that became due, until the soft shutdown.
    ///
    /// # Errors
    /// When a queue's name does not fit a topic.
    pub fn relay(&self, lifecycle: &Lifecycle) -> anyhow::Result<()> {
        let house = &self.state.house;
        let imports = house.import_lanes()?.into_iter();
        let imports = imports.flat_map(|lanes| [lanes.imports, lanes.batches]);
        let lanes = house.export_lanes()?.into_iter().chain(imports);
        let lanes = lanes.map(|lane| RelayLane {
            levels: None,
            lane,
            ring_size: RING_SIZE,
            scan_interval: self.state.scan_interval,
        });
        let handlers = self.state.handlers.iter();
        let of_business = handlers.flat_map(RelayLane::of);
        let relay = Relay {
            announcer: self.state.announcer.clone(),
            lanes: lanes.chain(of_business).collect(),
        };
        let soft = lifecycle.soft();
        lifecycle.spawn("relay", async move {
            relay.run(soft).await;
            Ok(())
        });
        Ok(())
    }
}

fn defaults(settings: &Settings) -> anyhow::Result<ExportDefaults> {
    let timezone = settings.defaults.timezone.parse();
    Ok(ExportDefaults {
        locale: settings.defaults.locale.clone(),
        timezone: timezone.context("defaults.timezone is no IANA name")?,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this process takes the time"
)]
fn wall_clock() -> DateTime<Utc> {
    Utc::now()
}
