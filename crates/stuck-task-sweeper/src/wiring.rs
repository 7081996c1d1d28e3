//! The process: rescue, relay and retention, until it is told to end.

use std::time::Duration;

use domain::{HandlerCatalog, HandlerDef};
use engine::{Announcer, Leases, RelayAll, RelayLane, Sweeper};
use service::{AdminServer, House, Process, read_handlers};
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
    let lease = seconds(settings.worker.lease_seconds);

    let of_lanes = |handler: &HandlerDef| {
        let lease = handler.lease;
        let lanes = handler.lanes().cloned();
        lanes.map(|lane| (lane, lease)).collect::<Vec<_>>()
    };
    let sweeper = Sweeper {
        store: store.clone(),
        leases: Leases {
            defined: handlers.iter().flat_map(of_lanes).collect(),
            common: lease,
        },
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

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
