//! A database, a broker, definitions and the worker's process.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use bus::EmbeddedBroker;
use tempfile::{NamedTempFile, TempDir};
use testkit::{TestDatabase, eventually};

const DATASETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");

/// What handlers are tested with, but for what they do.
const COMMON: &str = r#"
scan_interval = "200ms"
backoff = ["10ms"]
max_attempts = 2
timeout = "700ms"
"#;

pub(crate) struct House {
    pub(crate) database: TestDatabase,
    broker: EmbeddedBroker,
    /// Whom the workers ask: the embedded broker, unless a test says otherwise.
    pub(crate) brokers: String,
    handlers: TempDir,
    log: NamedTempFile,
}

/// Killed when the test ends.
pub(crate) struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Worker {
    /// Tells it to end, and waits until it has.
    pub(crate) async fn end(mut self) -> ExitStatus {
        let id = self.0.id().to_string();
        let signalled = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(signalled.unwrap().success());
        self.ended().await
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("it to end", async || self.0.try_wait().unwrap()).await
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        let broker = EmbeddedBroker::start(1).unwrap();
        Self {
            database: TestDatabase::with_examples().await,
            brokers: broker.bootstrap().to_owned(),
            broker,
            handlers: TempDir::new().unwrap(),
            log: NamedTempFile::new().unwrap(),
        }
    }

    /// Adds a definition; `kind` are its last lines, from `kind = ` on.
    pub(crate) fn define(&self, biz_type: &str, kind: &str) {
        self.define_without_topics(biz_type, kind);
        self.add_topics(&format!("quayside.biz.{biz_type}"));
    }

    pub(crate) fn define_without_topics(&self, biz_type: &str, kind: &str) {
        let text = format!("biz_type = \"{biz_type}\"\n{COMMON}{kind}\n");
        std::fs::write(self.definitions().join(format!("{biz_type}.toml")), text).unwrap();
    }

    pub(crate) fn definitions(&self) -> &Path {
        self.handlers.path()
    }

    /// The three of a queue.
    pub(crate) fn add_topics(&self, usual: &str) {
        for end in ["", ".high", ".rest"] {
            self.broker
                .create_topic(&format!("{usual}{end}"), 2)
                .unwrap();
        }
    }

    pub(crate) fn work(&self) -> Worker {
        self.work_with(&[])
    }

    /// With these settings besides the usual ones.
    pub(crate) fn work_with(&self, settings: &[(&str, &str)]) -> Worker {
        // Workers of one house write below each other.
        let log = std::fs::OpenOptions::new()
            .append(true)
            .open(self.log.path())
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_biz-worker"))
            .env("QUAYSIDE__MYSQL__URL", self.database.url())
            .env("QUAYSIDE__KAFKA__BROKERS", &self.brokers)
            .env("QUAYSIDE__DATASETS__DIR", DATASETS)
            .env("QUAYSIDE__HANDLERS__DIR", self.definitions())
            .env("QUAYSIDE__HANDLERS__SECRETS__SHOP", crate::service::SECRET)
            .env("QUAYSIDE__HANDLERS__UNKNOWN_PATIENCE_SECONDS", "0")
            .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
            .env("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "1")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Worker(child.unwrap())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Asks for work as a service's plain client does; `text` must hold no quote.
    pub(crate) async fn ask(&self, biz_type: &str, biz_id: &str, context: &str) {
        self.database
            .execute(&format!(
                "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
                 VALUES ('acme', '{biz_type}', '{biz_id}', '{context}')"
            ))
            .await;
    }

    /// Rows of this kind: `biz_id`, status and failures, by `biz_id`.
    pub(crate) async fn rows(&self, biz_type: &str) -> Vec<(String, String, u32)> {
        let sql = format!(
            "SELECT biz_id, status, cnt FROM compensate_biz WHERE biz_type = '{biz_type}' \
             ORDER BY biz_id, tenant"
        );
        self.database.query(&sql).await
    }

    /// The same, once nothing of this kind is open.
    pub(crate) async fn all_ended(&self, biz_type: &str) -> Vec<(String, String, u32)> {
        eventually(&format!("all work of {biz_type} to end"), async || {
            let rows = self.rows(biz_type).await;
            let open = |row: &(String, String, u32)| {
                ["WAIT_HANDLE", "PROCESSING"].contains(&row.1.as_str())
            };
            (!rows.iter().any(open)).then_some(rows)
        })
        .await
    }

    /// Why rows of this kind were given up, by `biz_id`.
    pub(crate) async fn letters(&self, biz_type: &str) -> Vec<(String, String)> {
        let sql = "SELECT biz_id, detail FROM dead_letter WHERE biz_type = ";
        self.database
            .query(&format!("{sql}'{biz_type}' ORDER BY biz_id"))
            .await
    }
}

/// A row that is done, as [`House::all_ended`] tells it.
pub(crate) fn done(biz_id: &str) -> (String, String, u32) {
    (biz_id.to_owned(), "SUCCESS".to_owned(), 0)
}
