//! The process: definitions checked, then one lane worker for each export queue. Relay and sweep are
//! the stuck-task-sweeper's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::RingConsumer;
use domain::{BizType, BudgetTerms, Lane};
use engine::{Announcer, BizHandler, LaneBoard, LaneSettings, LaneWorker};
use service::{AdminServer, House, Lifecycle, Probe, Process, Settings};
use store::EXPORT;
use tokio_util::task::TaskTracker;

use crate::handler::ExportHandler;

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
    let board = LaneBoard::default();
    let mut probes = house.probes();
    probes.push(Probe::known("lanes", {
        let board = board.clone();
        move || board.told()
    }));
    AdminServer::start(settings.admin.listen, &lifecycle, &telemetry, probes)?;
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
        let worker = worker.on_board(&board);
        let soft = lifecycle.soft();
        let work = async move { Ok(worker.run(consumer, soft).await?) };
        lifecycle.spawn("lane", working.track_future(work));
    }
    see_out(handler, working, announcer, &lifecycle);
    lifecycle.set_ready();
    tracing::info!(worker = worker_name, "the export worker takes work");
    Ok(())
}

/// Closes the handler, and lets the last rings out, when the last lane has ended: what the last
/// attempts bore is among them.
fn see_out(
    handler: Arc<ExportHandler>,
    working: TaskTracker,
    announcer: Announcer,
    lifecycle: &Lifecycle,
) {
    working.close();
    let soft = lifecycle.soft();
    lifecycle.spawn("row streams and last rings", async move {
        soft.cancelled().await;
        working.wait().await;
        tokio::join!(handler.close(), announcer.close(RING_PATIENCE));
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
    Ok(LaneSettings {
        lane: lane.clone(),
        permits: usize::try_from(worker.permits)?,
        lease: seconds(worker.lease_seconds),
        scan_interval: seconds(worker.scan_interval_seconds),
        hard_deadline: seconds(worker.hard_deadline_seconds),
        retry: settings.retry_policies()?,
        budget: BudgetTerms::default(),
        breaker: settings.breaker.terms(),
        drain: lifecycle.grace().mul_f64(DRAIN_SHARE),
    })
}

/// The machine's name, for operators who look for a worker.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(
        |_unknown| "unknown".to_owned(),
        |name| name.trim().to_owned(),
    )
}
