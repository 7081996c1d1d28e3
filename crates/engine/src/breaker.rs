//! What the attempts of this worker have to say about their lane, until its loop has heard it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{BreakerWindow, Trip, Verdict};
use store::LaneProbe;
use tokio::sync::Notify;

/// Shared by the loop and its attempts.
pub(crate) struct Breaker {
    heard: Mutex<Heard>,
    news: Notify,
    /// A lane of dead letters never pauses by itself: nobody else would look after them.
    counts: bool,
}

#[derive(Default)]
struct Heard {
    window: BreakerWindow,
    /// What ends on a lane that is not open says nothing new.
    shut: bool,
    trip: Option<Trip>,
    reports: Vec<(LaneProbe, Verdict)>,
    /// The probe whose row is at work.
    probing: Option<LaneProbe>,
}

impl Breaker {
    pub(crate) fn new(counts: bool) -> Self {
        Self {
            heard: Mutex::default(),
            news: Notify::new(),
            counts,
        }
    }

    /// An attempt, or a message, ended so.
    pub(crate) fn record(&self, verdict: Verdict) {
        let mut heard = self.heard();
        if self.counts && !heard.shut && heard.trip.is_none() {
            heard.trip = heard.window.record(verdict);
            if heard.trip.is_some() {
                self.news.notify_one();
            }
        }
    }

    /// The row of a probe ended so.
    pub(crate) fn report(&self, probe: LaneProbe, verdict: Verdict) {
        self.heard().reports.push((probe, verdict));
        self.news.notify_one();
    }

    /// Whether the loop has something to hear.
    pub(crate) fn has_news(&self) -> bool {
        let heard = self.heard();
        heard.trip.is_some() || !heard.reports.is_empty()
    }

    /// Ready when there may be something to hear. Safe to cancel.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Why the lane is to be paused, until it has been.
    pub(crate) fn trip(&self) -> Option<Trip> {
        self.heard().trip
    }

    /// Whether the lane is not open, or is about to be paused: what has not begun yet is to wait.
    pub(crate) fn is_shut(&self) -> bool {
        let heard = self.heard();
        heard.shut || heard.trip.is_some()
    }

    /// The lane has been paused.
    pub(crate) fn tripped(&self) {
        self.heard().trip = None;
    }

    /// What a probe has found, until it has been told.
    pub(crate) fn oldest_report(&self) -> Option<(LaneProbe, Verdict)> {
        self.heard().reports.first().cloned()
    }

    /// The oldest report has been told; its probe has no row at work. A later one may.
    pub(crate) fn told_oldest_report(&self) {
        let mut heard = self.heard();
        let (probe, _) = heard.reports.remove(0);
        heard.probing.take_if(|present| *present == probe);
    }

    /// Whether a row of the present probe is at work.
    pub(crate) fn is_probing(&self) -> bool {
        self.heard().probing.is_some()
    }

    pub(crate) fn set_probing(&self, probing: Option<LaneProbe>) {
        self.heard().probing = probing;
    }

    /// The lane is open, or not; when it opens, counting begins anew.
    pub(crate) fn set_shut(&self, shut: bool) {
        let mut heard = self.heard();
        if heard.shut && !shut {
            heard.window = BreakerWindow::default();
        }
        heard.shut = shut;
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
