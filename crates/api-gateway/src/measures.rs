//! What the gateway's metrics mean, in one place. Those of the store are described by the store
//! itself. Shown by `tests/it/measures.rs`.

use metrics::Unit;

/// Describes the metrics of the gateway; to be called once the recorder is there.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "quayside_http_requests_total",
        Unit::Count,
        "Requests answered, by method, route pattern and class of status."
    );
    metrics::describe_histogram!(
        "quayside_http_request_duration_seconds",
        Unit::Seconds,
        "From the head of a request to its answer, by method, route pattern and class of status."
    );
    metrics::describe_counter!(
        "quayside_http_problems_total",
        Unit::Count,
        "Requests answered with a problem, by its code."
    );
    metrics::describe_gauge!(
        "quayside_event_streams",
        Unit::Count,
        "Streams of live events that are open, by kind."
    );
    metrics::describe_counter!(
        "quayside_compensations_submitted_total",
        Unit::Count,
        "Items of business work that were submitted, by biz_type and outcome (accepted, duplicate)."
    );
    metrics::describe_counter!(
        "quayside_compensations_transactions_total",
        Unit::Count,
        "Transactions in which small calls that submit business work were taken together."
    );
    metrics::describe_counter!(
        "quayside_import_rows_total",
        Unit::Count,
        "Rows of imports and of lists by what became of them (outcome), by dataset."
    );
    metrics::describe_counter!(
        "quayside_import_row_errors_total",
        Unit::Count,
        "What was wrong with rows of imports and of lists, by code and dataset."
    );
}
