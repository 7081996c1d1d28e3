//! The public keys of an identity provider (`auth.jwks_url`): fetched, kept and looked up by `kid`.
//!
//! One task fetches them: at the start, every `auth.jwks_refresh_seconds`, and when a token names a
//! key that is not known, however many such tokens come, but not within [`REST`] of the last time.
//! While the provider is away the last set stays in use, for [`LONGEST_USE`] at most. A set that was
//! read counts as it is, an empty one too. Proven by `tests/it/auth/jwks.rs`.

mod key;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::FutureExt;
use jsonwebtoken::Header;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use service::Lifecycle;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use url::Url;

pub(crate) use key::Key;

/// What a fetch may take in all.
const FETCH_TIME: Duration = Duration::from_secs(5);

/// Least pause between two fetches; a refresh that is due more often shortens it.
const REST: Duration = Duration::from_secs(5);

/// How long a set is used that cannot be fetched anew.
const LONGEST_USE: Duration = Duration::from_secs(24 * 3_600);

/// Most bytes of a set.
const MAX_BYTES: usize = 256 * 1_024;

/// The keys of the identity provider.
pub(super) struct KeySet {
    client: Client,
    url: Url,
    refresh: Duration,
    rest: Duration,
    /// Somebody waits for a key that is not known.
    asked: Notify,
    known: watch::Sender<Known>,
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The provider has none that the token could be checked with.
    Key,
    /// What keys the provider has cannot be told just now.
    Provider,
}

/// What the last fetches brought.
#[derive(Default)]
struct Known {
    keys: Vec<Arc<Key>>,
    /// When the keys were fetched.
    fetched: Option<Instant>,
    /// When a fetch ended last, well or badly.
    tried: Option<Instant>,
    /// Whether it ended badly.
    failed: bool,
}

/// What the keys say to a token.
enum Look {
    Found(Arc<Key>),
    /// There is a key of that name, but it does not fit, or one cannot be chosen.
    Unfit,
    Unknown,
}

impl KeySet {
    /// Reaches for nothing yet.
    ///
    /// # Errors
    /// When the URL is none, or there can be no HTTP client.
    pub(super) fn new(url: &str, refresh: Duration) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(FETCH_TIME)
            .redirect(Policy::none())
            .user_agent(concat!("quayside/", env!("CARGO_PKG_VERSION")));
        Ok(Self {
            client: client.build().context("an HTTP client")?,
            url: Url::parse(url).context("auth.jwks_url is no URL")?,
            refresh,
            rest: REST.min(refresh),
            asked: Notify::new(),
            known: watch::Sender::default(),
        })
    }

    /// Fetches until the soft shutdown.
    pub(super) fn start(self: &Arc<Self>, lifecycle: &Lifecycle) {
        let (keys, soft) = (self.clone(), lifecycle.soft());
        lifecycle.spawn("keys of the identity provider", async move {
            soft.run_until_cancelled(keys.keep()).await;
            Ok(())
        });
    }

    async fn keep(&self) {
        loop {
            let fetched = self.fetch().await;
            // Whoever asked meanwhile is told by what comes now.
            let _told = self.asked.notified().now_or_never();
            let failed = fetched.is_err();
            self.known.send_modify(|known| known.take(fetched));
            tokio::time::sleep(self.rest).await;
            if !failed {
                let until_refresh = self.refresh - self.rest;
                drop(tokio::time::timeout(until_refresh, self.asked.notified()).await);
            }
        }
    }

    async fn fetch(&self) -> anyhow::Result<Vec<Arc<Key>>> {
        let answer = self.client.get(self.url.clone()).send().await;
        // The query of the address may be a secret.
        let mut answer = answer.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "the answer is {status}");
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            let fits = body.len() + chunk.len() <= MAX_BYTES;
            ensure!(fits, "the answer has more than {MAX_BYTES} bytes");
            body.extend_from_slice(&chunk);
        }
        key::read(&body)
    }

    /// The key that a token with this header is to be checked with. An unknown one is waited for
    /// while it is fetched, [`FETCH_TIME`] at most.
    pub(super) async fn find(&self, header: &Header) -> Result<Arc<Key>, Missing> {
        let mut news = self.known.subscribe();
        let rested = {
            let known = news.borrow_and_update();
            match known.look(header, Instant::now()) {
                Look::Found(key) => return Ok(key),
                Look::Unfit => return Err(Missing::Key),
                Look::Unknown => known.tried.is_none_or(|tried| tried.elapsed() >= self.rest),
            }
        };
        if rested {
            self.asked.notify_one();
            let patience = FETCH_TIME + Duration::from_secs(1);
            drop(tokio::time::timeout(patience, news.changed()).await);
        }
        let known = news.borrow();
        match known.look(header, Instant::now()) {
            Look::Found(key) => Ok(key),
            Look::Unknown if known.failed || known.fetched.is_none() => Err(Missing::Provider),
            Look::Unknown | Look::Unfit => Err(Missing::Key),
        }
    }
}

impl Known {
    fn take(&mut self, fetched: anyhow::Result<Vec<Arc<Key>>>) {
        let now = Instant::now();
        match fetched {
            Ok(keys) => {
                if self.failed || self.fetched.is_none() {
                    tracing::info!(keys = keys.len(), "the identity provider's keys are there");
                }
                self.keys = keys;
                self.fetched = Some(now);
                self.failed = false;
            }
            Err(error) => {
                if !self.failed {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the identity provider's keys cannot be fetched; the last ones stay in use"
                    );
                }
                self.failed = true;
            }
        }
        self.tried = Some(now);
    }

    fn look(&self, header: &Header, now: Instant) -> Look {
        let in_use = |fetched| now.saturating_duration_since(fetched) < LONGEST_USE;
        if !self.fetched.is_some_and(in_use) {
            return Look::Unknown;
        }
        let fitting = |key: &&Arc<Key>| key.algorithm == header.alg;
        let Some(kid) = &header.kid else {
            let mut fitting = self.keys.iter().filter(fitting);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Look::Found(key.clone()),
                _ => Look::Unfit,
            };
        };
        let mut named = self.keys.iter().filter(|key| key.kid.as_ref() == Some(kid));
        match (named.clone().next(), named.find(fitting)) {
            (_, Some(key)) => Look::Found(key.clone()),
            (Some(_), None) => Look::Unfit,
            (None, None) => Look::Unknown,
        }
    }
}
