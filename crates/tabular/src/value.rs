//! Which values a file holds as what they are.
//!
//! A sheet's numbers carry 15 significant digits and its calendar runs from 1900 to 9999; what
//! lies outside is text.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;

/// Greatest whole number of 15 digits.
const MAX_EXACT: u64 = 999_999_999_999_999;
/// Significant digits that a sheet keeps.
const MAX_DIGITS: usize = 15;
const SECONDS_PER_DAY: u64 = 86_400;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Parts of a day that a sheet's moment is written in: 12 digits, below a microsecond.
const DAY_PARTS: u64 = 1_000_000_000_000;

/// Whether a sheet keeps every digit of a whole number.
pub(crate) fn is_exact(magnitude: u64) -> bool {
    magnitude <= MAX_EXACT
}

/// Whether a sheet keeps every digit of a decimal; zeros at either end count for nothing.
pub(crate) fn is_exact_decimal(text: &str) -> bool {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return false;
    }
    if whole.len() + fraction.len() <= MAX_DIGITS {
        return true;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let leading = if whole.is_empty() {
        fraction.trim_start_matches('0')
    } else {
        fraction
    };
    whole.len() + leading.len() <= MAX_DIGITS
}

/// A decimal without the sign of a zero.
pub(crate) fn unsigned_zero(text: &str) -> &str {
    match text.strip_prefix('-') {
        Some(bare) if bare.bytes().all(|byte| matches!(byte, b'0' | b'.')) => bare,
        _ => text,
    }
}

/// A stored wall clock in another zone. None for one that the stored zone skipped; one that it
/// showed twice is the first.
pub(crate) fn in_zone(stored: NaiveDateTime, from: Tz, to: Tz) -> Option<NaiveDateTime> {
    if from == to {
        return Some(stored);
    }
    let moment = from.from_local_datetime(&stored).earliest()?;
    Some(moment.with_timezone(&to).naive_local())
}

/// Excel's day number: 1 is 1900-01-01, and 60 is a 29 February 1900 that never was.
pub(crate) fn serial_day(date: NaiveDate) -> Option<u32> {
    let from_1970 = date.to_epoch_days();
    let day = from_1970 + 25_569;
    let day = if day <= 60 { day - 1 } else { day };
    let day = u32::try_from(day).ok()?;
    (day >= 1 && date.year() <= 9999).then_some(day)
}

/// The time as a part of a day, in trillionths. What the column's format does not show is cut off,
/// because a sheet would round it, and 23:59:59.9 would become the next day.
pub(crate) fn day_parts(time: NaiveTime, with_fraction: bool) -> u64 {
    let seconds = u64::from(time.num_seconds_from_midnight());
    let nanos = if with_fraction {
        // a leap second is told as 59 s with more than a second of nanoseconds
        u64::from(time.nanosecond()).min(NANOS_PER_SECOND - 1)
    } else {
        0
    };
    // below 8.64e13 and 8.64e16: no overflow, no rounding up to a whole day
    let of_nanos = nanos * (DAY_PARTS / NANOS_PER_SECOND) / SECONDS_PER_DAY;
    (seconds * DAY_PARTS + SECONDS_PER_DAY / 2) / SECONDS_PER_DAY + of_nanos
}

/// A part of a day as decimals without trailing zeros, as `.25`; nothing for midnight.
pub(crate) fn push_day_parts(out: &mut Vec<u8>, mut parts: u64) {
    if parts == 0 {
        return;
    }
    let mut digits = 12;
    while parts.is_multiple_of(10) {
        parts /= 10;
        digits -= 1;
    }
    let start = out.len() + 1;
    out.push(b'.');
    out.resize(start + digits, b'0');
    for place in out[start..].iter_mut().rev() {
        *place = b'0' + u8::try_from(parts % 10).unwrap_or_default();
        parts /= 10;
    }
}

/// A finite number in its shortest writing that reads back as the same number.
pub(crate) fn push_float(out: &mut Vec<u8>, number: f64) {
    use std::io::Write;
    let magnitude = number.abs();
    let plain = magnitude == 0.0 || (1e-5..1e16).contains(&magnitude);
    // adding zero turns -0 into 0
    let written = if plain {
        write!(out, "{}", number + 0.0)
    } else {
        write!(out, "{number:e}")
    };
    written.expect("a Vec takes every byte");
}
