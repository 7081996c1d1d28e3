//! One attempt from claim to settle: handler on a task of its own, heartbeats beside it, panics as
//! failures, and exactly one `settle` at the end. Shown by `tests/it/attempt.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::TraceHeaders;
use domain::{BizStatus, Failure, FailureCode, FailureKind};
use opentelemetry::trace::TraceContextExt;
use store::{Beat, Claimed, Effects, Ending, Settled, Store, Story};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::announce::Announcer;
use crate::attempt::Attempt;
use crate::chain::Chain;
use crate::handler::BizHandler;
use crate::lane::LaneSettings;
use crate::pulse::Pulse;

/// Pause between tries of a settle that the database could not take, in milliseconds.
const SETTLE_PAUSE_MILLIS: u64 = 500;

/// Longest wait for a handler to stop, and to clean up, in seconds.
const STOP_SECONDS: u64 = 10;

/// The outcome of an attempt that finished.
const SUCCESS: &str = "success";

/// The outcome of an attempt whose settle the database never confirmed.
const UNSETTLED: &str = "unsettled";

/// How an attempt went, before it is settled.
enum End {
    Done(Effects),
    Failed(Failure),
    /// The row is not ours any more: nothing to settle.
    Lost,
    /// The worker shuts down and cannot wait longer.
    HandedBack,
}

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
    /// Cancelled when attempts must be handed back at once.
    pub(crate) hand_back: CancellationToken,
}

impl Runner {
    /// Runs the row to its end.
    pub(crate) async fn run(self, claimed: Claimed, ring: TraceHeaders) {
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
        self.run_in_span(claimed).instrument(span).await;
    }

    async fn run_in_span(self, claimed: Claimed) {
        let began = Instant::now();
        let attempt = Arc::new(Attempt::new(claimed));
        let end = self.work(&attempt).await;
        let outcome = self.settle(&attempt, end, began.elapsed()).await;
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
        let work = async move { handler.run(&held).await };
        // Tracked by being awaited here, always: `stop` waits for it, too.
        #[expect(
            clippy::disallowed_methods,
            reason = "awaited on every way out of this function"
        )]
        let mut task = tokio::spawn(work.in_current_span());
        let mut pulse = Pulse::new(self.settings.lease);
        loop {
            tokio::select! {
                ended = &mut task => return end_of(ended),
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

    /// Ends the attempt in the database. Answers the metric's word: what the row became decides, as
    /// a finish that the database refuses becomes a failure.
    async fn settle(&self, attempt: &Attempt, end: End, ran: Duration) -> &'static str {
        let (ending, outcome) = match end {
            End::Lost => return "lost",
            End::HandedBack => (Ending::HandedBack, "handed_back"),
            End::Done(effects) => (Ending::Finished(effects), "permanent"),
            End::Failed(failure) => {
                let delay = self
                    .settings
                    .retry
                    .delay(attempt.claimed().cnt + 1, rand::random());
                tracing::warn!(failure = %failure, "attempt failed");
                let outcome = failure.kind.as_str();
                (Ending::Failed(failure, delay), outcome)
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
                    SUCCESS
                } else {
                    outcome
                }
            }
            Some(Settled::Lost) => "lost",
            None => UNSETTLED,
        }
    }

    /// Tries to settle for as long as the lease may still be ours.
    async fn settle_while_held(
        &self,
        attempt: &Attempt,
        mut ending: Ending,
        story: Story,
    ) -> Option<Settled> {
        let began = Instant::now();
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

/// Tells the handler to stop and waits until it has, or has had its time.
async fn stop(attempt: &Attempt, mut task: JoinHandle<Result<Effects, Failure>>) {
    attempt.stopped().cancel();
    match tokio::time::timeout(Duration::from_secs(STOP_SECONDS), &mut task).await {
        Ok(Ok(_stopped)) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = %error, "the handler ended badly while it was being stopped");
        }
        Err(_elapsed) => {
            tracing::error!("the handler does not stop and is aborted");
            task.abort();
        }
    }
}

fn end_of(ended: Result<Result<Effects, Failure>, tokio::task::JoinError>) -> End {
    match ended {
        Ok(Ok(effects)) => End::Done(effects),
        Ok(Err(failure)) => match failure.kind {
            FailureKind::Transient | FailureKind::Permanent | FailureKind::Rejected => {
                End::Failed(failure)
            }
            FailureKind::Cancelled | FailureKind::LeaseLost => End::Failed(Failure::transient(
                FailureCode::Internal,
                "the handler stopped without being told to",
            )),
        },
        Err(panicked) => End::Failed(Failure::transient(
            FailureCode::Internal,
            panic_text(panicked),
        )),
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else {
        return "the handler was aborted".to_owned();
    };
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    format!(
        "the handler panicked: {}",
        text.unwrap_or_else(|| "no text".to_owned())
    )
}

fn current_trace_id() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span();
    let id = span.span_context();
    id.is_valid().then(|| id.trace_id().to_string())
}
