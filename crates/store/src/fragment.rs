//! Pieces of SQL made of numbers alone; every text is bound.

use std::time::Duration;

/// The database's clock plus `wait`.
pub(crate) fn after(wait: Duration) -> String {
    format!(
        "UTC_TIMESTAMP(6) + INTERVAL {} MICROSECOND",
        wait.as_micros()
    )
}

/// `1,2,3`, for `IN (…)`; the caller sorts and says FORCE INDEX (PRIMARY).
pub(crate) fn list(numbers: impl IntoIterator<Item = u64>) -> String {
    let words: Vec<String> = numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect();
    words.join(",")
}
