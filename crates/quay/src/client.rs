//! The gateway over HTTP.

mod address;
mod answer;
mod tell;

use std::time::Duration;

use std::path::PathBuf;

use domain::ExportRequest;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, IF_RANGE, RANGE};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use url::Url;

use address::{is_loopback, link, parse_base};
pub(crate) use answer::not_ours;
use answer::retry_after;

use crate::cli::{GatewayArgs, given};
use crate::exit::{Failure, chain};
use crate::wire::{Answered, Page};

/// Longest wait for the gateway to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest silence within an answer, a download's too.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Redirects that a download follows, at most. Nothing else is ever sent elsewhere.
const MAX_REDIRECTS: usize = 3;

/// A gateway and the right to ask it.
pub(crate) struct Gateway {
    http: reqwest::Client,
    base: Url,
    token: String,
}

/// An answer and after how many seconds the server wants to be asked again.
pub(crate) struct Polled {
    pub(crate) answered: Answered,
    pub(crate) retry_after: Option<Duration>,
}

/// A file to import, and what is said of it.
pub(crate) struct UploadRequest {
    pub(crate) dataset: String,
    pub(crate) path: PathBuf,
    /// The file's name.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// JSON.
    pub(crate) options: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

impl Gateway {
    pub(crate) fn new(args: &GatewayArgs) -> Result<Self, Failure> {
        let base = parse_base(&args.url)?;
        let token = given(args.token.as_deref()).ok_or_else(|| {
            Failure::usage("no token: who are you?").advise(
                "Get one: export QUAYSIDE_TOKEN=$(./dev token --user 7 --role MANAGER)\n\
                 or give it with --token JWT.",
            )
        })?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!("quay/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|error| Failure::local("cannot prepare HTTP", chain(&error)))?;
        Ok(Self {
            http,
            base,
            token: token.to_owned(),
        })
    }

    pub(crate) async fn submit_export(
        &self,
        request: &ExportRequest,
        idempotency_key: Option<&str>,
    ) -> Result<Answered, Failure> {
        let mut call = self.http.post(self.at(&["exports"])?).json(request);
        if let Some(key) = idempotency_key {
            call = call.header("Idempotency-Key", key);
        }
        Ok(self.task(call).await?.answered)
    }

    /// Uploads a file, read as it is sent.
    pub(crate) async fn submit_import(&self, upload: &UploadRequest) -> Result<Answered, Failure> {
        let file = tokio::fs::File::open(&upload.path).await.map_err(|error| {
            Failure::local(format!("cannot read {}", upload.path.display()), error)
        })?;
        let part = Part::stream_with_length(file, upload.size).file_name(upload.name.clone());
        // the fields come first, so that a wrong one is told before the file is sent
        let mut form = Form::new().text("dataset", upload.dataset.clone());
        if let Some(options) = &upload.options {
            form = form.text("options", options.clone());
        }
        let form = form.part("file", part);
        let mut call = self.http.post(self.at(&["imports"])?).multipart(form);
        if let Some(key) = &upload.idempotency_key {
            call = call.header("Idempotency-Key", key);
        }
        Ok(self.task(call).await?.answered)
    }

    /// The import template of a dataset.
    pub(crate) async fn template(
        &self,
        dataset: &str,
        format: &str,
        locale: Option<&str>,
    ) -> Result<Response, Failure> {
        let mut query = vec![("format", format)];
        query.extend(locale.map(|locale| ("locale", locale)));
        let url = self.at(&["datasets", dataset, "template"])?;
        self.send(self.http.get(url).query(&query)).await
    }

    pub(crate) async fn show(&self, id: &str) -> Result<Polled, Failure> {
        self.task(self.http.get(self.at(&["tasks", id])?)).await
    }

    /// `POST /tasks/{id}/cancel` or `/retry`.
    pub(crate) async fn change(&self, id: &str, verb: &str) -> Result<Answered, Failure> {
        let call = self.http.post(self.at(&["tasks", id, verb])?);
        Ok(self.task(call).await?.answered)
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Failure> {
        let call = self.http.delete(self.at(&["tasks", id])?);
        self.send(call).await.map(drop)
    }

    /// A page of the list at `path`.
    pub(crate) async fn page(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Page, Failure> {
        let call = self.http.get(self.at(path)?).query(query);
        self.read(self.send(call).await?).await
    }

    /// `POST /notifications/{id}/read`; the notification as it stands then.
    pub(crate) async fn read_notification(&self, id: u64) -> Result<Value, Failure> {
        let url = self.at(&["notifications", &id.to_string(), "read"])?;
        self.read(self.send(self.http.post(url)).await?).await
    }

    pub(crate) async fn attempts(&self, id: &str, cursor: Option<&str>) -> Result<Page, Failure> {
        let call = self.http.get(self.at(&["tasks", id, "attempts"])?);
        let cursor = cursor.map(|cursor| [("cursor", cursor)]);
        self.read(self.send(call.query(&cursor.as_slice().concat())).await?)
            .await
    }

    pub(crate) async fn quotas(&self) -> Result<Page, Failure> {
        let call = self.http.get(self.at(&["quotas"])?);
        self.read(self.send(call).await?).await
    }

    pub(crate) async fn lanes(&self) -> Result<Page, Failure> {
        let call = self.http.get(self.at(&["lanes"])?);
        self.read(self.send(call).await?).await
    }

    /// `POST /lanes/{lane}/pause`, `/resume` or `/scan`; the lane as it stands then.
    pub(crate) async fn change_lane(
        &self,
        lane: &str,
        verb: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let call = self.http.post(self.at(&["lanes", lane, verb])?).json(body);
        self.read(self.send(call).await?).await
    }

    pub(crate) async fn dead_letter(&self, id: u64) -> Result<Value, Failure> {
        let call = self.http.get(self.at(&["dead-letters", &id.to_string()])?);
        self.read(self.send(call).await?).await
    }

    /// `POST /dead-letters/{id}/redrive` or `/discard`; the letter as it stands then.
    pub(crate) async fn act_on_letter(&self, id: u64, verb: &str) -> Result<Value, Failure> {
        let url = self.at(&["dead-letters", &id.to_string(), verb])?;
        self.read(self.send(self.http.post(url)).await?).await
    }

    pub(crate) async fn redrive_letters(&self, body: &Value) -> Result<Value, Failure> {
        let call = self.http.post(self.at(&["dead-letters", "redrive"])?);
        self.read(self.send(call.json(body)).await?).await
    }

    pub(crate) async fn submit_compensations(
        &self,
        call: &impl serde::Serialize,
        idempotency_key: Option<&str>,
    ) -> Result<Value, Failure> {
        let mut call = self.http.post(self.at(&["compensations"])?).json(call);
        if let Some(key) = idempotency_key {
            call = call.header("Idempotency-Key", key);
        }
        self.read(self.send(call).await?).await
    }

    pub(crate) async fn compensation(&self, id: u64) -> Result<Value, Failure> {
        let url = self.at(&["compensations", &id.to_string()])?;
        self.read(self.send(self.http.get(url)).await?).await
    }

    /// `POST /compensations/{id}/retry` or `/cancel`; the work as it stands then.
    pub(crate) async fn act_on_compensation(&self, id: u64, verb: &str) -> Result<Value, Failure> {
        let url = self.at(&["compensations", &id.to_string(), verb])?;
        self.read(self.send(self.http.post(url)).await?).await
    }

    pub(crate) async fn compensation_group(&self, id: u64) -> Result<Value, Failure> {
        let url = self.at(&["compensation-groups", &id.to_string()])?;
        self.read(self.send(self.http.get(url)).await?).await
    }

    /// The events of a task, or of all of one's own, after the one with that id; none where the
    /// server has no such stream.
    pub(crate) async fn events(
        &self,
        id: Option<&str>,
        last_event_id: Option<&str>,
    ) -> Result<Option<Response>, Failure> {
        let url = match id {
            Some(id) => self.at(&["tasks", id, "events"])?,
            None => self.at(&["tasks", "events"])?,
        };
        let mut call = self.http.get(url).header(ACCEPT, "text/event-stream");
        if let Some(last) = last_event_id {
            call = call.header("Last-Event-ID", last);
        }
        let answer = self.call(call).await?;
        if matches!(answer.status().as_u16(), 404 | 405 | 406 | 501) {
            return Ok(None);
        }
        let answer = self.accepted(answer).await?;
        let kind = answer.headers().get(CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        Ok(Some(answer).filter(|_| is_stream))
    }

    /// The main file's bytes, as they come, from wherever the gateway sends us; with `rest` only
    /// those from there on, if the file is still the one with that tag.
    pub(crate) async fn download(
        &self,
        id: &str,
        rest: Option<(u64, &HeaderValue)>,
    ) -> Result<Response, Failure> {
        let asking = |call: RequestBuilder| match rest {
            Some((from, tag)) => call
                .header(RANGE, format!("bytes={from}-"))
                .header(IF_RANGE, tag),
            None => call,
        };
        let url = self.at(&["tasks", id, "download"])?;
        let mut answer = self.call(asking(self.http.get(url))).await?;
        for _ in 0..MAX_REDIRECTS {
            let Some(link) = link(&answer) else {
                break;
            };
            // The link itself is the right to the file: the token is not for others to see.
            let sent = asking(self.http.get(link.clone())).send().await;
            answer = sent.map_err(|error| self.broken(&error.with_url(link)))?;
        }
        self.accepted(answer).await
    }

    async fn task(&self, call: RequestBuilder) -> Result<Polled, Failure> {
        let answer = self.send(call).await?;
        let retry_after = retry_after(answer.headers()).map(Duration::from_secs);
        let json: Value = self.read(answer).await?;
        let answered = Answered::read(json).map_err(not_ours)?;
        Ok(Polled {
            answered,
            retry_after,
        })
    }

    async fn send(&self, call: RequestBuilder) -> Result<Response, Failure> {
        let answer = self.call(call).await?;
        self.accepted(answer).await
    }

    async fn call(&self, call: RequestBuilder) -> Result<Response, Failure> {
        let call = call.bearer_auth(&self.token);
        call.send().await.map_err(|error| self.broken(&error))
    }

    fn at(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage(format!("{} is no web address", self.base)))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        Ok(url)
    }
}
