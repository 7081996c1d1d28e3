//! A whole Quayside of one test: its own database, definitions, files and processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::{TestDatabase, eventually};
use uuid::Uuid;

use crate::command::quay;
use crate::service::Service;

mod client;

const SECRET: &str = "the secret of one test, long enough for HS256";

/// Which doorbell the house has.
pub(crate) enum Bell {
    /// `quay broker`.
    Embedded,
    /// The Kafka of `./dev test`.
    Kafka,
    /// Nobody listens there.
    Broken,
}

pub(crate) struct House {
    pub(crate) database: TestDatabase,
    brokers: String,
    url: String,
    /// Settings of this test, as the environment names them.
    settings: Vec<(String, String)>,
    queue: String,
    /// Broker, gateway and worker, in the order in which they were started.
    pub(crate) services: Vec<Service>,
    /// Dropped last: the services' logs lie in it.
    folder: TempDir,
}

impl House {
    /// A house with a gateway, and without a worker.
    pub(crate) async fn open(bell: Bell) -> Self {
        Self::open_with(bell, &[]).await
    }

    /// As [`House::open`], with settings for its processes.
    pub(crate) async fn open_with(bell: Bell, settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::with_examples().await;
        let folder = TempDir::new().expect("a directory");
        // A queue of this test alone: a Kafka is shared, and groups are named after queues.
        let queue = format!("q{}", Uuid::new_v4().simple());
        definitions(&folder.path().join("datasets"), &queue);
        let mut house = Self {
            database,
            folder,
            brokers: String::new(),
            url: String::new(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            queue,
            services: Vec::new(),
        };
        house.brokers = match bell {
            Bell::Embedded => house.start_broker().await,
            Bell::Kafka => house.create_topics(),
            Bell::Broken => "127.0.0.1:1".to_owned(),
        };
        house.start_gateway().await;
        house
    }

    /// The queue of this test alone.
    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The files in storage, wherever they lie.
    pub(crate) fn stored_files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join("storage")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a directory").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path)
                } else {
                    files.push(path)
                }
            }
        }
        files
    }

    /// A place for downloads.
    pub(crate) fn downloads(&self) -> PathBuf {
        let folder = self.folder.path().join("downloads");
        fs::create_dir_all(&folder).expect("a directory");
        folder
    }

    pub(crate) async fn start_worker(&mut self) {
        let worker = self.start("export-worker", &self.binary("export-worker"), &[]);
        worker.wait_for_log("export-worker starts").await;
        self.services.push(worker);
    }

    pub(crate) async fn start_import_worker(&mut self) {
        let worker = self.start("import-worker", &self.binary("import-worker"), &[]);
        worker.wait_for_log("import-worker starts").await;
        self.services.push(worker);
    }

    pub(crate) async fn start_sweeper(&mut self) {
        let name = "stuck-task-sweeper";
        let sweeper = self.start(name, &self.binary(name), &[]);
        sweeper.wait_for_log("stuck-task-sweeper starts").await;
        self.services.push(sweeper);
    }

    /// Ends the gateway in order; what was on its way is answered.
    pub(crate) async fn stop_gateway(&mut self) {
        let place = self
            .services
            .iter()
            .position(|service| service.name == "api-gateway");
        let gateway = self.services.remove(place.expect("a gateway is running"));
        assert_eq!(gateway.terminate().await.code(), Some(0));
    }

    /// Ends the worker as a power cut does.
    pub(crate) async fn kill_worker(&mut self) {
        let worker = self.services.pop().expect("a worker is running");
        assert_eq!(worker.name, "export-worker");
        worker.kill().await;
    }

    /// Starts a gateway, on the address of the one before if there was one.
    pub(crate) async fn start_gateway(&mut self) {
        let gateway = self.start("api-gateway", &self.binary("api-gateway"), &[]);
        let opened = gateway.wait_for_log("the gateway is open").await;
        let line: serde_json::Value = serde_json::from_str(&opened).expect("logs are JSON");
        let address = find(&line, "address").expect("the line names the address");
        self.url = format!("http://{address}");
        self.services.push(gateway);
    }

    async fn start_broker(&mut self) -> String {
        let file = self.folder.path().join("broker.address");
        let path = file.to_str().expect("a plain path");
        let datasets = self.datasets();
        let arguments = ["broker", "--address-file", path, "--datasets", &datasets];
        let binary = Path::new(env!("CARGO_BIN_EXE_quay"));
        self.services.push(self.start("broker", binary, &arguments));
        eventually("the broker's address", async || {
            fs::read_to_string(&file).ok()
        })
        .await
    }

    fn create_topics(&self) -> String {
        let brokers = testkit::kafka();
        let datasets = self.datasets();
        let arguments = [
            "topics",
            "create",
            "--replication",
            "1",
            "--partitions",
            "2",
            "--datasets",
            &datasets,
        ];
        for what in ["created", "is there"] {
            let created = quay(&arguments, &[("QUAYSIDE_KAFKA", &brokers)]);
            assert_eq!(created.code, 0, "{}", created.stderr);
            assert!(
                created.stdout.lines().all(|line| line.ends_with(what)),
                "{}",
                created.stdout
            );
        }
        brokers
    }

    fn datasets(&self) -> String {
        self.folder.path().join("datasets").display().to_string()
    }

    /// A binary of the workspace: it lies where cargo put `quay`.
    fn binary(&self, name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_BIN_EXE_quay")).with_file_name(name);
        assert!(
            path.exists(),
            "{} is not built: run the tests with `./dev test`",
            path.display()
        );
        path
    }

    fn start(&self, name: &'static str, binary: &Path, arguments: &[&str]) -> Service {
        let log = self.folder.path().join(format!("{name}.log"));
        let file = File::create(&log).expect("a log file");
        let child = Command::new(binary)
            .args(arguments)
            .env_clear()
            .env("QUAYSIDE__ENVIRONMENT", "development")
            .env("QUAYSIDE__MYSQL__URL", self.database.url())
            .env("QUAYSIDE__MYSQL__POOL_SIZE", "4")
            .env("QUAYSIDE__KAFKA__BROKERS", &self.brokers)
            .env(
                "QUAYSIDE__STORAGE__ROOT",
                self.folder.path().join("storage"),
            )
            .env(
                "QUAYSIDE__HTTP__LISTEN",
                self.url.strip_prefix("http://").unwrap_or("127.0.0.1:0"),
            )
            .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
            .env("QUAYSIDE__AUTH__JWT_SECRET", SECRET)
            .env(
                "QUAYSIDE__DATASETS__DIR",
                self.folder.path().join("datasets"),
            )
            .envs(self.settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Service { name, child, log }
    }
}

pub(crate) fn token(role: &str) -> String {
    let signed = quay(
        &["token", "--user", "7", "--role", role],
        &[("QUAYSIDE_JWT_SECRET", SECRET)],
    );
    signed.stdout.trim().to_owned()
}

/// The example definitions, on a queue of their own.
fn definitions(folder: &Path, queue: &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/datasets");
    fs::create_dir_all(folder).expect("a directory");
    for name in ["employee.toml", "user.toml", "member.toml"] {
        let text = fs::read_to_string(examples.join(name)).expect("an example definition");
        let on_its_own = text.replace("queues = [\"default\"]", &format!("queues = [\"{queue}\"]"));
        assert_ne!(text, on_its_own, "{name} is on the queue `default`");
        fs::write(folder.join(name), on_its_own).expect("the definition is written");
    }
}

/// The text under a key, however deep.
fn find(json: &serde_json::Value, key: &str) -> Option<String> {
    match json.get(key) {
        Some(found) => found.as_str().map(str::to_owned),
        None => json
            .as_object()?
            .values()
            .find_map(|inner| find(inner, key)),
    }
}
