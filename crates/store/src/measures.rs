//! What the store's metrics mean, in one place: every process that opens a store shows them.

use metrics::Unit;

/// Describes the metrics of the store; to be called where a store is opened. Harmless when repeated.
pub(crate) fn describe() {
    metrics::describe_histogram!(
        "quayside_store_transaction_duration_seconds",
        Unit::Seconds,
        "Transactions by what they are for (op), each from its first try to its end."
    );
    metrics::describe_counter!(
        "quayside_store_retries_total",
        Unit::Count,
        "Transactions begun anew, or done again row by row, after a deadlock, a lock wait or a table \
         that was altered, by what they are for (op)."
    );
    metrics::describe_counter!(
        "quayside_store_errors_total",
        Unit::Count,
        "Transactions that ended with an error (unavailable, contended, unknown_commit, refused and \
         others), by what they are for (op)."
    );
}
