//! Pieces of SQL made of numbers alone; texts are bound, but for [`quoted`] ones.

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

/// The text as a literal, for statements of thousands of values where binding is what costs most. Right
/// in sessions of utf8mb4 whose `sql_mode` leaves the backslash its meaning, as the pool opens them:
/// no byte of a longer character is one of those that are escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\0' => literal.push_str("\\0"),
            '\'' | '\\' => literal.extend(['\\', character]),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}
