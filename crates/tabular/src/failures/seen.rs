//! What a person saw in a cell.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use domain::{Calendar, ColumnType, NumberStyle};

/// The first whole number that has more digits than a sheet keeps.
const TOO_LONG: f64 = 1e15;
const MILLIS_PER_DAY: f64 = 86_400_000.0;

/// How a number with the look of a date is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateLook {
    Date,
    Moment,
    Time,
}

impl DateLook {
    /// By the type of its column, as far as that does not hide a part of the number.
    pub(super) fn of(kind: Option<ColumnType>, serial: f64) -> Self {
        match kind {
            Some(ColumnType::Datetime) => Self::Moment,
            Some(ColumnType::Date) if serial.fract() == 0.0 => Self::Date,
            _ if (0.0..1.0).contains(&serial) => Self::Time,
            _ if serial.fract() == 0.0 => Self::Date,
            _ => Self::Moment,
        }
    }
}

/// The text that a whole number in a text column was shown as; none where it is no whole number or
/// may have lost digits, or is shown as something else.
pub(super) fn identifier(number: &str, style: NumberStyle) -> Option<String> {
    let digits = match style {
        NumberStyle::Plain => 0,
        NumberStyle::Zeros(digits) => usize::from(digits),
        NumberStyle::Date | NumberStyle::Percent => return None,
    };
    let value: f64 = number.parse().ok()?;
    let is_kept = value.is_sign_positive() && value < TOO_LONG && value.fract() == 0.0;
    is_kept.then(|| format!("{value:0digits$}"))
}

/// A day number as an ISO date, time or both; none outside the calendar.
pub(super) fn iso(number: &str, kind: Option<ColumnType>, calendar: Calendar) -> Option<String> {
    let serial: f64 = number.parse().ok()?;
    let moment = moment(serial, calendar)?;
    let look = DateLook::of(kind, serial);
    Some(match look {
        DateLook::Date => moment.date().to_string(),
        DateLook::Moment => moment.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
        DateLook::Time => moment.format("%H:%M:%S%.f").to_string(),
    })
}

fn moment(serial: f64, calendar: Calendar) -> Option<NaiveDateTime> {
    // 2,958,466 is the day after 9999-12-31
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    let first = match calendar {
        Calendar::From1904 => NaiveDate::from_ymd_opt(1904, 1, 1)?,
        // the 60th is a 29 February that never was
        Calendar::From1900 if (60.0..61.0).contains(&serial) => return None,
        Calendar::From1900 if serial < 60.0 => NaiveDate::from_ymd_opt(1899, 12, 31)?,
        Calendar::From1900 => NaiveDate::from_ymd_opt(1899, 12, 30)?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded above: below 2.6e14"
    )]
    let millis = (serial * MILLIS_PER_DAY).round() as i64;
    first
        .and_time(chrono::NaiveTime::MIN)
        .checked_add_signed(TimeDelta::milliseconds(millis))
}
