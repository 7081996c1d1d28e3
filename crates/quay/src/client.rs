//! The gateway over HTTP.

use std::time::Duration;

use domain::ExportRequest;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use url::{Host, Url};

use crate::cli::{GatewayArgs, given};
use crate::exit::{Exit, Failure, chain, root};
use crate::problem;
use crate::wire::{Answered, Page};

/// Longest wait for the gateway to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest silence within an answer, a download's too.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of an answer that is not a file.
const MAX_ANSWER_BYTES: usize = 16 << 20;

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

    pub(crate) async fn show(&self, id: &str) -> Result<Polled, Failure> {
        self.task(self.http.get(self.at(&["tasks", id])?)).await
    }

    pub(crate) async fn cancel(&self, id: &str) -> Result<Answered, Failure> {
        Ok(self
            .task(self.http.post(self.at(&["tasks", id, "cancel"])?))
            .await?
            .answered)
    }

    pub(crate) async fn list(&self, query: &[(&str, String)]) -> Result<Page, Failure> {
        let call = self.http.get(self.at(&["tasks"])?).query(query);
        let answer = self.send(call).await?;
        self.read(answer).await
    }

    /// The main file's bytes, as they come.
    pub(crate) async fn download(&self, id: &str) -> Result<Response, Failure> {
        self.send(self.http.get(self.at(&["tasks", id, "download"])?))
            .await
    }

    /// What to say when the connection broke in the middle of an answer.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() {
            "did not answer in time"
        } else {
            "cannot be reached"
        };
        Failure::new(
            Exit::Unavailable,
            format!("the gateway at {} {what} ({})", self.base, root(error)),
        )
        .advise("Is the gateway up? On your own machine: ./dev up\nOther address: --url or QUAYSIDE_URL")
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
        let answer = call
            .bearer_auth(&self.token)
            .send()
            .await
            .map_err(|error| self.broken(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let retry_after = retry_after(answer.headers());
        let body = self.body(answer).await?;
        Err(problem::failure(status.as_u16(), retry_after, &body))
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, answer: Response) -> Result<T, Failure> {
        let body = self.body(answer).await?;
        serde_json::from_slice(&body).map_err(not_ours)
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Failure::new(
                    Exit::Failed,
                    "the server's answer is too long",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
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

fn parse_base(text: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("{text:?} is no address of a gateway: {why}"))
            .advise("It looks like http://127.0.0.1:8080; set it by --url or QUAYSIDE_URL.")
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(wrong("it must begin with http:// or https://")),
    }
}

/// A proxy of the environment is not asked for what runs on this very machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
fn not_ours(error: serde_json::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("the server's answer is not understood: {error}"),
    )
    .advise("Is --url (QUAYSIDE_URL) really the address of a Quayside gateway?")
}
