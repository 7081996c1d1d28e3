//! A client that does not give up: the same request with the same key, to either gateway, until it
//! is accepted or refused for a reason of its own.

mod business;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client as Http, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::book::{Accepted, Book};
use crate::journal::Journal;
use crate::wish::Wish;

/// Longest wait for an answer: a client's own patience.
const ANSWER: Duration = Duration::from_secs(8);
/// Between two tries after no answer at all, and at most after a `Retry-After`.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where a gateway is at present: `http://127.0.0.1:…`.
pub(crate) type Address = Box<dyn Fn() -> String + Send + Sync>;

/// Talks to all gateways.
#[derive(Clone)]
pub(crate) struct Client {
    http: Http,
    gateways: Arc<Vec<Address>>,
    turn: Arc<AtomicUsize>,
    token: Arc<str>,
    book: Arc<Book>,
    journal: Arc<Journal>,
    /// When it falls even a patient client gives up.
    end: CancellationToken,
}

/// An answer that is not to be asked for again.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) replayed: bool,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(
        gateways: Vec<Address>,
        token: &str,
        (book, journal): (Arc<Book>, Arc<Journal>),
        end: CancellationToken,
    ) -> Result<Self> {
        let http = Http::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(ANSWER)
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            gateways: Arc::new(gateways),
            turn: Arc::default(),
            token: token.into(),
            book,
            journal,
            end,
        })
    }

    /// Has the wish accepted, and writes it down. None when it was refused, which is a violation.
    pub(crate) async fn submit(&self, key: &str, wish: &Wish) -> Result<Option<Accepted>> {
        let answer = self.insist(key, wish).await?;
        if !answer.status.is_success() {
            let (status, body) = (answer.status, answer.body);
            self.journal
                .violation(format!("{key} was refused: {status} {body}"));
            return Ok(None);
        }
        let accepted = Accepted {
            key: key.to_owned(),
            wish: wish.clone(),
            task: id_of(&answer.body),
            stored: count(&answer.body, "inserted") + count(&answer.body, "updated"),
        };
        if wish.is_task() && accepted.task.is_none() {
            bail!("{key} was accepted without an id: {}", answer.body);
        }
        self.journal.note(
            "accepted",
            json!({"key": key, "task": accepted.task, "replayed": answer.replayed,
                   "wish": format!("{wish:?}"), "told": told_at_once(wish, &answer.body)}),
        );
        self.book.accept(accepted.clone());
        Ok(Some(accepted))
    }

    /// Sends the same once more: it must be answered as before.
    pub(crate) async fn submit_again(&self, before: &Accepted) -> Result<()> {
        let answer = self.insist(&before.key, &before.wish).await?;
        let same = answer.status.is_success() && id_of(&answer.body) == before.task;
        if !same || !answer.replayed {
            self.journal.violation(format!(
                "{} was accepted as {:?} and, sent again, answered {} (replayed: {}) {}",
                before.key, before.task, answer.status, answer.replayed, answer.body
            ));
        }
        Ok(())
    }

    async fn insist(&self, key: &str, wish: &Wish) -> Result<Answer> {
        self.ask_until(|| {
            let request = self.http.post(self.url(&wish.path()));
            wish.send(key, request.header("Idempotency-Key", key))
        })
        .await
    }

    /// POST without a body that counts: cancel, retry.
    pub(crate) async fn act(&self, path: &str, body: &Value) -> Result<Answer> {
        self.ask_until(|| Ok(self.http.post(self.url(path)).json(body)))
            .await
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.ask_until(|| Ok(self.http.get(self.url(path)))).await
    }

    /// The bytes of a file.
    pub(crate) async fn download(&self, path: &str) -> Result<Vec<u8>> {
        let request = self.http.get(self.url(path)).bearer_auth(&*self.token);
        let answer = request.send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    async fn ask_until(
        &self,
        request: impl Fn() -> Result<reqwest::RequestBuilder>,
    ) -> Result<Answer> {
        while !self.end.is_cancelled() {
            let asked = request()?.bearer_auth(&*self.token).send().await;
            let Ok(response) = asked else {
                self.book.answered("none");
                sleep(PAUSE).await;
                continue;
            };
            if let Some(answer) = self.judge(response).await {
                return Ok(answer);
            }
        }
        bail!("the chaos is over and this was never answered")
    }

    /// The answer, or none when it says to try again; waits as it says.
    async fn judge(&self, response: Response) -> Option<Answer> {
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let wait = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        let replayed = header("Idempotency-Replayed").is_some_and(|value| value == "true");
        let url = response.url().path().to_owned();
        let Ok(text) = response.text().await else {
            self.book.answered("half");
            sleep(PAUSE).await;
            return None;
        };
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let code = body["code"].as_str().unwrap_or_default();
        self.book
            .answered(format!("{} {code}", status.as_u16()).trim());
        if status.is_server_error() || text.contains("restarting transaction") {
            if status != StatusCode::SERVICE_UNAVAILABLE || wait.is_none() {
                self.journal.violation(format!(
                    "{url} answered {status} (Retry-After {wait:?}): {text}"
                ));
            }
            sleep(
                PAUSE
                    .max(Duration::from_secs(wait.unwrap_or(0)))
                    .min(LONGEST_PAUSE),
            )
            .await;
            return None;
        }
        if status == StatusCode::TOO_MANY_REQUESTS || code == "idempotency_in_progress" {
            sleep(PAUSE).await;
            return None;
        }
        Some(Answer {
            status,
            replayed,
            body,
        })
    }

    fn url(&self, path: &str) -> String {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let base = self.gateways[turn % self.gateways.len()]();
        format!("{base}/api/v1/{path}")
    }
}

/// Of what is answered at once, the whole answer.
fn told_at_once(wish: &Wish, body: &Value) -> Value {
    if wish.is_task() {
        Value::Null
    } else {
        body.clone()
    }
}

fn id_of(body: &Value) -> Option<u64> {
    body["id"].as_str()?.parse().ok()
}

fn count(body: &Value, name: &str) -> u64 {
    body[name].as_u64().unwrap_or_default()
}

/// A task as it is told.
pub(crate) async fn task(client: &Client, id: u64) -> Result<Value> {
    let answer = client.get(&format!("tasks/{id}")).await?;
    let told = answer.status.is_success().then_some(answer.body);
    told.with_context(|| format!("task {id}: {}", answer.status))
}
