//! The bytes of a task's file; where the connection breaks, the rest is asked for, and only if the
//! file is still the same. Shown by `tests/it/network.rs`.

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue};
use tokio::time::sleep;

use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::patience::Backoff;
use crate::print::say;
use crate::text::size;

/// Attempts to go on, one after the other, that may bring nothing.
const MAX_FRUITLESS: u32 = 5;

pub(super) struct Source<'a> {
    gateway: &'a Gateway,
    id: &'a str,
    answer: Response,
    /// Which version of the file this is; without one the rest cannot be asked for.
    tag: Option<HeaderValue>,
    received: u64,
    fruitless: u32,
    backoff: Backoff,
}

impl<'a> Source<'a> {
    /// `hash` is the file's SHA-256, where it is known.
    pub(super) async fn open(
        gateway: &'a Gateway,
        id: &'a str,
        hash: Option<&str>,
    ) -> Result<Self, Failure> {
        let answer = gateway.download(id, None).await?;
        let tag = if gateway.is_here(answer.url()) {
            answer.headers().get(ETAG).cloned()
        } else {
            // The gateway serves the rest itself, and its tag is the hash (/openapi.json); what the
            // file store calls this file means nothing to it.
            hash.and_then(|hash| HeaderValue::try_from(format!("\"{hash}\"")).ok())
        };
        // A weak tag promises nothing about the bytes (RFC 9110, 13.1.5).
        let tag = tag.filter(|tag| tag.as_bytes().starts_with(b"\""));
        Ok(Self {
            gateway,
            id,
            answer,
            tag,
            received: 0,
            fruitless: 0,
            backoff: Backoff::default(),
        })
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.answer.chunk().await {
                Ok(Some(piece)) => {
                    self.received += piece.len() as u64;
                    self.fruitless = 0;
                    self.backoff.reset();
                    return Ok(Some(piece));
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    let error = error.with_url(self.answer.url().clone());
                    self.go_on(self.gateway.broken(&error)).await?;
                }
            }
        }
    }

    /// Asks for the rest; gives up with what was wrong last.
    async fn go_on(&mut self, mut failure: Failure) -> Result<(), Failure> {
        let Some(tag) = self.tag.clone() else {
            return Err(failure);
        };
        while self.fruitless < MAX_FRUITLESS {
            self.fruitless += 1;
            let have = size(self.received);
            say(format_args!(
                "The connection broke after {have}; going on from there."
            ));
            sleep(self.backoff.next()).await;
            let rest = Some((self.received, &tag));
            match self.gateway.download(self.id, rest).await {
                Ok(answer) if begins_at(&answer, self.received) => {
                    self.answer = answer;
                    return Ok(());
                }
                Ok(_whole) => return Err(failure),
                Err(next) if next.exit() == Exit::Unavailable => failure = next,
                Err(next) => return Err(next),
            }
        }
        Err(failure)
    }
}

fn begins_at(answer: &Response, offset: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    let begin = format!("bytes {offset}-");
    answer.status().as_u16() == 206 && range.is_some_and(|range| range.starts_with(&begin))
}
