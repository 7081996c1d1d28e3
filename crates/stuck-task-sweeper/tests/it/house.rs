//! A database, a broker, a directory for files, and sweepers on them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use bus::EmbeddedBroker;
use bytes::Bytes;
use domain::{Lane, TaskId, Tenant, UserId};
use service::{Label, Storage};
use store::{Claimed, RetentionTerms, Store, Visibility};
use stuck_task_sweeper::Retention;
use testkit::{TestDatabase, an_export, eventually, terms};

/// Where the house's own definitions lie.
const DATASETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");
pub(crate) const HANDLERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/handlers");

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    broker: EmbeddedBroker,
    directory: tempfile::TempDir,
}

impl House {
    pub(crate) async fn build() -> Self {
        let database = TestDatabase::create().await;
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("storage")).expect("a directory");
        Self {
            store: database.store_with_pool(8),
            database,
            broker: EmbeddedBroker::start(1).expect("a port is free"),
            directory,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage::local(&self.path("storage")).expect("a directory")
    }

    pub(crate) async fn put(&self, key: &str) {
        let content = futures::stream::iter([Ok(Bytes::from_static(b"abc"))]);
        let stored = self.storage().put(key, &Label::new("x"), content).await;
        stored.expect("stored");
    }

    /// Every key in storage, in their order.
    pub(crate) fn stored(&self) -> Vec<String> {
        let mut keys = Vec::new();
        collect(&self.path("storage"), &self.path("storage"), &mut keys);
        keys.sort();
        keys
    }

    /// A retention in this process: rows for 30 days, leftovers for one.
    pub(crate) fn retention(&self) -> Retention {
        self.retention_on(self.store.clone())
    }

    /// The same, on a way of its own to the database.
    pub(crate) fn retention_on(&self, store: Store) -> Retention {
        let terms = RetentionTerms {
            rows: 30 * DAY,
            leftovers: DAY,
        };
        Retention::new(store, self.storage(), terms)
    }

    /// An export on the lane, whose worker has vanished in the midst of it.
    pub(crate) async fn a_lost_export(&self, lane: &Lane) -> TaskId {
        let claimed = self.a_claimed_export(lane, Duration::from_millis(1)).await;
        claimed.task_id.expect("a task")
    }

    pub(crate) async fn a_claimed_export(&self, lane: &Lane, lease: Duration) -> Claimed {
        let submitted = self.store.submit_export(an_export(lane)).await;
        let submitted = submitted.expect("accepted");
        let mut worker = terms("vanished");
        worker.lease = lease;
        let claim = self
            .store
            .claim_rung(lane, &[submitted.rung], &worker)
            .await;
        let mut claimed = claim.expect("claimed").claimed;
        claimed.pop().expect("the row was free")
    }

    pub(crate) fn owner(&self) -> Visibility {
        Visibility {
            tenant: Tenant::parse("acme").expect("a name"),
            user: Some(UserId::parse("7").expect("a name")),
        }
    }

    /// A sweeper process, with these settings beside those that make it quick.
    pub(crate) fn process(&self, name: &str, settings: &[(&str, &str)]) -> Sweeping {
        let log = self.path(&format!("{name}.log"));
        let file = File::create(&log).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_stuck-task-sweeper"))
            .env("QUAYSIDE__MYSQL__URL", self.database.url())
            .env("QUAYSIDE__KAFKA__BROKERS", self.broker.bootstrap())
            .env("QUAYSIDE__STORAGE__ROOT", self.path("storage"))
            .env("QUAYSIDE__DATASETS__DIR", DATASETS)
            .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
            .env("QUAYSIDE__WORKER__LEASE_SECONDS", "1")
            .env("QUAYSIDE__SWEEPER__INTERVAL_SECONDS", "1")
            .env("QUAYSIDE__RETENTION__INTERVAL_SECONDS", "1")
            .env("QUAYSIDE__LIFECYCLE__GRACE_SECONDS", "5")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the sweeper starts");
        Sweeping { child, log }
    }
}

fn collect(root: &Path, directory: &Path, keys: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, keys);
        } else {
            let key = path.strip_prefix(root).expect("below it");
            keys.push(key.display().to_string());
        }
    }
}

/// A sweeper in a process of its own, killed when the test ends.
pub(crate) struct Sweeping {
    child: Child,
    log: PathBuf,
}

impl Sweeping {
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits for a line of its log with these words; answers it.
    pub(crate) async fn logged(&self, words: &str) -> String {
        eventually(&format!("{words:?} in the log"), async || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains(words));
            line.map(str::to_owned)
        })
        .await
    }

    /// What its admin port says.
    pub(crate) async fn ask(&self, path: &str) -> (u16, String) {
        let line = self.logged("admin port is open").await;
        let port = line.split("127.0.0.1:").nth(1).expect("an address");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let client = reqwest::Client::builder().no_proxy().build();
        let url = format!("http://127.0.0.1:{port}{path}");
        let answer = client.expect("a client").get(url).send().await;
        let answer = answer.expect("it answers");
        (
            answer.status().as_u16(),
            answer.text().await.expect("a text"),
        )
    }

    /// The sum of a counter over all its labels.
    pub(crate) async fn counted(&self, counter: &str) -> u64 {
        let (_, metrics) = self.ask("/metrics").await;
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with(counter) && !line.starts_with('#'));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Tells it to end, and waits until it has.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(sent.expect("kill runs").success(), "TERM to {pid}");
        eventually("the sweeper to end", async || {
            self.child.try_wait().expect("a child")
        })
        .await
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
