//! Workers, in this process and in ones of their own.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bus::{RingConsumer, Ringer};
use domain::{BizType, BreakerTerms, BudgetTerms, Lane, RetryPolicy};
use engine::{Announcer, BizHandler, LaneSettings, LaneWorker, Sweeper};
use import_worker::{BatchHandler, FinishHandler, ImportHandler, ReadingTerms};
use store::{IMPORT, IMPORT_BATCH, IMPORT_FINISH, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::House;

const WORKER: &str = env!("CARGO_BIN_EXE_import-worker");
/// The lease of a worker process.
const LEASE_SECONDS: u64 = 3;

type Handlers = HashMap<BizType, Arc<dyn BizHandler>>;

impl House {
    /// A worker in this process.
    pub(crate) fn work(&self) -> Running {
        self.work_on(&[imports(), batches()])
    }

    /// A worker in this process for these lanes alone.
    pub(crate) fn work_on(&self, wanted: &[Lane]) -> Running {
        let store = &self.store;
        let terms = ReadingTerms::new(Some(&self.path("temp")), Duration::from_secs(20), 3);
        let (storage, catalog) = (self.storage.clone(), self.catalog.clone());
        let split = ImportHandler::new(
            store.clone(),
            storage.clone(),
            catalog.clone(),
            terms.clone(),
        );
        let finish = FinishHandler::new(store.clone(), storage.clone(), catalog.clone(), terms);
        let batch = BatchHandler::new(storage, catalog);
        let kind = |word| BizType::parse(word).expect("a name");
        let of_imports: [(_, Arc<dyn BizHandler>); 2] = [
            (kind(IMPORT), Arc::new(split)),
            (kind(IMPORT_FINISH), Arc::new(finish)),
        ];
        let of_batches: [(_, Arc<dyn BizHandler>); 1] = [(kind(IMPORT_BATCH), Arc::new(batch))];
        let ringer = Ringer::new(&self.broker.settings()).expect("the settings are right");
        let announcer = Announcer::new(store.clone(), ringer);
        let stop = CancellationToken::new();
        let lanes: [(Lane, Handlers); 2] = [
            (imports(), of_imports.into()),
            (batches(), of_batches.into()),
        ];
        let lanes = lanes.into_iter().filter(|(lane, _)| wanted.contains(lane));
        let tasks = lanes.map(|(lane, handlers)| {
            let settings = lane_settings(lane.clone());
            let (store, announcer) = (store.clone(), announcer.clone());
            let worker = LaneWorker::new("one", store, announcer, settings, handlers);
            let consumer = RingConsumer::join(&self.broker.settings(), &lane).expect("a consumer");
            let stopped = stop.clone();
            #[expect(clippy::disallowed_methods, reason = "awaited by Running::stop")]
            tokio::spawn(async move {
                worker
                    .run(consumer, stopped)
                    .await
                    .expect("the consumer lives");
            })
        });
        let tasks = tasks.collect();
        Running { stop, tasks }
    }

    /// A worker process.
    pub(crate) fn process(&self) -> WorkerProcess {
        self.process_at(self.database.url())
    }

    /// A worker process that meets its database at `url`.
    pub(crate) fn process_at(&self, url: &str) -> WorkerProcess {
        self.process_with(&[("QUAYSIDE__MYSQL__URL", url)])
    }

    /// A worker process with these settings besides.
    pub(crate) fn process_with(&self, settings: &[(&str, &str)]) -> WorkerProcess {
        self.start(Command::new(WORKER), settings)
    }

    /// A worker process whose files cannot be larger than 1 MiB.
    pub(crate) fn process_on_a_full_disk(&self) -> WorkerProcess {
        let mut shell = Command::new("sh");
        // It counts in blocks of 512 or 1,024 bytes: 0.5 or 1 MiB.
        let limited = "trap '' XFSZ; ulimit -f 1024; exec \"$0\"";
        shell.args(["-c", limited, WORKER]);
        self.start(shell, &[])
    }

    fn start(&self, mut command: Command, settings: &[(&str, &str)]) -> WorkerProcess {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("worker.log"))
            .expect("a log");
        command
            .env("QUAYSIDE__MYSQL__URL", self.database.url())
            .env("QUAYSIDE__KAFKA__BROKERS", self.broker.bootstrap())
            .env("QUAYSIDE__STORAGE__ROOT", self.path("storage"))
            .env("QUAYSIDE__DATASETS__DIR", self.path("datasets"))
            .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
            .env("QUAYSIDE__IMPORT__TEMP_DIR", self.path("temp"))
            .env("QUAYSIDE__WORKER__LEASE_SECONDS", LEASE_SECONDS.to_string())
            .env("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "1")
            .env("QUAYSIDE__WORKER__MAX_ATTEMPTS", "20")
            .env("QUAYSIDE__LIFECYCLE__GRACE_SECONDS", "5")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(log);
        WorkerProcess(
            command.spawn().expect("the worker starts"),
            sweep(&self.store),
        )
    }
}

pub(crate) fn imports() -> Lane {
    Lane::import("default").expect("a lane")
}

pub(crate) fn batches() -> Lane {
    Lane::import_batch("default").expect("a lane")
}

fn lane_settings(lane: Lane) -> LaneSettings {
    LaneSettings {
        lane,
        permits: 2,
        lease: Duration::from_secs(6),
        scan_interval: Duration::from_millis(200),
        hard_deadline: Duration::from_secs(600),
        retry: RetryPolicy::new(3, vec![Duration::from_millis(50)])
            .expect("a backoff")
            .into(),
        budget: BudgetTerms::default(),
        breaker: BreakerTerms::default(),
        drain: Duration::from_millis(100),
    }
}

/// A worker that runs in the background.
pub(crate) struct Running {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("the worker ends well");
        }
    }
}

/// Looks after the rows of workers that vanish, as the sweeper's process does; until dropped.
fn sweep(store: &Store) -> DropGuard {
    let sweeper = Sweeper {
        store: store.clone(),
        leases: Duration::from_secs(LEASE_SECONDS).into(),
        interval: Duration::from_secs(1),
    };
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "ends with its guard")]
    tokio::spawn(sweeper.run(stop.clone()));
    stop.drop_guard()
}

/// A worker in a process of its own, killed when the test ends, and a sweeper beside it.
pub(crate) struct WorkerProcess(
    pub(crate) Child,
    #[expect(dead_code, reason = "held")] DropGuard,
);

impl WorkerProcess {
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "signal {signal} to {pid}");
    }

    /// The most memory that it ever had resident, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok())
            .expect("a number")
            * 1_024
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
