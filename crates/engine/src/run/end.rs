//! How a handler ends: by itself, by a panic, or because it must.

use std::time::Duration;

use domain::{Failure, FailureCode, FailureKind};
use store::Effects;
use tokio::task::JoinHandle;

use super::STOP_SECONDS;
use crate::attempt::Attempt;

/// How an attempt went, before it is settled.
pub(super) enum End {
    Done(Effects),
    Failed(Failure),
    /// The handler panicked: a failure, and one that speaks against the lane.
    Panicked(Failure),
    /// The row is not ours any more: nothing to settle.
    Lost,
    /// The worker shuts down and cannot wait longer.
    HandedBack,
    /// The handler had it postponed.
    Postponed(Duration),
}

/// Tells the handler to stop and waits until it has, or has had its time.
pub(super) async fn stop(attempt: &Attempt, mut task: JoinHandle<Result<Effects, Failure>>) {
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

/// `postponed` is for how long the handler has asked for that.
pub(super) fn end_of(
    ended: Result<Result<Effects, Failure>, tokio::task::JoinError>,
    postponed: Option<Duration>,
) -> End {
    match ended {
        Ok(Ok(effects)) => End::Done(effects),
        Ok(Err(failure)) => match failure.kind {
            FailureKind::Transient | FailureKind::Permanent | FailureKind::Rejected => {
                End::Failed(failure)
            }
            FailureKind::Cancelled | FailureKind::LeaseLost => match postponed {
                Some(delay) => End::Postponed(delay),
                None => {
                    let told = "the handler stopped without being told to";
                    End::Failed(Failure::transient(FailureCode::Internal, told))
                }
            },
        },
        Err(panicked) => End::Panicked(Failure::transient(
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
