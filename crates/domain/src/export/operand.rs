//! The right-hand side of a filter, typed by its column.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Column, ColumnType};

/// Longest text to compare with, in characters.
const MAX_TEXT: usize = 4_096;
/// Most digits before and after the point of a decimal, so that DECIMAL(65,30) holds it.
const MAX_DECIMAL_DIGITS: (usize, usize) = (35, 30);

/// A value to compare a column with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    Text(String),
    Int(i64),
    UInt(u64),
    /// Digits with an optional sign and point.
    Decimal(String),
    Bool(bool),
    Date(NaiveDate),
    /// Wall clock in the zone that the column is stored in.
    DateTime(NaiveDateTime),
    Time(NaiveTime),
}

impl Operand {
    /// Reads a JSON value for a column. Strict: a text is no number, except that integers and
    /// decimals may be given as text so that no digit is lost on the way; dates are `YYYY-MM-DD`,
    /// moments RFC 3339 with an offset, times `HH:MM[:SS]`.
    ///
    /// # Errors
    /// A sentence that says what the column expects.
    pub(super) fn read(column: &Column, value: &Value) -> Result<Self, String> {
        let expected = match column.kind {
            ColumnType::String => "a text of at most 4096 characters",
            ColumnType::Integer => "a whole number of 64 bits",
            ColumnType::Decimal => "a number without exponent, or a text of its digits",
            ColumnType::Boolean => "true or false",
            ColumnType::Date => "a date as 2026-01-31",
            ColumnType::Datetime => "a moment as 2026-01-31T08:00:00+08:00",
            ColumnType::Time => "a time as 08:00 or 08:00:00",
        };
        let read = match column.kind {
            ColumnType::String => text(value).map(|text| Self::Text(text.to_owned())),
            ColumnType::Integer => integer(value),
            ColumnType::Decimal => decimal(value).map(Self::Decimal),
            ColumnType::Boolean => value.as_bool().map(Self::Bool),
            ColumnType::Date => text(value).and_then(date).map(Self::Date),
            ColumnType::Datetime => text(value).and_then(|text| moment(text, column)),
            ColumnType::Time => text(value).and_then(time).map(Self::Time),
        };
        read.ok_or_else(|| format!("{} is compared with {expected}", column.name))
    }
}

fn text(value: &Value) -> Option<&str> {
    value
        .as_str()
        .filter(|text| text.chars().count() <= MAX_TEXT)
}

fn integer(value: &Value) -> Option<Operand> {
    let digits = |text: &str| {
        let bare = text.strip_prefix('-').unwrap_or(text);
        (!bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
    };
    let text = match value {
        Value::Number(number) => digits(&number.to_string()),
        Value::String(text) => digits(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }?;
    let signed = text.parse().map(Operand::Int);
    signed
        .or_else(|_too_large| text.parse().map(Operand::UInt))
        .ok()
}

fn decimal(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let bare = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let fits = digits(whole, MAX_DECIMAL_DIGITS.0) && digits(fraction, MAX_DECIMAL_DIGITS.1);
    fits.then_some(text)
}

fn date(text: &str) -> Option<NaiveDate> {
    let shaped = text.len() == 10;
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|date| shaped && known_year(date.year()))
}

fn moment(text: &str, column: &Column) -> Option<Operand> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    let stored = moment.with_timezone(&column.stored_in).naive_local();
    known_year(stored.year()).then_some(Operand::DateTime(stored))
}

fn time(text: &str) -> Option<NaiveTime> {
    let formats = ["%H:%M:%S%.f", "%H:%M"];
    formats
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

/// Years that MySQL's dates can hold.
fn known_year(year: i32) -> bool {
    (1..=9999).contains(&year)
}
