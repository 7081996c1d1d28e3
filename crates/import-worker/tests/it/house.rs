//! A database with the example tables, a broker, a directory, and workers on them.

mod uploads;
mod workers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::EmbeddedBroker;
use domain::{Catalog, Task, TaskId, TaskStatus, Tenant, UserId};
use service::Storage;
use store::{Actor, Announce, OpenTaskLimits, Retried, Retry, Store, Visibility};
use testkit::{TestDatabase, eventually_within};

pub(crate) use uploads::Import;
pub(crate) use workers::{batches, imports};

/// Where the house's own definitions lie.
const DATASETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");
/// How long a test waits for an import on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A dataset whose key and nickname compare without regard to case and accents.
const CLUB: &str = r#"
name = "club"
label = { en = "Club" }
version = "7"
table = "club"
primary_key = ["id"]
key = ["code"]
tenant = "tenant"
roles = { import = ["MANAGER"] }
import_modes = ["insert", "upsert", "update"]
version_column = "revision"
limits = { max_rows = 40000 }
columns = [
  { name = "code", label = { en = "Code" }, type = "string", required = true, max_length = 40 },
  { name = "nickname", label = { en = "Nickname" }, type = "string", max_length = 40, unique = true },
  { name = "score", label = { en = "Score" }, type = "integer" },
  { name = "revision", label = { en = "Revision" }, type = "integer" },
]
"#;

pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) storage: Storage,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) broker: EmbeddedBroker,
    directory: tempfile::TempDir,
}

impl House {
    pub(crate) async fn build() -> Self {
        Self::build_on(TestDatabase::with_examples().await).await
    }

    /// On a database that holds the example tables.
    pub(crate) async fn build_on(database: TestDatabase) -> Self {
        database
            .execute(
                "CREATE TABLE club (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, \
                 tenant VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, \
                 code VARCHAR(40) COLLATE utf8mb4_0900_ai_ci NOT NULL, \
                 nickname VARCHAR(40) COLLATE utf8mb4_general_ci NULL, score INT NULL DEFAULT 5, \
                 revision INT NOT NULL DEFAULT 1, \
                 UNIQUE KEY code (tenant, code), UNIQUE KEY nickname (tenant, nickname)) \
                 DEFAULT CHARSET = utf8mb4",
            )
            .await;
        let broker = EmbeddedBroker::start(1).expect("a port is free");
        for lane in [imports(), batches()] {
            broker.create_topic(lane.as_str(), 4).expect("a topic");
        }
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["storage", "temp", "datasets"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        let shipped = ["employee", "user", "member"].map(|name| {
            let file = format!("{DATASETS}/{name}.toml");
            let text = std::fs::read_to_string(&file).expect("a definition");
            (format!("{name}.toml"), text)
        });
        let club = [("club.toml".to_owned(), CLUB.to_owned())];
        let files: Vec<(String, String)> = shipped.into_iter().chain(club).collect();
        for (name, text) in &files {
            let path = directory.path().join("datasets").join(name);
            std::fs::write(path, text).expect("written");
        }
        let catalog = Catalog::parse(files).expect("the definitions are whole");
        let storage = Storage::local(&directory.path().join("storage")).expect("a directory");
        Self {
            store: database.store_with_pool(8),
            database,
            storage,
            catalog: Arc::new(catalog),
            broker,
            directory,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The definitions with one text replaced by another.
    pub(crate) fn redefined(&self, from: &str, to: &str) -> Arc<Catalog> {
        let files = std::fs::read_dir(self.path("datasets")).expect("a directory");
        let files = files.map(|file| {
            let path = file.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a definition");
            (path.display().to_string(), text.replace(from, to))
        });
        Arc::new(Catalog::parse(files).expect("the definitions are whole"))
    }

    /// The definitions but for one.
    pub(crate) fn without(&self, name: &str) -> Arc<Catalog> {
        let files = std::fs::read_dir(self.path("datasets")).expect("a directory");
        let paths = files.map(|file| file.expect("an entry").path());
        let others = paths.filter(|path| path.file_stem().is_none_or(|stem| stem != name));
        let others = others.map(|path| {
            let text = std::fs::read_to_string(&path).expect("a definition");
            (path.display().to_string(), text)
        });
        Arc::new(Catalog::parse(others).expect("the definitions are whole"))
    }

    /// Every object of a task: batches and failure files.
    pub(crate) fn stored_for(&self, task: TaskId) -> Vec<PathBuf> {
        files_below(&self.path("storage").join(format!("acme/tasks/{task}")))
    }

    /// Has a task tried again; the scan finds its rows.
    pub(crate) async fn retry(&self, task: TaskId) {
        let who = self.caller("acme");
        let retry = Retry {
            actor: self.actor(),
            limits: OpenTaskLimits::default(),
            announce: Announce {
                scan_interval: Duration::ZERO,
                trace_context: None,
            },
        };
        let retried = self.store.retry_task(&who, task, &retry).await;
        let retried = retried.expect("retried");
        assert!(matches!(retried, Retried::Now(..)), "{retried:?}");
    }

    /// User 7 of acme, as the operation log names whoever did something.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            tenant: Tenant::parse("acme").expect("a name"),
            user: UserId::parse("7").expect("a name"),
            request_id: None,
        }
    }

    pub(crate) fn caller(&self, tenant: &str) -> Visibility {
        Visibility {
            tenant: Tenant::parse(tenant).expect("a name"),
            user: Some(UserId::parse("7").expect("a name")),
        }
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.task_of("acme", id).await
    }

    pub(crate) async fn task_of(&self, tenant: &str, id: TaskId) -> Task {
        let who = self.caller(tenant);
        let task = self.store.task(&who, id).await.expect("read");
        let task = task.expect("visible");
        assert_counts(&task);
        task
    }

    /// Waits for the end; every look at the task on the way must add up.
    pub(crate) async fn ended(&self, id: TaskId) -> Task {
        self.ended_of("acme", id).await
    }

    pub(crate) async fn ended_of(&self, tenant: &str, id: TaskId) -> Task {
        eventually_within(PATIENCE, &format!("task {id} to end"), async || {
            let task = self.task_of(tenant, id).await;
            task.status.is_final().then_some(task)
        })
        .await
    }

    pub(crate) async fn until(&self, id: TaskId, status: TaskStatus) -> Task {
        let task = self.ended(id).await;
        assert_eq!(task.status, status, "{task:?}");
        task
    }

    /// How many rows of acme a table holds.
    pub(crate) async fn rows(&self, table: &str) -> u64 {
        let sql = format!("SELECT COUNT(*) FROM `{table}` WHERE tenant = 'acme'");
        self.database.one(&sql).await
    }

    /// All that is wrong with a task's rows, in sheet order.
    pub(crate) async fn row_errors(&self, task: TaskId) -> Vec<domain::RowError> {
        let tenant = Tenant::parse("acme").expect("a name");
        let (mut all, mut after) = (Vec::new(), None);
        while let Some((part, errors)) = self
            .store
            .batch_errors(&tenant, task, after)
            .await
            .expect("read")
        {
            all.extend(errors);
            after = Some(part);
        }
        all
    }

    /// Waits until some rows are in and others are not.
    pub(crate) async fn until_in_the_middle(&self, id: TaskId) {
        eventually_within(PATIENCE, "batches to be applied", async || {
            let task = self.task(id).await;
            assert!(!task.status.is_final(), "too quick: {task:?}");
            (task.progress.done_rows > 0).then_some(())
        })
        .await;
    }
}

/// total = done + failed + skipped + unprocessed, at every moment.
fn assert_counts(task: &Task) {
    let progress = &task.progress;
    let settled = progress.done_rows + progress.failed_rows + progress.skipped_rows;
    if let Some(total) = progress.total_rows {
        assert!(settled <= total, "{task:?}");
        assert_eq!(settled + task.unprocessed_rows(), total, "{task:?}");
    } else {
        assert_eq!(settled, 0, "{task:?}");
    }
}

/// Of a directory that a worker removes meanwhile, what was there.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
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
