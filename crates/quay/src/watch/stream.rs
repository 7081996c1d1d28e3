//! The events of one task or of all, over as many connections as it takes.

use std::time::{Duration, Instant};

use reqwest::Response;

use crate::client::Gateway;
use crate::exit::Failure;
use crate::patience::Patience;
use crate::sse::Reader;
use crate::wire::Answered;

/// A stream that lasted so long was a good one: the next is asked for soon.
const STEADY: Duration = Duration::from_secs(15);

pub(super) struct Stream<'a> {
    gateway: &'a Gateway,
    /// The task's; none for all of one's own.
    id: Option<&'a str>,
    reader: Reader,
    /// False once the server said that it has none.
    offered: bool,
    opened: Instant,
}

impl<'a> Stream<'a> {
    pub(super) fn new(gateway: &'a Gateway, id: Option<&'a str>) -> Self {
        Self {
            gateway,
            id,
            reader: Reader::default(),
            offered: true,
            opened: Instant::now(),
        }
    }

    /// Opens it after the last event that came; none where the server has no stream.
    pub(super) async fn open(&mut self) -> Result<Option<Response>, Failure> {
        if !self.offered {
            return Ok(None);
        }
        let opened = self.gateway.events(self.id, self.reader.last_id()).await?;
        self.offered = opened.is_some();
        self.opened = Instant::now();
        self.reader.begin();
        Ok(opened)
    }

    /// Hands on each task until that was the last, or the stream ends, in order or not.
    pub(super) async fn read(
        &mut self,
        mut answer: Response,
        mut each: impl FnMut(Answered) -> bool,
    ) {
        while let Ok(Some(piece)) = answer.chunk().await {
            let Ok(events) = self.reader.feed(&piece) else {
                return;
            };
            for event in events.iter().filter(|event| event.name == "task") {
                // What is not understood here is told by the look that follows.
                let task = serde_json::from_str(&event.data).and_then(Answered::read);
                if task.is_ok_and(&mut each) {
                    return;
                }
            }
        }
    }

    /// How long to wait before the next one.
    pub(super) fn pause(&self, patience: &mut Patience) -> Option<Duration> {
        if self.opened.elapsed() >= STEADY {
            patience.backoff.reset();
        }
        self.reader.retry_millis().map(Duration::from_millis)
    }
}
