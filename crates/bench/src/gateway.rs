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
        let request = self.http.post(format!("{}/{path}", self.base));
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
        let file = File::open(workbook).await?;
        let size = file.metadata().await?.len();
        let part = Part::stream_with_length(file, size).file_name("members.xlsx");
        let form = Form::new()
            .text("dataset", "member")
            .text("options", r#"{"locale": "en", "timezone": "UTC"}"#)
            .part("file", part);
        let request = self.http.post(format!("{}/imports", self.base));
        let answer = request
            .bearer_auth(&self.token)
            .multipart(form)
            .send()
            .await?;
        let status = answer.status();
        let answer = answer.bytes().await?;
        ensure!(
            status == StatusCode::ACCEPTED,
            "refused with {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Asks every `pause` until the task is a SUCCESS.
    pub(crate) async fn succeeded(
        &self,
        id: &str,
        pause: Duration,
        within: Duration,
    ) -> Result<Task> {
        let began = Instant::now();
        let url = format!("{}/tasks/{id}", self.base);
        loop {
            let answer = self.http.get(&url).bearer_auth(&self.token).send().await?;
            let task: Task = answer.error_for_status()?.json().await?;
            if task.status == "SUCCESS" {
                return Ok(task);
            }
            if task.finished {
                bail!("task {id} is {}: {:?}", task.status, task.error);
            }
            ensure!(began.elapsed() < within, "task {id} took too long");
            sleep(pause).await;
        }
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
