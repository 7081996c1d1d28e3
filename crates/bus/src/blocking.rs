//! Calls of the Kafka client that block (flush, commit, leave, metadata), kept off the async
//! threads and bounded in time.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time;

use crate::error::BusError;

/// Runs `work` on a thread of its own and waits at most `limit` for it.
///
/// A thread and not the runtime's blocking pool: a call that hangs on a dead broker must not keep
/// the process from ending, and a runtime waits for its pool.
pub(crate) async fn bounded<T: Send + 'static>(
    what: &'static str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BusError> {
    let (answer, answered) = oneshot::channel();
    thread::spawn(move || {
        // The caller may have stopped waiting; then nobody wants the answer.
        drop(answer.send(work()));
    });
    match time::timeout(limit, answered).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) | Err(_) => Err(BusError::TimedOut {
            what,
            timeout_ms: limit.as_millis(),
        }),
    }
}
