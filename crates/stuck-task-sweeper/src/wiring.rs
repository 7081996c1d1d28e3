//! The process: rescue, relay and retention, until it is told to end.

use std::time::Duration;

use domain::{HandlerCatalog, HandlerKind};
use engine::{Announcer, RelayAll, RelayLane, Sweeper};
use service::{AdminServer, House, Process, Settings, read_handlers};
use store::RetentionTerms;

use crate::retention::Retention;

/// What the last rings may take at shutdown.
const RING_PATIENCE: Duration = Duration::from_secs(3);

/// Starts the sweeper.
///
/// # Errors
/// When a setting or a definition is not usable. A database, a Kafka or a storage that is away is
/// waited for.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let Process {
        settings,
        lifecycle,
        telemetry,
        ..
    } = process;
    let house = House::open(&settings)?;
    let handlers = match &settings.handlers.dir {
        Some(dir) => read_handlers(dir, &house.catalog)?,
        None => HandlerCatalog::default(),
    };
    AdminServer::start(
        settings.admin.listen,
        &lifecycle,
        &telemetry,
        house.probes(),
    )?;
    let House {
        store,
        storage,
        ringer,
        ..
    } = house;
    let lease = longest_lease(&settings, &handlers);

    let sweeper = Sweeper {
        store: store.clone(),
        lease,
        interval: settings.sweeper.interval(),
    };
    let soft = lifecycle.soft();
    lifecycle.spawn("sweeper", async move {
        sweeper.run(soft).await;
        Ok(())
    });

    let backlog = crate::backlog::keep(store.clone(), lifecycle.soft());
    lifecycle.spawn("backlog", async move {
        backlog.await;
        Ok(())
    });

    let announcer = Announcer::new(store.clone(), ringer);
    let relay = RelayAll {
        announcer: announcer.clone(),
        defined: handlers.iter().flat_map(RelayLane::of).collect(),
        scan_interval: seconds(settings.worker.scan_interval_seconds),
    };
    let soft = lifecycle.soft();
    lifecycle.spawn("relay", async move {
        relay.run(soft).await;
        announcer.close(RING_PATIENCE).await;
        Ok(())
    });

    let terms = RetentionTerms {
        rows: settings.retention.rows(),
        leftovers: settings.retention.leftovers(),
    };
    let retention = Retention::new(store, storage, terms);
    let (interval, soft) = (settings.retention.interval(), lifecycle.soft());
    lifecycle.spawn("retention", async move {
        retention.run(interval, lease, soft).await;
        Ok(())
    });

    lifecycle.set_ready();
    tracing::info!("the sweeper looks after every lane");
    Ok(())
}

/// Of all workers. Work that is done in batches has none: nobody sees its rows while they are held.
fn longest_lease(settings: &Settings, handlers: &HandlerCatalog) -> Duration {
    let defined = handlers.iter().filter_map(|handler| match handler.kind {
        HandlerKind::Rows(_) | HandlerKind::OperationLog => None,
        HandlerKind::Http(_) | HandlerKind::Code(_) | HandlerKind::Notify(_) => Some(handler.lease),
    });
    let common = seconds(settings.worker.lease_seconds);
    defined.fold(common, Duration::max)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
