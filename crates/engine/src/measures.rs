//! What attempts and batches count alike.

/// A row has failed: it waits for another try, or was given up.
pub(crate) fn count_failure(kind: &str, given_up: bool) {
    let became = if given_up { "given_up" } else { "retried" };
    metrics::counter!("quayside_failures_total", "biz_type" => kind.to_owned(), "became" => became)
        .increment(1);
}
