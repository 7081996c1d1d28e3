//! Waiting for a condition, never for time.

use std::time::{Duration, Instant};

const POLL_MILLIS: u64 = 20;
const PATIENCE_SECONDS: u64 = 30;

/// Waits until the condition gives a value; half a minute at most.
///
/// # Panics
/// When it never does; says what was waited for.
pub async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(PATIENCE_SECONDS), what, condition).await
}

/// Waits until the condition gives a value, at most so long.
///
/// # Panics
/// When it never does; says what was waited for.
pub async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            began.elapsed() < patience,
            "waited {patience:?} in vain for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
    }
}
