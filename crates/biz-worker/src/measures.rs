//! What the metrics mean that the bulk lanes add to those of the engine.

use metrics::Unit;

/// The HELP lines.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "quayside_attempts_total",
        Unit::Count,
        "Attempts by biz type and outcome: success, transient (tried again, or given up once the \
         tries are spent), permanent, rejected, panicked, lost, handed_back, unsettled."
    );
    metrics::describe_histogram!(
        "quayside_batch_duration_seconds",
        Unit::Seconds,
        "Transactions that run many rows, from their begin to their commit, by biz type."
    );
    metrics::describe_histogram!(
        "quayside_batch_rows",
        Unit::Count,
        "Rows of such a transaction, by biz type."
    );
}
