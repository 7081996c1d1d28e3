//! The process: definitions checked, then one lane worker for each export queue, and until the
//! sweeper has a binary of its own, relay and sweep as well.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::RingConsumer;
use domain::{BizType, Lane, RetryPolicy};
use engine::{Announcer, BizHandler, LaneSettings, LaneWorker, Relay, RelayLane, Sweeper};
use service::{AdminServer, House, Lifecycle, Process, Settings};
use store::{EXPORT, Store};
use tokio_util::task::TaskTracker;

use crate::handler::ExportHandler;

/// Rows in one ring of an export lane (design.md §6).
const RING_SIZE: usize = 1;
/// What the last rings may take at shutdown.
const RING_PATIENCE: Duration = Duration::from_secs(3);
/// The part of the grace period in which attempts may still finish; what is left is for handing
/// back and for leaving the group.
const DRAIN_SHARE: f64 = 0.6;

/// Starts the worker.
///
/// # Errors
/// When a setting is not usable, or a definition does not fit its table: told with file, line and
/// reason. A database or a Kafka that is away is waited for.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let Process {
        settings,
        lifecycle,
        telemetry,
        name,
        ..
    } = process;
    let house = House::open(&settings)?;
    let lanes = house.export_lanes()?;
    AdminServer::start(
        settings.admin.listen,
        &lifecycle,
        &telemetry,
        house.probes(),
    )?;
    house.check_datasets().await?;

    let House {
        catalog,
        store,
        storage,
        bus,
        ringer,
    } = house;
    let handler = ExportHandler::new(store.clone(), storage, catalog, settings.export.zip_level);
    let handler = Arc::new(handler);
    let announcer = Announcer::new(store.clone(), ringer);
    let working = TaskTracker::new();
    let worker_name = format!("{name}@{}#{}", host(), std::process::id());
    for lane in &lanes {
        let consumer = RingConsumer::join(&bus, lane).context("kafka")?;
        let lane_settings = lane_settings(&settings, lane, &lifecycle)?;
        let exports: Arc<dyn BizHandler> = handler.clone();
        let handlers = HashMap::from([(BizType::parse(EXPORT)?, exports)]);
        let (store, announcer) = (store.clone(), announcer.clone());
        let worker = LaneWorker::new(&worker_name, store, announcer, lane_settings, handlers);
        let soft = lifecycle.soft();
        let work = async move { Ok(worker.run(consumer, soft).await?) };
        lifecycle.spawn("lane", working.track_future(work));
    }
    see_out(handler, working, &lifecycle);
    look_after(&settings, lanes, &store, announcer, &lifecycle);
    lifecycle.set_ready();
    tracing::info!(worker = worker_name, "the export worker takes work");
    Ok(())
}

/// Closes the handler when the last lane has ended.
fn see_out(handler: Arc<ExportHandler>, working: TaskTracker, lifecycle: &Lifecycle) {
    working.close();
    let soft = lifecycle.soft();
    lifecycle.spawn("row streams", async move {
        soft.cancelled().await;
        working.wait().await;
        handler.close().await;
        Ok(())
    });
}

fn lane_settings(
    settings: &Settings,
    lane: &Lane,
    lifecycle: &Lifecycle,
) -> anyhow::Result<LaneSettings> {
    let worker = &settings.worker;
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let floors = worker
        .backoff_seconds
        .iter()
        .copied()
        .map(seconds)
        .collect();
    Ok(LaneSettings {
        lane: lane.clone(),
        permits: usize::try_from(worker.permits)?,
        lease: seconds(worker.lease_seconds),
        scan_interval: seconds(worker.scan_interval_seconds),
        hard_deadline: seconds(worker.hard_deadline_seconds),
        retry: RetryPolicy::new(worker.max_attempts, floors).context("worker.backoff_seconds")?,
        drain: lifecycle.grace().mul_f64(DRAIN_SHARE),
    })
}

/// Relay and sweep.
fn look_after(
    settings: &Settings,
    lanes: Vec<Lane>,
    store: &Store,
    announcer: Announcer,
    lifecycle: &Lifecycle,
) {
    let lease = Duration::from_secs(settings.worker.lease_seconds.into());
    let scan_interval = Duration::from_secs(settings.worker.scan_interval_seconds.into());
    let relayed = lanes.iter().cloned();
    let relay = Relay {
        announcer: announcer.clone(),
        lanes: relayed
            .map(|lane| RelayLane {
                lane,
                ring_size: RING_SIZE,
                scan_interval,
            })
            .collect(),
    };
    let soft = lifecycle.soft();
    lifecycle.spawn("relay", async move {
        relay.run(soft).await;
        announcer.close(RING_PATIENCE).await;
        Ok(())
    });
    let sweeper = Sweeper {
        store: store.clone(),
        lanes,
        lease,
        interval: lease / 3,
    };
    let soft = lifecycle.soft();
    lifecycle.spawn("sweeper", async move {
        sweeper.run(soft).await;
        Ok(())
    });
}

/// The machine's name, for operators who look for a worker.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(
        |_unknown| "unknown".to_owned(),
        |name| name.trim().to_owned(),
    )
}
