//! Spans of time as people write them: `250ms`, `30s`, `5m`, `1h`, `2d`.

use std::time::Duration;

/// Longest span, in days.
const MOST_DAYS: u64 = 30;

/// Reads a whole number above 0 and a unit.
///
/// # Errors
/// What it must be instead.
pub(super) fn read(text: &str) -> Result<Duration, String> {
    let fault = || {
        format!(
            "`{text}` is no duration: a whole number and ms, s, m, h or d, at most {MOST_DAYS}d"
        )
    };
    let unit_at = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(unit_at.ok_or_else(fault)?);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(fault()),
    };
    let number: u64 = number.parse().map_err(|_no_number| fault())?;
    let most = MOST_DAYS * 86_400_000;
    let total = number.checked_mul(millis).filter(|it| *it <= most);
    match total {
        Some(total) if total > 0 => Ok(Duration::from_millis(total)),
        _ => Err(fault()),
    }
}
