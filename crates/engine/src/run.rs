//! One attempt from claim to settle: handler on a task of its own, heartbeats beside it, panics as
//! failures, and exactly one `settle` at the end. Shown by `tests/it/attempt.rs`.

mod end;
mod finishes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::TraceHeaders;
use domain::{BizStatus, Failure, FailureCode, FailureKind, Verdict};
use opentelemetry::trace::TraceContextExt;
use store::{Beat, Claimed, Effects, Ending, Settled, Store, Story};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::announce::Announcer;
use crate::attempt::Attempt;
use crate::budget::Budget;
use crate::chain::Chain;
use crate::handler::BizHandler;
use crate::lane::LaneSettings;
use crate::measures::count_failure;
use crate::pulse::Pulse;
use end::{End, end_of, stop};

pub(crate) use finishes::Finishes;

/// Pause between tries of a settle that the database could not take, in milliseconds.
const SETTLE_PAUSE_MILLIS: u64 = 500;

/// Longest wait for a handler to stop, and to clean up, in seconds.
const STOP_SECONDS: u64 = 10;

/// A finish waits for the one before it, and for its own, so many parts of the lease at most each; what
/// is left is for settling it alone.
const TOGETHER_PART: u32 = 6;

/// The outcome of an attempt that finished.
const SUCCESS: &str = "success";

/// The outcome of an attempt whose settle the database never confirmed.
const UNSETTLED: &str = "unsettled";

/// Everything one attempt needs besides its row.
#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) store: Store,
    /// Rings what is born with the finish.
    pub(crate) announcer: Announcer,
    pub(crate) settings: Arc<LaneSettings>,
    pub(crate) handler: Arc<dyn BizHandler>,
    /// The handler's biz type: the label of its metrics.
    pub(crate) kind: String,
    /// How many further tries the lane bears.
    pub(crate) budget: Arc<Budget>,
    /// The lane's finishes that write nothing besides.
    pub(crate) finishes: Arc<Finishes>,
    /// Cancelled when attempts must be handed back at once.
    pub(crate) hand_back: CancellationToken,
}

impl Runner {
    /// Runs the row to its end, and says what that means for its lane.
    pub(crate) async fn run(self, claimed: Claimed, ring: TraceHeaders) -> Verdict {
        let span = tracing::info_span!(
            "attempt",
            otel.kind = "consumer",
            biz_type = %claimed.biz_type,
            compensate_biz.id = claimed.lease.id.0,
            task.id = claimed.task_id.map(|task| task.0),
            epoch = claimed.lease.epoch.0,
            attempt = claimed.cnt + 1,
        );
        ring.link(&span);
        TraceHeaders::new(claimed.trace_context.clone(), None).link(&span);
        self.run_in_span(claimed).instrument(span).await
    }

    async fn run_in_span(self, claimed: Claimed) -> Verdict {
        let began = Instant::now();
        if claimed.cnt == 0 {
            self.budget.first_try();
        }
        let attempt = Arc::new(Attempt::new(claimed));
        let end = self.work(&attempt).await;
        #[cfg(feature = "failpoints")]
        if let End::Done(_) = end {
            fail::fail_point!("after_effect");
        }
        let (outcome, verdict) = self.settle(&attempt, end, began.elapsed()).await;
        // What nobody could confirm may have been committed: its files must stay.
        if ![SUCCESS, UNSETTLED].contains(&outcome) {
            self.clean_up(&attempt).await;
        }
        metrics::counter!("quayside_attempts_total",
            "biz_type" => self.kind.clone(), "outcome" => outcome)
        .increment(1);
        metrics::histogram!("quayside_attempt_duration_seconds", "biz_type" => self.kind.clone())
            .record(began.elapsed());
        tracing::info!(
            outcome,
            duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "attempt ended"
        );
        verdict
    }

    async fn clean_up(&self, attempt: &Attempt) {
        let bound = Duration::from_secs(STOP_SECONDS);
        if tokio::time::timeout(bound, self.handler.clean_up(attempt))
            .await
            .is_err()
        {
            tracing::warn!("cleaning up took too long; something may be left behind");
        }
    }

    /// Runs the handler under heartbeats until it ends or must end.
    async fn work(&self, attempt: &Arc<Attempt>) -> End {
        let (handler, held) = (self.handler.clone(), attempt.clone());
        let store = self.store.clone();
        let work = async move {
            if is_superseded(&store, held.claimed()).await? {
                return Ok(Effects::none());
            }
            handler.run(&held).await
        };
        // Tracked by being awaited here, always: `stop` waits for it, too.
        #[expect(
            clippy::disallowed_methods,
            reason = "awaited on every way out of this function"
        )]
        let mut task = tokio::spawn(work.in_current_span());
        let mut pulse = Pulse::new(self.settings.lease);
        loop {
            tokio::select! {
                ended = &mut task => return end_of(ended, attempt.postponed()),
                () = self.hand_back.cancelled() => {
                    stop(attempt, task).await;
                    return End::HandedBack;
                }
                beat = self.next_beat(attempt, &mut pulse) => {
                    if beat == Beat::Lost {
                        stop(attempt, task).await;
                        return End::Lost;
                    }
                }
            }
        }
    }

    /// Waits for the next beat and makes it. Database errors and silence are borne until two thirds
    /// of the lease have passed without a beat. May be dropped at any time: the store's transaction
    /// goes on by itself, and names the epoch.
    async fn next_beat(&self, attempt: &Attempt, pulse: &mut Pulse) -> Beat {
        pulse.next().await;
        let progress = attempt.unsent_progress();
        if progress.is_none() && !pulse.is_due() {
            return Beat::Held;
        }
        let told = progress.is_some();
        let lease = &attempt.claimed().lease;
        let beat = self.store.heartbeat(lease, self.settings.lease, progress);
        let error = match tokio::time::timeout(pulse.patience(), beat).await {
            Ok(Ok(Beat::Held)) => {
                pulse.felt();
                return Beat::Held;
            }
            Ok(Ok(Beat::Lost)) => {
                tracing::warn!("the row was cancelled or taken over; stopping");
                return Beat::Lost;
            }
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(_silence) => "the database is silent".to_owned(),
        };
        if pulse.patience().is_zero() {
            tracing::warn!(error, "no heartbeat for two thirds of the lease; stopping");
            return Beat::Lost;
        }
        tracing::debug!(error, "a heartbeat failed; trying again");
        if told {
            attempt.tell_again();
        }
        Beat::Held
    }

    /// Ends the attempt in the database. Answers the metric's word, and what it means for the lane:
    /// what the row became decides, as a finish that the database refuses becomes a failure.
    async fn settle(&self, attempt: &Attempt, end: End, ran: Duration) -> (&'static str, Verdict) {
        let panicked = matches!(end, End::Panicked(_));
        let (ending, outcome, failure) = match end {
            End::Lost => return ("lost", Verdict::Neither),
            End::HandedBack => (Ending::HandedBack, "handed_back", None),
            End::Postponed(delay) => (Ending::Postponed(delay), "postponed", None),
            End::Done(effects) => {
                let refused = Failure::permanent(FailureCode::Internal, "");
                (Ending::Finished(effects), "permanent", Some(refused))
            }
            End::Failed(failure) | End::Panicked(failure) => {
                tracing::warn!(failure = %failure, "attempt failed");
                let outcome = if panicked {
                    "panicked"
                } else {
                    failure.kind.as_str()
                };
                let delay = self.delay(attempt.claimed(), failure.kind);
                (
                    Ending::Failed(failure.clone(), delay),
                    outcome,
                    Some(failure),
                )
            }
        };
        let story = Story {
            ran,
            trace_id: current_trace_id(),
        };
        match self.settle_while_held(attempt, ending, story).await {
            Some(Settled::Now(status, born)) => {
                self.announcer.announce_all(born);
                if status == BizStatus::Success {
                    return (SUCCESS, Verdict::Good);
                }
                let given_up = status == BizStatus::Failed;
                if failure.is_some() {
                    count_failure(&self.kind, given_up);
                }
                let verdict = failure.map(|failure| Verdict::of(&failure, panicked, given_up));
                (outcome, verdict.unwrap_or(Verdict::Neither))
            }
            Some(Settled::Lost) => ("lost", Verdict::Neither),
            None => (UNSETTLED, Verdict::Neither),
        }
    }

    /// How long the row waits for its next try: what its kind says, and longer when the lane has had
    /// more further tries than it bears.
    fn delay(&self, row: &Claimed, failed: FailureKind) -> Duration {
        let policy = self.settings.retry.of(&row.biz_type);
        let backoff = policy.delay(row.cnt + 1, rand::random());
        if failed != FailureKind::Transient || row.cnt >= policy.max_cnt() {
            return backoff;
        }
        backoff + self.budget.stretch()
    }

    /// Tries to settle for as long as the lease may still be ours.
    async fn settle_while_held(
        &self,
        attempt: &Attempt,
        mut ending: Ending,
        story: Story,
    ) -> Option<Settled> {
        let began = Instant::now();
        if let Ending::Finished(effects) = &ending
            && effects.is_none()
        {
            let (row, patience) = (attempt.claimed(), self.settings.lease / TOGETHER_PART);
            let together = self.finishes.finish(&self.store, row, patience).await;
            if together.is_some() {
                return together;
            }
        }
        loop {
            let lease = &attempt.claimed().lease;
            match self
                .store
                .settle_held(lease, ending.clone(), story.clone())
                .await
            {
                Ok(settled) => return Some(settled),
                Err(error) if error.is_transient() && began.elapsed() < self.settings.lease => {
                    tracing::debug!(error = %Chain(&error), "settle failed; trying again");
                    tokio::time::sleep(Duration::from_millis(SETTLE_PAUSE_MILLIS)).await;
                }
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "the attempt could not be settled");
                    // Effects that the database refuses would be refused for ever: say so on the
                    // row. Anything else is left to the end of the lease.
                    let Ending::Finished(_) = ending else {
                        return None;
                    };
                    if error.is_transient() {
                        return None;
                    }
                    let failure = Failure::permanent(FailureCode::Internal, Chain(&error));
                    ending = Ending::Failed(failure, Duration::ZERO);
                }
            }
        }
    }
}

/// Whether there is nothing to be done for the row: it follows an end of its group that is not the
/// last any more.
async fn is_superseded(store: &Store, row: &Claimed) -> Result<bool, Failure> {
    match store.is_superseded(row).await {
        Ok(superseded) => {
            if superseded {
                tracing::info!("the follow-up is superseded: its group has gone on");
            }
            Ok(superseded)
        }
        Err(error) if error.is_transient() => {
            let code = FailureCode::DatabaseUnavailable;
            Err(Failure::transient(code, Chain(&error)))
        }
        Err(error) => Err(Failure::permanent(FailureCode::Internal, Chain(&error))),
    }
}

fn current_trace_id() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span();
    let id = span.span_context();
    id.is_valid().then(|| id.trace_id().to_string())
}
