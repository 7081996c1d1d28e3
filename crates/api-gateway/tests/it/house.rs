//! A gateway on a port of its own, over a database of its own; and the hand of a worker.

use std::sync::Arc;
use std::time::Duration;

use api_gateway::Gateway;
use chrono::{DateTime, Utc};
use domain::{Failure, FileRole, Lane, LeaseEpoch, Rung};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use service::{Label, Lifecycle, Settings, Storage};
use store::{Claimed, Effects, Ending, NewArtifact, Settled, Store, Story};
use testkit::TestDatabase;

pub(crate) const SECRET: &str = "a secret of the tests, long enough";

/// A port on which nobody listens.
const NOBODY: &str = "127.0.0.1:1";

pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) storage: Storage,
    pub(crate) url: String,
    pub(crate) lifecycle: Lifecycle,
    client: reqwest::Client,
    directory: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The problem's code, after a look at what every problem must have.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        for field in ["type", "title", "detail", "instance", "code", "request_id"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{problem}"
            );
        }
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        problem["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn settings(database_url: &str, storage: &std::path::Path) -> Settings {
    let mut settings = Settings::default();
    settings.mysql.url = database_url.to_owned().into();
    settings.mysql.pool_size = 4;
    settings.kafka.brokers = NOBODY.to_owned();
    settings.storage.root = storage.to_owned();
    settings.auth.jwt_secret = SECRET.into();
    settings.datasets.dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets").into();
    let handlers = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/handlers");
    settings.handlers.dir = Some(handlers.into());
    settings
}

/// 2026-01-02 03:04:05 in Shanghai.
pub(crate) fn clock() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_294_245, 0).unwrap()
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(TestDatabase::create().await, change)
    }

    /// With other definitions than the examples, which the examples' handlers do not fit.
    pub(crate) async fn of_datasets(directory: std::path::PathBuf) -> Self {
        Self::open_with(|settings| {
            settings.datasets.dir = directory;
            settings.handlers.dir = None;
        })
        .await
    }

    /// With the tables of the example datasets.
    pub(crate) async fn with_tables() -> Self {
        Self::over(TestDatabase::with_examples().await, |_| {})
    }

    pub(crate) fn over(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(database.url(), directory.path());
        change(&mut settings);
        let lifecycle = Lifecycle::new(Duration::from_secs(5));
        let gateway = Gateway::new(&settings, Arc::new(clock)).unwrap();
        let address = gateway
            .serve(([127, 0, 0, 1], 0).into(), 1, &lifecycle)
            .unwrap();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none());
        Self {
            store: database.store(),
            storage: Storage::open(&settings.storage).unwrap(),
            database,
            url: format!("http://{address}"),
            lifecycle,
            client: client.build().unwrap(),
            directory,
        }
    }

    /// Where the files lie.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer {
            status,
            headers,
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).bearer_auth(token))
            .await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.send(
            self.request(Method::POST, path)
                .bearer_auth(token)
                .json(body),
        )
        .await
    }

    /// Submits an export of `employee` and gives its id.
    pub(crate) async fn an_export(&self, token: &str) -> String {
        let answer = self
            .post(
                token,
                "/api/v1/exports",
                &json!({"dataset": "employee", "force": true}),
            )
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Claims the task's row, as a worker does.
    pub(crate) async fn claim(&self, task: &str) -> Claimed {
        let sql = format!("SELECT id, lease_epoch FROM compensate_biz WHERE task_id = {task}");
        let (id, epoch): (u64, u64) = self.database.one(&sql).await;
        let rung = Rung {
            id: domain::CompensateBizId(id),
            epoch: LeaseEpoch(epoch),
        };
        let lane = Lane::export("default").unwrap();
        let claim = self
            .store
            .claim_rung(&lane, &[rung], &testkit::terms("test"))
            .await
            .unwrap();
        claim.claimed.into_iter().next().expect("the row was free")
    }

    /// Runs the task as a worker does, with `content` as the file.
    pub(crate) async fn run(&self, task: &str, name: &str, content: &'static [u8], keep: Duration) {
        let claimed = self.claim(task).await;
        let key = format!("test/{task}/e{}/file", claimed.lease.epoch.0);
        let stream = futures::stream::iter([Ok(content.into())]);
        let stored = self
            .storage
            .put(&key, &Label::new(name), stream)
            .await
            .unwrap();
        let file = NewArtifact {
            role: FileRole::Artifact,
            object_key: key,
            name: name.to_owned(),
            size: stored.size,
            sha256: stored.sha256,
            rows: 3,
            keep,
        };
        let effects = Effects::new(move |tx| {
            let file = file.clone();
            Box::pin(async move { tx.publish(&file).await })
        });
        let ending = Ending::Finished(effects);
        let settled = self
            .store
            .settle_held(&claimed.lease, ending, Story::default())
            .await;
        assert!(matches!(settled.unwrap(), Settled::Now(..)));
    }

    /// Fails the task's present attempt, as a worker does.
    pub(crate) async fn fail(&self, task: &str, failure: Failure) {
        let claimed = self.claim(task).await;
        let ending = Ending::Failed(failure, Duration::ZERO);
        let settled = self
            .store
            .settle_held(&claimed.lease, ending, Story::default())
            .await;
        assert!(matches!(settled.unwrap(), Settled::Now(..)));
    }

    /// How many tasks and rows there are, but for those that tell the operation log of refusals:
    /// nothing was written, or something was.
    pub(crate) async fn written(&self) -> (u64, u64) {
        self.database
            .one(
                "SELECT (SELECT COUNT(*) FROM task), (SELECT COUNT(*) FROM compensate_biz \
             WHERE biz_type <> 'operation_log')",
            )
            .await
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.lifecycle.begin_shutdown();
    }
}

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Seconds since 1970, from now on.
pub(crate) fn from_now(seconds: i64) -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap() + seconds
}

pub(crate) fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

pub(crate) fn token(tenant: &str, user: &str, roles: &[&str]) -> String {
    sign(&json!({"sub": user, "tenant": tenant, "roles": roles,
        "iat": from_now(0), "exp": from_now(600)}))
}

/// User 7 of acme, a MANAGER.
pub(crate) fn manager() -> String {
    token("acme", "7", &["MANAGER"])
}

pub(crate) fn admin() -> String {
    token("acme", "1", &["SUPER_ADMIN"])
}

/// Logs nothing, measures and traces.
pub(crate) fn telemetry() -> service::Telemetry {
    let quiet = service::TelemetrySettings {
        log_filter: "off".into(),
        ..Default::default()
    };
    service::Telemetry::install("test", &quiet).unwrap()
}
