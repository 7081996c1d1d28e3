//! Handler kind `http`: a business service is called, by a POST for each row, or for as many as the
//! definition's `batch_size` says (batch.rs).
//!
//! What the service gets: the context, `Idempotency-Key` `<biz_type>/<biz_id>` and `X-Quayside-Tenant`, both the
//! same for every try; with a secret also `X-Quayside-Timestamp` (seconds since 1970) and
//! `X-Quayside-Signature`, `v1=` and the hex of HMAC-SHA-256 over timestamp, tenant, idempotency key
//! and body, a line feed between them, which no header can hold. What it answers: 2xx is done, once
//! all of it, or its first 64 KiB, came in time; 408, 425, 429 and 5xx, silence and a broken connection
//! are tried again; anything else, redirects too, is given up. What says that no call can succeed (a
//! redirect, 401, 403, 404, 405) speaks against the lane, unless the row itself names the address. Only
//! hosts of the definition are called, and only at addresses that are public or lie in its ranges
//! (guard.rs), and no more of one host at once than it may have (hosts.rs). Shown by `tests/it/http.rs`.

mod batch;
mod failures;
pub(crate) mod guard;
pub(crate) mod hosts;
mod together;

use std::sync::Arc;

use anyhow::bail;
use async_trait::async_trait;
use domain::{Clock, Failure, FailureKind, HandlerDef, HttpSpec, HttpTarget};
use engine::{Attempt, BizHandler};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use store::Effects;
use url::Url;

use failures::{given_up, invalid, tried_again};
use guard::Guard;
use hosts::{Hosts, PutOff};
use together::Together;

pub(crate) use failures::{broken, no};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Shortest secret, in bytes.
const MIN_SECRET_BYTES: usize = 16;

/// What no header may hold as it is; `%`, so that no two names look alike.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Calls one kind of service. Cheap to clone.
#[derive(Clone)]
pub struct HttpHandler {
    client: Client,
    guard: Guard,
    spec: HttpSpec,
    secret: Option<SecretString>,
    clock: Arc<dyn Clock>,
    /// Failures of a row that are followed by another try.
    max_cnt: u32,
    hosts: Arc<Hosts>,
    /// Where calls wait for each other, if the service takes many at once.
    together: Option<Arc<Together>>,
}

/// One call, as the service sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `<biz_type>/<biz_id>`, what no header can hold percent-encoded.
    pub key: String,
    /// Whose work it is, encoded alike.
    pub tenant: String,
    /// The context.
    pub body: String,
}

impl Call {
    fn of(attempt: &Attempt) -> Self {
        Self::of_row(attempt, attempt.context().to_owned())
    }

    /// A call for the attempt's row that says something else than its context.
    pub(crate) fn of_row(attempt: &Attempt, body: String) -> Self {
        let claimed = attempt.claimed();
        let (biz_type, biz_id) = (claimed.biz_type.as_str(), claimed.biz_id.as_str());
        Self {
            key: format!("{}/{}", encoded(biz_type), encoded(biz_id)),
            tenant: encoded(attempt.tenant().as_str()),
            body,
        }
    }

    /// The signature at a moment, in seconds since 1970.
    #[must_use]
    pub fn signature(&self, secret: &SecretString, timestamp: i64) -> String {
        let Self { key, tenant, body } = self;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .unwrap_or_else(|error| unreachable!("HMAC takes keys of any length: {error}"));
        mac.update(format!("{timestamp}\n{tenant}\n{key}\n{body}").as_bytes());
        format!("v1={}", hex::encode(mac.finalize().into_bytes()))
    }
}

impl HttpHandler {
    /// A handler as the definition says; `secret` is what it names.
    ///
    /// # Errors
    /// When the secret is too short, or no client can be made.
    pub fn new(
        handler: &HandlerDef,
        spec: &HttpSpec,
        secret: Option<SecretString>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let is_short = |it: &SecretString| it.expose_secret().len() < MIN_SECRET_BYTES;
        if secret.as_ref().is_some_and(is_short) {
            bail!("a secret of {MIN_SECRET_BYTES} bytes or more is needed to sign calls");
        }
        let guard = Guard::new(spec.private_ranges.clone());
        let client = guard.client(handler.timeout)?;
        let most = usize::try_from(handler.batch_size)?;
        Ok(Self {
            client,
            guard,
            spec: spec.clone(),
            secret,
            clock,
            max_cnt: handler.retry.max_cnt(),
            hosts: Hosts::new(
                &handler.biz_type,
                calls_of_a_host(handler, spec)?,
                spec.host_patience,
            ),
            together: (most > 1).then(|| Arc::new(Together::new(most))),
        })
    }

    fn url(&self, context: &serde_json::Value) -> Result<Url, Failure> {
        let url = match &self.spec.target {
            HttpTarget::Fixed(url) => url.clone(),
            HttpTarget::Field(field) => {
                let text = context.get(field).and_then(serde_json::Value::as_str);
                let text = text.ok_or_else(|| invalid("the context names no address"))?;
                Url::parse(text).map_err(|error| invalid(format!("no address: {error}")))?
            }
        };
        self.spec.check_url(&url).map_err(invalid)?;
        self.guard.check_literal(&url).map_err(invalid)?;
        Ok(url)
    }

    fn request(&self, url: Url, call: &Call) -> RequestBuilder {
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json");
        // A batch has neither: each of its items has its own.
        if !call.key.is_empty() {
            request = request
                .header("Idempotency-Key", &call.key)
                .header("X-Quayside-Tenant", &call.tenant);
        }
        if let Some(secret) = &self.secret {
            let timestamp = self.clock.now().timestamp();
            request = request
                .header("X-Quayside-Timestamp", timestamp)
                .header("X-Quayside-Signature", call.signature(secret, timestamp));
        }
        request.body(call.body.clone())
    }

    /// Makes one call; the answer of a service that says yes.
    async fn call(&self, url: Url, call: &Call) -> Result<Response, Failure> {
        let answer = self.request(url, call).send().await;
        let answer = answer.map_err(|error| broken(&error))?;
        let status = answer.status();
        if status.is_success() {
            Ok(answer)
        } else {
            Err(no(status))
        }
    }

    /// Makes one call, if its host may be called; what a yes says is of no matter, but that it came in
    /// time is.
    async fn call_alone(&self, url: Url, call: &Call) -> Result<(), NotDone> {
        let _visit = self.hosts.visit(&url).map_err(NotDone::PutOff)?;
        let called = async {
            let answer = self.call(url.clone(), call).await?;
            body(answer, MAX_ANSWER_BYTES).await.map(drop)
        };
        let called = called.await;
        self.noted(&url, called).map_err(NotDone::Failed)
    }

    /// What became of a call, noted of its host: one that may be made again with more success speaks
    /// against it.
    fn noted<T>(&self, url: &Url, called: Result<T, Failure>) -> Result<T, Failure> {
        let is_trouble = |failure: &Failure| failure.kind == FailureKind::Transient;
        self.hosts
            .tell(url, !called.as_ref().is_err_and(is_trouble));
        called
    }

    /// What is to be answered for the row.
    fn failure(&self, attempt: &Attempt, why: NotDone) -> Failure {
        let failure = match why {
            NotDone::PutOff(put_off) => self.hosts.put_off(attempt, put_off),
            NotDone::Failed(failure) => failure,
        };
        let HttpTarget::Field(_) = &self.spec.target else {
            return failure;
        };
        // The address is the row's own: that it leads nowhere says nothing of the lane, nor does its
        // host, where there are others.
        let is_rows_own = match failure.kind {
            FailureKind::Permanent => true,
            FailureKind::Transient => {
                self.spec.hosts.len() > 1 && attempt.claimed().cnt >= self.max_cnt
            }
            FailureKind::Rejected | FailureKind::Cancelled | FailureKind::LeaseLost => false,
        };
        if is_rows_own {
            given_up(failure.detail)
        } else {
            failure
        }
    }
}

/// Why a row's call is not done.
enum NotDone {
    /// It was not made.
    PutOff(PutOff),
    /// It came to nothing.
    Failed(Failure),
}

/// Half of all calls, where there are others to be called: a host that is slow leaves the rest to them.
fn calls_of_a_host(handler: &HandlerDef, spec: &HttpSpec) -> anyhow::Result<usize> {
    let usual = if spec.hosts.len() > 1 {
        (handler.concurrency / 2).max(1)
    } else {
        handler.concurrency
    };
    Ok(usize::try_from(spec.host_concurrency.unwrap_or(usual))?)
}

#[async_trait]
impl BizHandler for HttpHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let context = serde_json::from_str(attempt.context())
            .map_err(|error| invalid(format!("the context is no JSON: {error}")))?;
        let url = self.url(&context)?;
        let call = Call::of(attempt);
        let called = async {
            match &self.together {
                None => self.call_alone(url, &call).await,
                Some(together) => {
                    let is_first = attempt.claimed().cnt == 0;
                    together.call(call, is_first, (self, &url)).await
                }
            }
        };
        tokio::select! {
            () = attempt.stopped().cancelled() => Err(Failure::stopped()),
            called = called => match called {
                Ok(()) => Ok(Effects::none()),
                Err(why) => Err(self.failure(attempt, why)),
            },
        }
    }

    async fn clean_up(&self, _: &Attempt) {}
}

/// The body of an answer; none when it is longer, and then the rest is not read.
pub(crate) async fn body(
    mut answer: Response,
    most_bytes: usize,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > most_bytes {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, UNSAFE).to_string()
}
