//! What the metrics mean that the bulk lanes add to those of the engine.

use metrics::Unit;

/// The HELP lines.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "quayside_attempts_total",
        Unit::Count,
        "Attempts by biz type and outcome: success, transient (tried again, or given up once the \
         tries are spent), permanent, rejected, panicked, lost, handed_back, postponed, unsettled."
    );
    metrics::describe_counter!(
        "quayside_failures_total",
        Unit::Count,
        "Rows that have failed, by biz type and by what they became: retried, or given_up."
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
    metrics::describe_counter!(
        "quayside_calls_put_off_total",
        Unit::Count,
        "Rows whose host has all its calls, or does not answer, by biz type: given back for a while, \
         without having spent a try."
    );
}
