//! The gateway over HTTP, as any client meets it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

/// Longest wait for one answer, a download's next bytes too.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Options of an import, and of one that writes nothing.
const IMPORT: &str = r#"{"locale": "en", "timezone": "UTC"}"#;
const CHECK: &str = r#"{"locale": "en", "timezone": "UTC", "validate_only": true}"#;

/// A gateway and who asks.
#[derive(Clone)]
pub(crate) struct Gateway {
    http: Client,
    base: String,
    token: String,
}

/// What is read of a task.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) status: String,
    finished: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    error: Option<Value>,
}

impl Task {
    /// From its creation to its start: the ring's way and the claim, in seconds.
    pub(crate) fn waited_s(&self) -> f64 {
        seconds(self.created_at, self.started_at)
    }

    /// From its creation to its end by the database's clock, in seconds.
    pub(crate) fn told_s(&self) -> f64 {
        seconds(self.created_at, self.finished_at)
    }

    /// From its start to its end by the database's clock, in seconds.
    pub(crate) fn worked_s(&self) -> f64 {
        self.started_at
            .map_or(f64::NAN, |from| seconds(from, self.finished_at))
    }

    /// The code of its error, or else its status.
    pub(crate) fn outcome(&self) -> String {
        let code = self.error.as_ref().and_then(|error| error["code"].as_str());
        code.unwrap_or(&self.status).to_owned()
    }
}

/// What became of an upload.
pub(crate) enum Answered {
    Accepted(Task),
    /// The code of the problem.
    Refused(String),
}

fn seconds(from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> f64 {
    to.map_or(f64::NAN, |to| (to - from).as_seconds_f64())
}

impl Gateway {
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(ANSWER_TIMEOUT)
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            base: format!("{url}/api/v1"),
            token: token.to_owned(),
        })
    }

    /// Submits an export and reads the whole answer; gives its status.
    pub(crate) async fn try_submit(&self, body: &Value) -> Result<(StatusCode, Vec<u8>)> {
        self.try_post("exports", body).await
    }

    /// Submits whatever goes to this path and reads the whole answer; gives its status.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Result<(StatusCode, Vec<u8>)> {
        self.try_post_once(path, body, None).await
    }

    /// The same, with an idempotency key if one is given.
    pub(crate) async fn try_post_once(
        &self,
        path: &str,
        body: &Value,
        key: Option<String>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let mut request = self.http.post(format!("{}/{path}", self.base));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.bearer_auth(&self.token).json(body).send().await?;
        let status = answer.status();
        Ok((status, answer.bytes().await?.to_vec()))
    }

    /// Submits an export that must be accepted.
    pub(crate) async fn submit(&self, body: &Value) -> Result<Task> {
        let (status, answer) = self.try_submit(body).await?;
        ensure!(
            status == StatusCode::ACCEPTED,
            "refused with {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Uploads a workbook of members that must be accepted.
    pub(crate) async fn import(&self, workbook: &Path) -> Result<Task> {
        match self.try_import(workbook).await? {
            Answered::Accepted(task) => Ok(task),
            Answered::Refused(code) => bail!("refused with {code}"),
        }
    }

    /// Uploads a workbook of members that must be accepted, to be checked and not written.
    pub(crate) async fn check(&self, workbook: &Path) -> Result<Task> {
        match self.upload(workbook, CHECK).await? {
            Answered::Accepted(task) => Ok(task),
            Answered::Refused(code) => bail!("refused with {code}"),
        }
    }

    /// Uploads a file as one of members.
    pub(crate) async fn try_import(&self, path: &Path) -> Result<Answered> {
        self.upload(path, IMPORT).await
    }

    async fn upload(&self, path: &Path, options: &'static str) -> Result<Answered> {
        let file = File::open(path).await?;
        let size = file.metadata().await?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = Part::stream_with_length(file, size).file_name(name.into_owned());
        let form = Form::new()
            .text("dataset", "member")
            .text("options", options)
            .part("file", part);
        let request = self.http.post(format!("{}/imports", self.base));
        let answer = request
            .bearer_auth(&self.token)
            .multipart(form)
            .send()
            .await?;
        let status = answer.status();
        let answer = answer.bytes().await?;
        if status == StatusCode::ACCEPTED {
            return Ok(Answered::Accepted(serde_json::from_slice(&answer)?));
        }
        let problem: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let code = problem["code"].as_str();
        Ok(Answered::Refused(
            code.map_or_else(|| status.to_string(), str::to_owned),
        ))
    }

    /// Asks every `pause` until the task has ended, however.
    pub(crate) async fn ended(&self, id: &str, pause: Duration, within: Duration) -> Result<Task> {
        let began = Instant::now();
        let url = format!("{}/tasks/{id}", self.base);
        loop {
            let answer = self.http.get(&url).bearer_auth(&self.token).send().await?;
            let task: Task = answer.error_for_status()?.json().await?;
            if task.finished {
                return Ok(task);
            }
            ensure!(began.elapsed() < within, "task {id} took too long");
            sleep(pause).await;
        }
    }

    /// Asks every `pause` until the task is a SUCCESS.
    pub(crate) async fn succeeded(
        &self,
        id: &str,
        pause: Duration,
        within: Duration,
    ) -> Result<Task> {
        let task = self.ended(id, pause, within).await?;
        if task.status != "SUCCESS" {
            bail!("task {id} is {}: {:?}", task.status, task.error);
        }
        Ok(task)
    }

    /// Saves the task's file.
    pub(crate) async fn download(&self, id: &str, to: &Path) -> Result<()> {
        let url = format!("{}/tasks/{id}/download", self.base);
        let answer = self.http.get(&url).bearer_auth(&self.token).send().await?;
        let mut answer = answer.error_for_status()?;
        let mut file = File::create(to)
            .await
            .with_context(|| to.display().to_string())?;
        while let Some(bytes) = answer.chunk().await? {
            file.write_all(&bytes).await?;
        }
        file.flush().await?;
        Ok(())
    }
}
