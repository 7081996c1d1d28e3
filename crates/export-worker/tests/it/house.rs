//! A database with the example tables, a broker, a directory, and workers on them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bus::{EmbeddedBroker, RingConsumer, Ringer};
use chrono::{DateTime, Utc};
use domain::{
    Access, BizType, BreakerTerms, BudgetTerms, Catalog, ExportDefaults, ExportRequest, Lane,
    RetryPolicy, Task, TaskId, TaskStatus, Tenant, UserId,
};
use engine::{Announcer, BizHandler, LaneSettings, LaneWorker, Sweeper};
use export_worker::ExportHandler;
use serde_json::Value;
use service::Storage;
use store::{NewExport, Store, Visibility};
use testkit::{TestDatabase, an_export, eventually, eventually_within};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How hard files are compressed by a worker in this process.
const ZIP_LEVEL: u32 = 2;
/// Where the house's own definitions lie.
const DATASETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");
/// The lease of a worker process.
const LEASE_SECONDS: u64 = 3;
/// How long a test waits for an export of many rows on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A dataset of which each row takes 2 ms to read.
const SLOW: &str = r#"
name = "slow"
label = { en = "Slow" }
version = "1"
table = "slow"
primary_key = ["id"]
key = ["name"]
columns = [{ name = "name", label = { en = "Name" }, type = "string" }]
"#;

pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) catalog: Arc<Catalog>,
    broker: EmbeddedBroker,
    lane: Lane,
    directory: tempfile::TempDir,
}

impl House {
    pub(crate) async fn build() -> Self {
        let database = TestDatabase::with_examples().await;
        database
            .execute(
                "CREATE VIEW slow AS \
                 SELECT id, tenant, IF(SLEEP(0.002), '', name) AS name FROM employee",
            )
            .await;
        let broker = EmbeddedBroker::start(1).expect("a port is free");
        let lane = Lane::export("default").expect("a lane");
        broker.create_topic(lane.as_str(), 4).expect("a topic");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("storage")).expect("a directory");
        let shipped = ["employee", "user", "member"].map(|name| {
            let file = format!("{DATASETS}/{name}.toml");
            let text = std::fs::read_to_string(&file).expect("a definition");
            (file, text)
        });
        let files = shipped
            .into_iter()
            .chain([("slow.toml".to_owned(), SLOW.to_owned())]);
        let catalog = Arc::new(Catalog::parse(files).expect("the definitions are whole"));
        Self {
            store: database.store_with_pool(8),
            database,
            catalog,
            broker,
            lane,
            directory,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Every file in storage.
    pub(crate) fn stored(&self) -> Vec<PathBuf> {
        files_below(&self.path("storage"))
    }

    /// So many employees of acme.
    pub(crate) async fn fill(&self, rows: u64) {
        let digits = "SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION \
             ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL \
             SELECT 8 UNION ALL SELECT 9";
        let sql = format!(
            "INSERT INTO employee (tenant, employee_no, name, department, email, salary, hire_date) \
             WITH d AS ({digits}), k AS (SELECT a.n + 10 * b.n + 100 * c.n + 1000 * e.n \
             + 10000 * f.n + 100000 * g.n AS n FROM d a, d b, d c, d e, d f, d g) \
             SELECT 'acme', CONCAT('E', n), CONCAT('赵', n), '研发', 'x@example.com', n / 100, \
             '2020-01-01' + INTERVAL n % 1000 DAY FROM k WHERE n < {rows}"
        );
        self.database.execute(&sql).await;
    }

    /// A worker in this process.
    pub(crate) fn work(&self) -> Running {
        let storage = Storage::local(&self.path("storage")).expect("a directory");
        let handler: Arc<dyn BizHandler> = Arc::new(ExportHandler::new(
            self.store.clone(),
            storage,
            self.catalog.clone(),
            ZIP_LEVEL,
        ));
        let settings = LaneSettings {
            lane: self.lane.clone(),
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
        };
        let handlers = HashMap::from([(BizType::parse("EXPORT").expect("a name"), handler)]);
        let ringer = Ringer::new(&self.broker.settings()).expect("the settings are right");
        let announcer = Announcer::new(self.store.clone(), ringer);
        let worker = LaneWorker::new("one", self.store.clone(), announcer, settings, handlers);
        let consumer = RingConsumer::join(&self.broker.settings(), &self.lane).expect("a consumer");
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

    /// A worker process.
    pub(crate) fn process(&self, datasets: &Path) -> WorkerProcess {
        self.process_at(self.database.url(), datasets, 5)
    }

    /// A worker process that meets its database at `url` and has so many seconds to leave.
    pub(crate) fn process_at(&self, url: &str, datasets: &Path, seconds: u32) -> WorkerProcess {
        let log = std::fs::File::create(self.path("worker.log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_export-worker"));
        command
            .env("QUAYSIDE__MYSQL__URL", url)
            .env("QUAYSIDE__KAFKA__BROKERS", self.broker.bootstrap())
            .env("QUAYSIDE__STORAGE__ROOT", self.path("storage"))
            .env("QUAYSIDE__DATASETS__DIR", datasets)
            .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
            .env("QUAYSIDE__EXPORT__ZIP_LEVEL", "9")
            .env("QUAYSIDE__WORKER__LEASE_SECONDS", LEASE_SECONDS.to_string())
            .env("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "1")
            .env("QUAYSIDE__LIFECYCLE__GRACE_SECONDS", seconds.to_string())
            .stdout(Stdio::null())
            .stderr(log);
        WorkerProcess(
            command.spawn().expect("the worker starts"),
            sweep(&self.store),
        )
    }

    pub(crate) fn shipped_datasets(&self) -> &'static Path {
        Path::new(DATASETS)
    }

    /// Waits for a line of the last worker process's log with these words.
    pub(crate) async fn until_logged(&self, words: &str) {
        eventually(&format!("{words:?} in the log"), async || {
            let log = std::fs::read_to_string(self.path("worker.log")).expect("a log");
            log.contains(words).then_some(())
        })
        .await;
    }

    /// Submits without a ring: the scan finds it.
    pub(crate) async fn submit(&self, request: &Value) -> TaskId {
        let timezone = "Asia/Shanghai".parse().expect("a zone");
        let defaults = ExportDefaults {
            locale: "zh-CN".to_owned(),
            timezone,
        };
        let request = ExportRequest::from_json(request.to_string().as_bytes()).expect("a request");
        let at: DateTime<Utc> = "2026-01-01T19:04:05Z".parse().expect("a moment");
        let spec = request
            .check(&self.catalog, &defaults, Access { sensitive: true }, at)
            .expect("a spec");
        let context = serde_json::to_string(&spec).expect("JSON");
        self.submit_context(context, &spec.file_name).await
    }

    pub(crate) async fn submit_context(&self, context: String, name: &str) -> TaskId {
        let export = NewExport {
            context,
            name: name.to_owned(),
            scan_interval: Duration::ZERO,
            ..an_export(&self.lane)
        };
        self.store
            .submit_export(export)
            .await
            .expect("accepted")
            .task
    }

    pub(crate) fn caller(&self) -> Visibility {
        Visibility {
            tenant: Tenant::parse("acme").expect("a name"),
            user: Some(UserId::parse("7").expect("a name")),
        }
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.store
            .task(&self.caller(), id)
            .await
            .expect("read")
            .expect("visible")
    }

    pub(crate) async fn until(&self, id: TaskId, status: TaskStatus) -> Task {
        eventually_within(PATIENCE, &format!("task {id} to be {status}"), async || {
            let task = self.task(id).await;
            assert!(task.status == status || !task.status.is_final(), "{task:?}");
            (task.status == status).then_some(task)
        })
        .await
    }

    /// Waits until the worker has told of rows.
    pub(crate) async fn until_in_the_middle(&self, id: TaskId) {
        eventually("rows to be written", async || {
            let task = self.task(id).await;
            assert!(!task.status.is_final(), "too quick: {task:?}");
            (task.progress.done_rows > 0).then_some(())
        })
        .await;
    }
}

/// A worker that runs in the background.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the worker ends well");
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
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
