//! The bytes of one stream: `text/event-stream` (WHATWG HTML, 9.2).

use std::convert::Infallible;
use std::fmt::Display;
use std::future::ready;
use std::time::Duration;

use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, sleep, sleep_until};

use super::hub::Watch;
use super::mailbox::{Batch, News};

/// A hint for how soon to come back, and a comment at once, so that proxies pass on what they have.
const GREETING: &str = "retry: 2000\n: here\n\n";

const KEEP_ALIVE: &str = ": still here\n\n";

/// What the `id:` of an event means.
pub(super) enum Ids {
    /// The version of the one task; its stream ends after a final state.
    Version,
    /// A moment by the database's clock up to which everything was sent, in microseconds since
    /// 1970; here the one that was sent last.
    Moment(Option<DateTime<Utc>>),
}

/// An open stream.
pub(super) struct Live {
    pub(super) watch: Watch,
    pub(super) ids: Ids,
    /// When the right to watch ends.
    pub(super) until: Instant,
    /// The longest silence.
    pub(super) keep_alive: Duration,
}

impl Live {
    /// The bytes, until the task is final or gone, the right to watch ends, or the gateway does.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let greeting = stream::once(ready(Ok(Bytes::from_static(GREETING.as_bytes()))));
        greeting.chain(stream::unfold(Some(self), async |live| {
            let mut live = live?;
            let (text, last) = live.next().await?;
            Some((Ok(text.into()), (!last).then_some(live)))
        }))
    }

    /// What is sent next, and whether it is the last.
    async fn next(&mut self) -> Option<(String, bool)> {
        tokio::select! {
            biased;
            () = sleep_until(self.until) => None,
            batch = self.watch.mailbox.take() => Some(self.written(batch?)),
            () = sleep(self.keep_alive) => Some((KEEP_ALIVE.to_owned(), false)),
        }
    }

    /// The batch as text, and whether it is the last.
    fn written(&mut self, batch: Batch) -> (String, bool) {
        let mut text = String::new();
        match &mut self.ids {
            Ids::Version => {
                for news in &batch.news {
                    write_event(&mut text, news, news.version);
                }
                (text, batch.news.iter().any(|news| news.is_final))
            }
            Ids::Moment(sent) => {
                write_all(&mut text, &batch, sent);
                (text, false)
            }
        }
    }
}

/// All but the last event bear the moment before: whoever loses the stream amid them gets the rest.
fn write_all(text: &mut String, batch: &Batch, sent: &mut Option<DateTime<Utc>>) {
    let before = sent.unwrap_or(batch.as_of);
    let after = if batch.complete { batch.as_of } else { before };
    let last = batch.news.len().saturating_sub(1);
    for (index, news) in batch.news.iter().enumerate() {
        let moment = if index == last { after } else { before };
        write_event(text, news, moment.timestamp_micros());
    }
    *sent = Some(after);
}

fn write_event(text: &mut String, news: &News, id: impl Display) {
    text.push_str(&format!("event: task\nid: {id}\ndata: {}\n\n", news.json));
}
