//! What a cell of the database becomes in a file.
//!
//! A sheet's numbers carry 15 significant digits and its calendar runs from 1900 to 9999; what
//! lies outside is text.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use domain::Cell;

use crate::layout::OutputColumn;
use crate::text::fitting;

/// Greatest whole number of 15 digits.
const MAX_EXACT: u64 = 999_999_999_999_999;
/// Significant digits that a sheet keeps.
const MAX_DIGITS: usize = 15;
const SECONDS_PER_DAY: f64 = 86_400.0;
const NANOS_PER_SECOND: f64 = 1e9;

/// A value as a sheet holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Blank,
    Text(Cow<'a, str>),
    Number(f64),
    Bool(bool),
}

/// Something that a reader of the file should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oddity {
    /// Text longer than a cell holds was cut.
    CellTruncated,
    /// A date that the sheet's calendar does not know was written as text.
    DateAsText,
}

impl Oddity {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::CellTruncated => "cell_truncated",
            Self::DateAsText => "date_as_text",
        }
    }
}

/// The sheet's value of a cell, in the zone of the task.
pub(crate) fn render<'a>(
    cell: &'a Cell,
    column: &OutputColumn,
    zone: Tz,
    null_text: Option<&'a str>,
) -> (Value<'a>, Option<Oddity>) {
    let value = match cell {
        Cell::Null => return text(null_text.unwrap_or_default()),
        Cell::Text(it) => return text(it),
        Cell::Int(it) => whole(it.unsigned_abs(), *it < 0),
        Cell::UInt(it) => whole(*it, false),
        Cell::Decimal(it) => decimal(it),
        Cell::Float(it) if it.is_finite() => Value::Number(*it),
        Cell::Float(_) => Value::Blank,
        Cell::Bool(it) => Value::Bool(*it),
        Cell::Date(it) => return date(*it),
        Cell::DateTime(it) => return moment(*it, column, zone),
        Cell::Time(it) => Value::Number(day_fraction(*it, column)),
        Cell::Odd(it) => return (Value::Text(it.into()), Some(Oddity::DateAsText)),
    };
    (value, None)
}

fn text(text: &str) -> (Value<'_>, Option<Oddity>) {
    if text.is_empty() {
        return (Value::Blank, None);
    }
    let kept = fitting(text);
    let oddity = (kept.len() < text.len()).then_some(Oddity::CellTruncated);
    (Value::Text(kept.into()), oddity)
}

fn whole(magnitude: u64, negative: bool) -> Value<'static> {
    let sign = if negative { "-" } else { "" };
    if magnitude > MAX_EXACT {
        return Value::Text(format!("{sign}{magnitude}").into());
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "at most 15 digits, which an f64 holds exactly"
    )]
    let number = magnitude as f64;
    Value::Number(if negative { -number } else { number })
}

fn decimal(text: &str) -> Value<'_> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let leading = if whole.is_empty() {
        fraction.trim_start_matches('0')
    } else {
        fraction
    };
    match text.parse::<f64>() {
        // adding zero turns -0 into 0
        Ok(number) if whole.len() + leading.len() <= MAX_DIGITS => Value::Number(number + 0.0),
        Ok(_) | Err(_) => Value::Text(text.into()),
    }
}

fn date(date: NaiveDate) -> (Value<'static>, Option<Oddity>) {
    match serial_day(date) {
        Some(day) => (Value::Number(f64::from(day)), None),
        None => (
            Value::Text(date.to_string().into()),
            Some(Oddity::DateAsText),
        ),
    }
}

/// A moment in the task's zone. One outside the sheet's calendar stays as the database holds it,
/// so that markers such as 9999-12-31 23:59:59 are recognised.
fn moment(
    stored: NaiveDateTime,
    column: &OutputColumn,
    zone: Tz,
) -> (Value<'static>, Option<Oddity>) {
    let serial = in_zone(stored, column.stored_in, zone).and_then(|local| {
        let day = serial_day(local.date())?;
        Some(f64::from(day) + day_fraction(local.time(), column))
    });
    match serial {
        Some(serial) => (Value::Number(serial), None),
        None => (
            Value::Text(stored.to_string().into()),
            Some(Oddity::DateAsText),
        ),
    }
}

/// None for a wall clock that the stored zone skipped. One that it showed twice is the first.
fn in_zone(stored: NaiveDateTime, from: Tz, to: Tz) -> Option<NaiveDateTime> {
    if from == to {
        return Some(stored);
    }
    let moment = from.from_local_datetime(&stored).earliest()?;
    Some(moment.with_timezone(&to).naive_local())
}

/// Excel's day number: 1 is 1900-01-01, and 60 is a 29 February 1900 that never was.
fn serial_day(date: NaiveDate) -> Option<i32> {
    let from_1970 = date.to_epoch_days();
    let day = from_1970 + 25_569;
    let day = if day <= 60 { day - 1 } else { day };
    (day >= 1 && date.year() <= 9999).then_some(day)
}

/// The time as a part of a day. What the column's format does not show is cut off, because a
/// sheet would round it, and 23:59:59.9 would become the next day.
fn day_fraction(time: NaiveTime, column: &OutputColumn) -> f64 {
    let seconds = f64::from(time.num_seconds_from_midnight());
    let shows_fraction = column.format.as_deref().is_some_and(|it| it.contains(".0"));
    let nanos = if shows_fraction {
        f64::from(time.nanosecond())
    } else {
        0.0
    };
    (seconds + nanos / NANOS_PER_SECOND) / SECONDS_PER_DAY
}
