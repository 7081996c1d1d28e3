//! One execution of a row by this worker, as its handler sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{LeaseEpoch, Progress, TaskId, Tenant};
use store::Claimed;
use tokio_util::sync::CancellationToken;

/// One execution: what to do, where to tell the progress, when to stop.
pub struct Attempt {
    claimed: Claimed,
    progress: Mutex<Reported>,
    postponed: Mutex<Option<Duration>>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Reported {
    latest: Progress,
    unsent: bool,
}

impl Attempt {
    pub(crate) fn new(claimed: Claimed) -> Self {
        Self {
            claimed,
            progress: Mutex::default(),
            postponed: Mutex::default(),
            stop: CancellationToken::new(),
        }
    }

    /// The row that this worker holds.
    #[must_use]
    pub fn claimed(&self) -> &Claimed {
        &self.claimed
    }

    /// The fence: belongs into the path of every file that the attempt writes.
    #[must_use]
    pub fn epoch(&self) -> LeaseEpoch {
        self.claimed.lease.epoch
    }

    /// Whose work it is.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.claimed.tenant
    }

    /// The user's task, if the row belongs to one.
    #[must_use]
    pub fn task_id(&self) -> Option<TaskId> {
        self.claimed.task_id
    }

    /// The work itself, as JSON.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.claimed.context
    }

    /// Tells how far it is. Cheap; the next heartbeat carries it.
    pub fn report(&self, progress: Progress) {
        let mut reported = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        reported.unsent = reported.unsent || reported.latest != progress;
        reported.latest = progress;
    }

    /// Has the row given back for so long, as if it had not been taken: no try is spent, and nothing is
    /// said of the lane. For the handler to call before it answers [`Failure::stopped`]; whatever
    /// else it answers stands.
    ///
    /// [`Failure::stopped`]: domain::Failure::stopped
    pub fn postpone(&self, delay: Duration) {
        *self.postponed_for() = Some(delay);
    }

    pub(crate) fn postponed(&self) -> Option<Duration> {
        *self.postponed_for()
    }

    fn postponed_for(&self) -> MutexGuard<'_, Option<Duration>> {
        self.postponed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancelled when the handler must stop: the row is lost or cancelled, or the worker shuts down.
    #[must_use]
    pub fn stopped(&self) -> &CancellationToken {
        &self.stop
    }

    /// The heartbeat that carried the progress did not arrive.
    pub(crate) fn tell_again(&self) {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unsent = true;
    }

    /// Progress that no heartbeat has carried yet.
    pub(crate) fn unsent_progress(&self) -> Option<(TaskId, Progress)> {
        let mut reported = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let task = self.claimed.task_id?;
        std::mem::take(&mut reported.unsent).then(|| (task, reported.latest.clone()))
    }
}
