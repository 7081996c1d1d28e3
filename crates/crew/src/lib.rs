//! The lane workers of one process: named, on the admin port, and seen out.
//!
//! Between `service`, which knows no work, and `engine`, which knows no process. Promises that
//! `/readyz` tells of every lane that is worked on, and that the last rings go out when the last lane
//! has drained: what the last attempts bore is among them. Shown by the binaries' own tests:
//! `process::a_lane_of_dead_letters_that_is_paused_is_told_in_readyz` (dead-letter-handler),
//! `leaving::what_the_last_attempt_bears_is_rung_before_the_process_ends` (import-worker).

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::{BusSettings, RingConsumer};
use domain::{BizType, BudgetTerms, Lane, RetryPolicies};
use engine::{
    Announcer, BizHandler, BulkHandler, BulkSettings, BulkWorker, LaneBoard, LaneSettings,
    LaneWorker, Seat,
};
use service::{AdminServer, House, Lifecycle, Probe, Process, Settings};
use store::Store;
use tokio_util::task::TaskTracker;

/// What the last rings may take at shutdown.
const RING_PATIENCE: Duration = Duration::from_secs(3);
/// The part of the grace period in which attempts may still finish; what is left is for handing
/// back and for leaving the group.
const DRAIN_SHARE: f64 = 0.6;

/// Who does the work of a lane, by its kind.
pub type Handlers = HashMap<BizType, Arc<dyn BizHandler>>;

/// The lane workers of a process.
pub struct Crew {
    name: String,
    settings: Settings,
    retry: RetryPolicies,
    store: Store,
    bus: BusSettings,
    announcer: Announcer,
    board: LaneBoard,
    lifecycle: Lifecycle,
    working: TaskTracker,
}

impl Crew {
    /// Nobody works yet, but the admin port is open: with the house's probes, and the lanes of
    /// whoever will.
    ///
    /// # Errors
    /// When the port cannot be bound or a setting is not usable.
    pub fn gather(process: &Process, house: &House) -> anyhow::Result<Self> {
        let Process {
            name,
            settings,
            lifecycle,
            telemetry,
        } = process;
        let board = LaneBoard::default();
        let mut probes = house.probes();
        probes.push(Probe::known("lanes", {
            let board = board.clone();
            move || board.told()
        }));
        AdminServer::start(settings.admin.listen, lifecycle, telemetry, probes)?;
        Ok(Self {
            name: format!("{name}@{}#{}", host(), std::process::id()),
            retry: settings.retry_policies()?,
            settings: settings.clone(),
            store: house.store.clone(),
            bus: house.bus.clone(),
            announcer: Announcer::new(house.store.clone(), house.ringer.clone()),
            board,
            lifecycle: lifecycle.clone(),
            working: TaskTracker::new(),
        })
    }

    /// The worker's name, as it stands in the rows that it holds.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets a worker to a lane until the process is told to end; `permits` rows at once.
    ///
    /// # Errors
    /// When the consumer's settings are not usable.
    pub fn work(&self, lane: &Lane, permits: u32, handlers: Handlers) -> anyhow::Result<()> {
        self.work_as(self.lane_settings(lane.clone(), permits)?, handlers, None)
    }

    /// As [`Crew::work`], as these settings say; with a seat it shares its turns with other lanes.
    ///
    /// # Errors
    /// As [`Crew::work`].
    pub fn work_as(
        &self,
        settings: LaneSettings,
        handlers: Handlers,
        seat: Option<Seat>,
    ) -> anyhow::Result<()> {
        let consumer = RingConsumer::join(&self.bus, &settings.lane).context("kafka")?;
        let (store, announcer) = (self.store.clone(), self.announcer.clone());
        let worker = LaneWorker::new(&self.name, store, announcer, settings, handlers);
        let mut worker = worker.on_board(&self.board);
        if let Some(seat) = seat {
            worker = worker.sharing(seat);
        }
        let soft = self.lifecycle.soft();
        self.employ(async move { Ok(worker.run(consumer, soft).await?) });
        Ok(())
    }

    /// Sets a worker to a lane whose rows are run in bulk, sharing as [`Crew::work_as`] says.
    ///
    /// # Errors
    /// As [`Crew::work`].
    pub fn work_in_bulk(
        &self,
        settings: BulkSettings,
        handler: Arc<dyn BulkHandler>,
        seat: Option<Seat>,
    ) -> anyhow::Result<()> {
        let consumer = RingConsumer::join(&self.bus, &settings.lane).context("kafka")?;
        let (store, announcer) = (self.store.clone(), self.announcer.clone());
        let worker = BulkWorker::new(&self.name, store, announcer, settings, handler);
        let mut worker = worker.on_board(&self.board);
        if let Some(seat) = seat {
            worker = worker.sharing(seat);
        }
        let soft = self.lifecycle.soft();
        self.employ(async move { Ok(worker.run(consumer, soft).await?) });
        Ok(())
    }

    fn employ(&self, work: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.lifecycle
            .spawn("lane", self.working.track_future(work));
    }

    /// How long running attempts may take to finish when the process is told to end.
    #[must_use]
    pub fn drain(&self) -> Duration {
        self.lifecycle.grace().mul_f64(DRAIN_SHARE)
    }

    /// Waits until the last lane has drained, then lets the last rings out, and `last` be done beside
    /// them. To be called once the soft shutdown has begun.
    pub async fn leave(self, last: impl Future<Output = ()>) {
        self.working.close();
        self.working.wait().await;
        tokio::join!(last, self.announcer.close(RING_PATIENCE));
    }

    /// Has the crew leave when the process is told to end.
    pub fn see_out(self, last: impl Future<Output = ()> + Send + 'static) {
        let lifecycle = self.lifecycle.clone();
        let soft = lifecycle.soft();
        lifecycle.spawn("last rings", async move {
            soft.cancelled().await;
            self.leave(last).await;
            Ok(())
        });
    }

    fn lane_settings(&self, lane: Lane, permits: u32) -> anyhow::Result<LaneSettings> {
        let worker = &self.settings.worker;
        Ok(LaneSettings {
            lane,
            permits: usize::try_from(permits)?,
            lease: seconds(worker.lease_seconds),
            scan_interval: seconds(worker.scan_interval_seconds),
            hard_deadline: seconds(worker.hard_deadline_seconds),
            retry: self.retry.clone(),
            budget: BudgetTerms::default(),
            breaker: self.settings.breaker.terms(),
            drain: self.drain(),
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
