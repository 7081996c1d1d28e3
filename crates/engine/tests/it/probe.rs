//! A kind of work whose every step the test decides, and a house to run it in.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bus::{BusSettings, EmbeddedBroker, RingConsumer, Ringer};
use domain::{
    BizType, BreakerTerms, BudgetTerms, Failure, FileRole, Lane, Progress, RetryPolicy, Rung, Task,
    TaskId, TaskStatus, Tenant, UserId,
};
use engine::{
    Announcer, Attempt, BizHandler, LaneBoard, LaneSettings, LaneWorker, Relay, RelayLane, Seat,
    Turns,
};
use store::{Announced, Effects, NewArtifact, NewExport, Store, StoreSettings, Visibility};
use testkit::{MoodyProxy, TestDatabase, a_lane, an_export, eventually};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The progress that every probe reports when it begins.
pub(crate) const HALF: u64 = 50;

/// What a probe does with a row, the n-th time that it meets it.
type Script = dyn Fn(u64, u32) -> Step + Send + Sync;

/// One step of a script.
#[derive(Clone)]
pub(crate) enum Step {
    /// Publishes a file and finishes.
    Finish,
    /// Waits for the gate, then finishes.
    FinishWhenLet,
    /// Waits to be stopped.
    Hang,
    /// Fails so.
    Fail(Failure),
    /// Panics.
    Panic,
}

/// A handler that records what it was given and follows its script.
pub(crate) struct Probe {
    script: Box<Script>,
    /// One permit lets one waiting step go on.
    pub(crate) gate: Semaphore,
    runs: Mutex<BTreeMap<u64, u32>>,
    cleaned: Mutex<Vec<u64>>,
}

impl Probe {
    pub(crate) fn new(script: impl Fn(u64, u32) -> Step + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            gate: Semaphore::new(0),
            runs: Mutex::default(),
            cleaned: Mutex::default(),
        })
    }

    pub(crate) fn always(step: Step) -> Arc<Self> {
        Self::new(move |_, _| step.clone())
    }

    /// How often each row was begun.
    pub(crate) fn runs(&self) -> BTreeMap<u64, u32> {
        self.runs.lock().expect("no panic under it").clone()
    }

    /// Rows that were cleaned up after.
    pub(crate) fn cleaned(&self) -> Vec<u64> {
        self.cleaned.lock().expect("no panic under it").clone()
    }
}

#[async_trait]
impl BizHandler for Probe {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let id = attempt.claimed().lease.id.0;
        let times = {
            let mut runs = self.runs.lock().expect("no panic under it");
            let times = runs.entry(id).or_default();
            *times += 1;
            *times
        };
        attempt.report(Progress {
            done_rows: HALF,
            ..Progress::default()
        });
        match (self.script)(id, times) {
            Step::Finish => Ok(a_file(attempt)),
            Step::FinishWhenLet => tokio::select! {
                let_go = self.gate.acquire() => {
                    let_go.expect("the gate stays").forget();
                    Ok(a_file(attempt))
                }
                () = attempt.stopped().cancelled() => Err(Failure::stopped()),
            },
            Step::Hang => {
                attempt.stopped().cancelled().await;
                Err(Failure::stopped())
            }
            Step::Fail(failure) => Err(failure),
            Step::Panic => panic!("as the script says"),
        }
    }

    async fn clean_up(&self, attempt: &Attempt) {
        let id = attempt.claimed().lease.id.0;
        self.cleaned.lock().expect("no panic under it").push(id);
    }
}

fn a_file(attempt: &Attempt) -> Effects {
    if attempt.task_id().is_none() {
        return Effects::none();
    }
    let file = NewArtifact {
        role: FileRole::Artifact,
        object_key: format!("e{}", attempt.epoch()),
        name: "x.xlsx".to_owned(),
        size: 1,
        sha256: "0".repeat(64),
        rows: 1,
        keep: Duration::from_secs(60),
    };
    Effects::new(move |tx| {
        let file = file.clone();
        Box::pin(async move { tx.publish(&file).await })
    })
}

/// A database, a broker, a lane.
pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    /// What workers go through; the store itself unless a proxy stands before it.
    through: Store,
    pub(crate) broker: EmbeddedBroker,
    pub(crate) bus: BusSettings,
    pub(crate) lane: Lane,
}

/// A worker that runs in the background.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl House {
    pub(crate) async fn build() -> Self {
        let database = TestDatabase::create().await;
        let store = database.store_with_pool(8);
        let through = store.clone();
        let broker = EmbeddedBroker::start(1).expect("a port is free");
        let lane = a_lane();
        broker.create_topic(lane.as_str(), 4).expect("a topic");
        let bus = broker.settings();
        Self {
            database,
            store,
            through,
            broker,
            bus,
            lane,
        }
    }

    /// A house whose workers reach MySQL through a proxy.
    pub(crate) async fn behind_a_proxy() -> (Self, MoodyProxy) {
        let house = Self::build().await;
        let url = house.database.url();
        let proxy = MoodyProxy::before(url).await;
        let settings = StoreSettings {
            url: proxy.url(url),
            pool_size: 4,
        };
        let through = Store::connect(settings).expect("a pool");
        (Self { through, ..house }, proxy)
    }

    /// Settings that suit a test: short, but not so short that a busy machine breaks them.
    pub(crate) fn settings(&self) -> LaneSettings {
        LaneSettings {
            lane: self.lane.clone(),
            permits: 2,
            lease: Duration::from_secs(6),
            scan_interval: Duration::from_millis(300),
            hard_deadline: Duration::from_secs(600),
            retry: RetryPolicy::new(3, vec![Duration::from_millis(50)])
                .expect("a backoff")
                .into(),
            budget: BudgetTerms::default(),
            breaker: BreakerTerms::default(),
            drain: Duration::from_secs(20),
        }
    }

    pub(crate) fn work(&self, name: &str, settings: LaneSettings, probe: &Arc<Probe>) -> Running {
        self.work_on_board(name, settings, probe, &LaneBoard::default())
    }

    /// The same, with a board on which the worker notes how it finds its lane.
    pub(crate) fn work_on_board(
        &self,
        name: &str,
        settings: LaneSettings,
        probe: &Arc<Probe>,
        board: &LaneBoard,
    ) -> Running {
        let seat = Turns::new(settings.permits).seat(1, None);
        self.work_sharing(name, settings, probe, (board, seat))
    }

    /// The same, with turns that come from elsewhere.
    pub(crate) fn work_sharing(
        &self,
        name: &str,
        settings: LaneSettings,
        probe: &Arc<Probe>,
        (board, seat): (&LaneBoard, Seat),
    ) -> Running {
        let handler: Arc<dyn BizHandler> = probe.clone();
        let export = BizType::parse("EXPORT").expect("a name");
        let handlers = HashMap::from([(export, handler)]);
        let worker = LaneWorker::new(
            name,
            self.through.clone(),
            self.announcer(),
            settings,
            handlers,
        )
        .on_board(board)
        .sharing(seat);
        let consumer = RingConsumer::join(&self.bus, &self.lane).expect("the settings are right");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "awaited by Running::stop")]
        let task = tokio::spawn(async move {
            worker
                .run(consumer, stopped)
                .await
                .expect("the consumer lives");
        });
        Running { stop, task }
    }

    /// The store as workers reach it.
    pub(crate) fn through(&self) -> Store {
        self.through.clone()
    }

    pub(crate) fn announcer(&self) -> Announcer {
        let ringer = Ringer::new(&self.bus).expect("the settings are right");
        Announcer::new(self.store.clone(), ringer)
    }

    /// A relay of the lane whose marks hide a row from the scan for so long.
    pub(crate) fn relay(&self, announcer: &Announcer, scan_interval: Duration) -> Relay {
        let lane = RelayLane {
            levels: None,
            lane: self.lane.clone(),
            ring_size: 1,
            scan_interval,
        };
        Relay {
            announcer: announcer.clone(),
            lanes: vec![lane],
        }
    }

    /// An export that only a ring can bring: its scan is far away.
    pub(crate) fn a_rung_export(&self) -> NewExport {
        NewExport {
            scan_interval: Duration::from_secs(3600),
            ..an_export(&self.lane)
        }
    }

    /// Submits and rings.
    pub(crate) async fn submit(&self, announcer: &Announcer) -> TaskId {
        let submitted = self
            .store
            .submit_export(self.a_rung_export())
            .await
            .expect("accepted");
        announcer.announce(self.lane.clone(), announced(submitted.rung));
        submitted.task
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        let who = Visibility {
            tenant: Tenant::parse("acme").expect("a name"),
            user: Some(UserId::parse("7").expect("a name")),
        };
        self.store
            .task(&who, id)
            .await
            .expect("read")
            .expect("visible")
    }

    pub(crate) async fn until(&self, id: TaskId, status: TaskStatus) -> Task {
        eventually(&format!("task {id} to be {status}"), async || {
            let task = self.task(id).await;
            (task.status == status).then_some(task)
        })
        .await
    }
}

impl Running {
    /// Stops it softly and waits until it has left.
    pub(crate) async fn stop(self) {
        self.leave().gone().await;
    }

    /// Tells it to stop.
    pub(crate) fn leave(self) -> Self {
        self.stop.cancel();
        self
    }

    /// Waits until it has left.
    pub(crate) async fn gone(self) {
        self.task.await.expect("the worker ends well");
    }
}

pub(crate) fn announced(rung: Rung) -> Announced {
    Announced {
        rung,
        trace_context: None,
    }
}
