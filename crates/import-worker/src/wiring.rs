//! The process: definitions checked, then two lane workers for each import queue, one for uploads
//! and ends of imports, one for batches. Relay and sweep are the stuck-task-sweeper's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::{BusSettings, RingConsumer};
use domain::{BizType, BudgetTerms, Catalog, Lane, RetryPolicies};
use engine::{Announcer, BizHandler, LaneBoard, LaneSettings, LaneWorker};
use service::{AdminServer, House, ImportLanes, Lifecycle, Probe, Process, Settings};
use store::{IMPORT, IMPORT_BATCH, IMPORT_FINISH, Store};
use tokio_util::task::TaskTracker;

use crate::tally;
use crate::{BatchHandler, FinishHandler, ImportHandler, ReadingTerms};

/// What the last rings may take at shutdown.
const RING_PATIENCE: Duration = Duration::from_secs(3);
/// The part of the grace period in which attempts may still finish; what is left is for handing
/// back and for leaving the group.
const DRAIN_SHARE: f64 = 0.6;

/// How often the gauges of what is open are set.
const BACKLOG_INTERVAL: Duration = Duration::from_secs(10);

type Handlers = HashMap<BizType, Arc<dyn BizHandler>>;

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
    let queues = house.import_lanes()?;
    let retry = settings.retry_policies()?;
    let crew = Crew::gather(&settings, &house, &retry)?;
    let board = LaneBoard::default();
    let mut probes = house.probes();
    probes.push(Probe::known("lanes", {
        let board = board.clone();
        move || board.told()
    }));
    AdminServer::start(settings.admin.listen, &lifecycle, &telemetry, probes)?;
    house.check_datasets().await?;

    let House {
        store,
        bus,
        ringer,
        catalog,
        ..
    } = house;
    let announcer = Announcer::new(store.clone(), ringer);
    let team = Team {
        name: format!("{name}@{}#{}", host(), std::process::id()),
        settings: &settings,
        retry,
        store: store.clone(),
        bus,
        board,
        announcer: announcer.clone(),
        lifecycle: lifecycle.clone(),
        working: TaskTracker::new(),
    };
    for ImportLanes { imports, batches } in &queues {
        team.work(
            imports,
            settings.import.splits_at_once,
            crew.imports.clone(),
        )?;
        team.work(
            batches,
            settings.import.batches_at_once,
            crew.batches.clone(),
        )?;
    }
    let worker = team.name.clone();
    see_out(team.working, announcer, &lifecycle);
    tally::describe();
    count_backlog(queues, store, &catalog, &lifecycle);
    lifecycle.set_ready();
    tracing::info!(worker, "the import worker takes work");
    Ok(())
}

/// The handlers of each kind of lane.
struct Crew {
    imports: Handlers,
    batches: Handlers,
}

impl Crew {
    fn gather(settings: &Settings, house: &House, retry: &RetryPolicies) -> anyhow::Result<Self> {
        let import = &settings.import;
        // What a split bears may fail so often.
        let max_cnt = retry.of(&BizType::parse(IMPORT_BATCH)?).max_cnt();
        let terms = ReadingTerms::new(import.temp_dir.as_deref(), import.stall(), max_cnt);
        let (store, storage) = (&house.store, &house.storage);
        let split = ImportHandler::new(
            store.clone(),
            storage.clone(),
            house.catalog.clone(),
            terms.clone(),
        );
        let finish =
            FinishHandler::new(store.clone(), storage.clone(), house.catalog.clone(), terms);
        let batch = BatchHandler::new(storage.clone(), house.catalog.clone(), max_cnt);
        let imports: [(_, Arc<dyn BizHandler>); 2] = [
            (BizType::parse(IMPORT)?, Arc::new(split)),
            (BizType::parse(IMPORT_FINISH)?, Arc::new(finish)),
        ];
        let batches: [(_, Arc<dyn BizHandler>); 1] =
            [(BizType::parse(IMPORT_BATCH)?, Arc::new(batch))];
        Ok(Self {
            imports: imports.into(),
            batches: batches.into(),
        })
    }
}

/// What all lane workers have in common.
struct Team<'a> {
    name: String,
    settings: &'a Settings,
    retry: RetryPolicies,
    store: Store,
    bus: BusSettings,
    board: LaneBoard,
    announcer: Announcer,
    lifecycle: Lifecycle,
    working: TaskTracker,
}

impl Team<'_> {
    /// Sets a worker to a lane.
    fn work(&self, lane: &Lane, permits: u32, handlers: Handlers) -> anyhow::Result<()> {
        let consumer = RingConsumer::join(&self.bus, lane).context("kafka")?;
        let worker = LaneWorker::new(
            &self.name,
            self.store.clone(),
            self.announcer.clone(),
            self.lane_settings(lane, permits)?,
            handlers,
        )
        .on_board(&self.board);
        let soft = self.lifecycle.soft();
        let work = async move { Ok(worker.run(consumer, soft).await?) };
        let work = self.working.track_future(work);
        self.lifecycle.spawn("lane", work);
        Ok(())
    }

    fn lane_settings(&self, lane: &Lane, permits: u32) -> anyhow::Result<LaneSettings> {
        let worker = &self.settings.worker;
        Ok(LaneSettings {
            lane: lane.clone(),
            permits: usize::try_from(permits)?,
            lease: seconds(worker.lease_seconds),
            scan_interval: seconds(worker.scan_interval_seconds),
            hard_deadline: seconds(worker.hard_deadline_seconds),
            retry: self.retry.clone(),
            budget: BudgetTerms::default(),
            breaker: self.settings.breaker.terms(),
            drain: self.lifecycle.grace().mul_f64(DRAIN_SHARE),
        })
    }
}

/// Lets the last rings out when the last lane has ended: what the last attempts bore is among them.
fn see_out(working: TaskTracker, announcer: Announcer, lifecycle: &Lifecycle) {
    working.close();
    let soft = lifecycle.soft();
    lifecycle.spawn("last rings", async move {
        soft.cancelled().await;
        working.wait().await;
        announcer.close(RING_PATIENCE).await;
        Ok(())
    });
}

/// Counts what is open on the lanes, and of which datasets.
fn count_backlog(queues: Vec<ImportLanes>, store: Store, catalog: &Catalog, lifecycle: &Lifecycle) {
    let of_batches: Vec<Lane> = queues.iter().map(|it| it.batches.clone()).collect();
    let importable = catalog.iter().filter(|it| !it.import_modes.is_empty());
    let datasets: Vec<String> = importable.map(|it| it.name.clone()).collect();
    let lanes = queues.into_iter();
    let lanes: Vec<Lane> = lanes.flat_map(|it| [it.imports, it.batches]).collect();
    let soft = lifecycle.soft();
    lifecycle.spawn("backlog", async move {
        while !soft.is_cancelled() {
            tell_backlog(&store, &lanes).await;
            tell_batches(&store, &of_batches, &datasets).await;
            let pause = tokio::time::sleep(BACKLOG_INTERVAL);
            soft.run_until_cancelled(pause).await;
        }
        Ok(())
    });
}

/// Sets the gauges of what is open on the lanes.
async fn tell_backlog(store: &Store, lanes: &[Lane]) {
    for lane in lanes {
        match store.backlog(lane).await {
            Ok(backlog) => {
                let lane = lane.to_string();
                metrics::gauge!("quayside_lane_open_rows", "lane" => lane.clone())
                    .set(backlog.rows as f64);
                metrics::gauge!("quayside_lane_oldest_row_seconds", "lane" => lane)
                    .set(backlog.oldest_seconds as f64);
            }
            // every other statement meets the same trouble and tells of it
            Err(error) => tracing::debug!(%lane, %error, "the backlog is not known"),
        }
    }
}

/// Sets the gauges of the batches that are open, on all lanes together.
async fn tell_batches(store: &Store, lanes: &[Lane], datasets: &[String]) {
    let mut open = vec![0; datasets.len()];
    for lane in lanes {
        match store.open_batches(lane, datasets).await {
            Ok(counts) => {
                for (sum, count) in open.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
            Err(error) => {
                tracing::debug!(%lane, %error, "the open batches are not known");
                return;
            }
        }
    }
    for (dataset, batches) in datasets.iter().zip(open) {
        tally::open_batches(dataset, batches);
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
