//! When to look again, and when to give up.
//!
//! The gateway is asked again when its `Retry-After` says so, never sooner; where it says nothing,
//! after 1, 2, 4, 8, then every 15 seconds. A gateway that goes away for a while ends nothing: the
//! work goes on without it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::client::{Gateway, Polled};
use crate::exit::{Exit, Failure};

/// Seconds until the next look when the server names none (api.md, ground rules).
const STEPS: [u64; 5] = [1, 2, 4, 8, 15];

/// Longest pause that is believed.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// So long the gateway may be away before waiting is given up.
const MAX_AWAY: Duration = Duration::from_secs(60);

/// So long the last look may take when the time is over.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Pauses that grow.
#[derive(Default)]
pub(crate) struct Backoff {
    taken: usize,
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let step = STEPS.get(self.taken).or(STEPS.last());
        self.taken += 1;
        Duration::from_secs(step.copied().unwrap_or_default())
    }

    pub(crate) fn reset(&mut self) {
        self.taken = 0;
    }
}

/// How long somebody goes on watching.
pub(crate) struct Patience {
    deadline: Option<Instant>,
    seen: Instant,
    pub(crate) backoff: Backoff,
}

impl Patience {
    /// Without a limit where `limit` is none, or longer than any clock goes.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            deadline: limit.and_then(|limit| now.checked_add(limit)),
            seen: now,
            backoff: Backoff::default(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    fn left(&self) -> Option<Duration> {
        let until = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline.map(until)
    }

    /// Pauses as long as was asked, or a step of its own, and never past the end.
    pub(crate) async fn pause(&mut self, asked: Option<Duration>) {
        let pause = asked.unwrap_or_else(|| self.backoff.next()).min(MAX_PAUSE);
        sleep(self.left().map_or(pause, |left| pause.min(left))).await;
    }

    /// Runs it until the time is over; none then.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.left() {
            Some(left) => timeout(left, work).await.ok(),
            None => Some(work.await),
        }
    }

    /// One look at the gateway, even at the very end.
    pub(crate) async fn look<T>(
        &mut self,
        gateway: &Gateway,
        look: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let looked = match self.left() {
            Some(left) => match timeout(left.max(LAST_LOOK), look).await {
                Ok(looked) => looked,
                Err(_elapsed) => Err(gateway.silent()),
            },
            None => look.await,
        };
        if looked.is_ok() {
            self.seen = Instant::now();
        }
        looked
    }

    /// What to say of a failure that may pass; the failure itself when it will not, or has lasted
    /// too long.
    pub(crate) fn bear(&self, failure: Failure) -> Result<Borne, Failure> {
        if failure.exit() != Exit::Unavailable || self.seen.elapsed() >= MAX_AWAY {
            return Err(failure);
        }
        let what = match failure.code() {
            "" => "the gateway does not answer",
            _ => failure.what(),
        };
        Ok(Borne {
            say: format!("{what}; trying again"),
            retry_after: failure.retry_after(),
        })
    }
}

/// A failure that is waited out.
pub(crate) struct Borne {
    pub(crate) say: String,
    pub(crate) retry_after: Option<Duration>,
}

/// One look at a task.
pub(crate) async fn look_at(
    patience: &mut Patience,
    gateway: &Gateway,
    id: &str,
) -> Result<Polled, Failure> {
    patience.look(gateway, gateway.show(id)).await
}

pub(crate) fn still_running(id: &str) -> Failure {
    let what = format!("task {id} is not finished yet; the work goes on");
    Failure::new(Exit::StillRunning, what).advise(how_to_go_on(id))
}

pub(crate) fn how_to_go_on(id: &str) -> String {
    format!(
        "Follow it again:   quay tasks watch {id}\n\
         Fetch its file:    quay tasks download {id}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_as_the_contract_says_and_begin_anew_after_an_answer() {
        let mut backoff = Backoff::default();
        let mut seconds = || backoff.next().as_secs();
        assert_eq!([(); 7].map(|()| seconds()), [1, 2, 4, 8, 15, 15, 15]);
        backoff.reset();
        assert_eq!(backoff.next().as_secs(), 1);
    }
}
