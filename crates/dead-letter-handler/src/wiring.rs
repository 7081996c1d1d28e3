//! The process: a lane worker for the `.dlt` of every lane, and the gauges of letters that wait.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::{BusSettings, RingConsumer};
use domain::{BizType, BudgetTerms, DEAD_LETTER, Lane};
use engine::{Announcer, BizHandler, LaneSettings, LaneWorker};
use service::{AdminServer, House, Lifecycle, Process, Settings};
use store::Store;
use tokio_util::task::TaskTracker;

use crate::{DeadLetterHandler, Known, OpenGauge};

/// What the last rings may take at shutdown.
const RING_PATIENCE: Duration = Duration::from_secs(3);
/// The part of the grace period in which attempts may still finish; what is left is for handing
/// back and for leaving the group.
const DRAIN_SHARE: f64 = 0.6;
/// How often lanes are looked for that no definition names.
const NEW_LANES_PAUSE: Duration = Duration::from_secs(10);

/// Starts the handler.
///
/// # Errors
/// When a setting or a definition is not usable. A database or a Kafka that is away is waited for.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let Process {
        settings,
        lifecycle,
        telemetry,
        name,
        ..
    } = process;
    let house = House::open(&settings)?;
    let lanes = lanes(&house)?;
    AdminServer::start(
        settings.admin.listen,
        &lifecycle,
        &telemetry,
        house.probes(),
    )?;
    let known = Known::new(&lanes);
    let team = Team {
        name: format!("{name}@{}#{}", host(), std::process::id()),
        handler: Arc::new(DeadLetterHandler::new(house.store.clone(), known.clone())),
        announcer: Announcer::new(house.store.clone(), house.ringer.clone()),
        store: house.store.clone(),
        bus: house.bus,
        settings,
        lifecycle: lifecycle.clone(),
        working: TaskTracker::new(),
    };
    let defined: BTreeSet<Lane> = lanes.iter().map(Lane::dead_letters).collect();
    for lane in &defined {
        team.work(lane)?;
    }
    let (gauge, soft) = (OpenGauge::new(house.store, known), lifecycle.soft());
    lifecycle.spawn("open dead letters", async move {
        gauge.run(soft).await;
        Ok(())
    });
    lifecycle.set_ready();
    tracing::info!(
        worker = team.name,
        lanes = lanes.len(),
        "dead letters are looked at"
    );
    lifecycle.spawn("new lanes", team.work_on_new_lanes(defined));
    Ok(())
}

/// Every lane that work is done on.
fn lanes(house: &House) -> anyhow::Result<Vec<Lane>> {
    let mut lanes = house.export_lanes()?;
    for import in house.import_lanes()? {
        lanes.extend([import.imports, import.batches]);
    }
    Ok(lanes)
}

/// What all lane workers have in common.
struct Team {
    name: String,
    handler: Arc<dyn BizHandler>,
    announcer: Announcer,
    store: Store,
    bus: BusSettings,
    settings: Settings,
    lifecycle: Lifecycle,
    working: TaskTracker,
}

impl Team {
    /// Sets a worker to a lane of dead letters.
    fn work(&self, lane: &Lane) -> anyhow::Result<()> {
        let consumer = RingConsumer::join(&self.bus, lane).context("kafka")?;
        let worker = LaneWorker::new(
            &self.name,
            self.store.clone(),
            self.announcer.clone(),
            self.lane_settings(lane.clone())?,
            HashMap::from([(BizType::parse(DEAD_LETTER)?, self.handler.clone())]),
        );
        let soft = self.lifecycle.soft();
        let work = async move { Ok(worker.run(consumer, soft).await?) };
        self.lifecycle
            .spawn("lane", self.working.track_future(work));
        Ok(())
    }

    /// Rows of retired queues, and of kinds of work that no definition names, are given up, too: sets
    /// a worker to their dead letters when the first is there. At shutdown lets the last rings out
    /// when the last lane has ended.
    async fn work_on_new_lanes(self, mut known: BTreeSet<Lane>) -> anyhow::Result<()> {
        let soft = self.lifecycle.soft();
        while !soft.is_cancelled() {
            match self.store.lanes_of_rows().await {
                Ok(names) => {
                    let lanes = names.into_iter().filter_map(|name| Lane::parse(name).ok());
                    for lane in lanes.filter(Lane::is_dead_letters) {
                        if known.insert(lane.clone()) {
                            tracing::info!(%lane, "dead letters of a lane that no definition names");
                            self.work(&lane)?;
                        }
                    }
                }
                // every other statement meets the same trouble and tells of it
                Err(error) => tracing::debug!(%error, "it is not known which lanes are new"),
            }
            let pause = tokio::time::sleep(NEW_LANES_PAUSE);
            soft.run_until_cancelled(pause).await;
        }
        self.working.close();
        self.working.wait().await;
        self.announcer.close(RING_PATIENCE).await;
        Ok(())
    }

    fn lane_settings(&self, lane: Lane) -> anyhow::Result<LaneSettings> {
        let (settings, worker) = (&self.settings, &self.settings.worker);
        Ok(LaneSettings {
            lane,
            permits: usize::try_from(settings.dead_letters.permits)?,
            lease: seconds(worker.lease_seconds),
            scan_interval: seconds(worker.scan_interval_seconds),
            hard_deadline: seconds(worker.hard_deadline_seconds),
            retry: settings.retry_policies()?,
            budget: BudgetTerms::default(),
            breaker: settings.breaker.terms(),
            drain: self.lifecycle.grace().mul_f64(DRAIN_SHARE),
        })
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// The machine's name, for operators who look for a worker.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(
        |_unknown| "unknown".to_owned(),
        |name| name.trim().to_owned(),
    )
}
