//! Rows and filters as plain values, and what a filter means.

use std::cmp::Ordering;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use serde_json::{Value, json};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Exact,
    Padded,
    Number,
    Unsigned,
    Decimal,
    Truth,
    Day,
    Moment,
    Clock,
}

/// The columns that filters may name.
pub(super) const COLUMNS: [(&str, Kind); 9] = [
    ("exact", Kind::Exact),
    ("padded", Kind::Padded),
    ("n", Kind::Number),
    ("u", Kind::Unsigned),
    ("m", Kind::Decimal),
    ("yes", Kind::Truth),
    ("day", Kind::Day),
    ("moment", Kind::Moment),
    ("clock", Kind::Clock),
];

/// One cell for each of [`COLUMNS`].
pub(super) type Row = [Option<Plain>; 9];

/// A value of a cell or of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plain {
    Text(String),
    Number(i128),
    /// In units of 10⁻¹².
    Decimal(i128),
    /// True unless 0.
    Truth(i8),
    Day(NaiveDate),
    /// UTC.
    Moment(NaiveDateTime),
    /// Microseconds.
    Clock(i64),
}

/// One test of one column.
#[derive(Debug, Clone)]
pub(super) enum Test {
    One(&'static str, Plain),
    In(Vec<Plain>),
    Prefix(String),
    IsNull(bool),
}

pub(super) const DECIMAL_UNIT: i128 = 1_000_000_000_000;
const COMPARISONS: [&str; 6] = ["eq", "ne", "gt", "gte", "lt", "lte"];
const SHANGHAI: TimeDelta = TimeDelta::hours(8);

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Exact | Self::Padded => "string",
            Self::Number | Self::Unsigned => "integer",
            Self::Decimal => "decimal",
            Self::Truth => "boolean",
            Self::Day => "date",
            Self::Moment => "datetime",
            Self::Clock => "time",
        }
    }

    pub(super) fn operators(self) -> Vec<&'static str> {
        let compared: &[&str] = match self {
            Self::Truth => &COMPARISONS[..2],
            _ => &COMPARISONS,
        };
        let prefix: &[&str] = match self {
            Self::Exact | Self::Padded => &["like_prefix"],
            _ => &[],
        };
        [compared, &["in", "is_null"], prefix].concat()
    }

    fn compare(self, a: &Plain, b: &Plain) -> Ordering {
        match (a, b) {
            (Plain::Text(a), Plain::Text(b)) if self == Self::Padded => padded(a, b),
            (Plain::Text(a), Plain::Text(b)) => a.chars().cmp(b.chars()),
            (Plain::Number(a), Plain::Number(b)) | (Plain::Decimal(a), Plain::Decimal(b)) => {
                a.cmp(b)
            }
            (Plain::Truth(a), Plain::Truth(b)) => (*a != 0).cmp(&(*b != 0)),
            (Plain::Day(a), Plain::Day(b)) => a.cmp(b),
            (Plain::Moment(a), Plain::Moment(b)) => a.cmp(b),
            (Plain::Clock(a), Plain::Clock(b)) => a.cmp(b),
            other => panic!("{other:?} are of two kinds"),
        }
    }
}

/// The shorter text counts as if spaces followed it.
fn padded(a: &str, b: &str) -> Ordering {
    let length = a.chars().count().max(b.chars().count());
    let pad = |text: &str| -> Vec<char> {
        let spaces = std::iter::repeat(' ');
        text.chars().chain(spaces).take(length).collect()
    };
    pad(a).cmp(&pad(b))
}

impl Test {
    pub(super) fn operator(&self) -> &'static str {
        match self {
            Self::One(operator, _) => operator,
            Self::In(_) => "in",
            Self::Prefix(_) => "like_prefix",
            Self::IsNull(_) => "is_null",
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::One(_, value) => value.json(),
            Self::In(values) => values.iter().map(Plain::json).collect(),
            Self::Prefix(prefix) => json!(prefix),
            Self::IsNull(is_null) => Value::Bool(*is_null),
        }
    }

    /// Null passes nothing but `is_null: true`.
    pub(super) fn holds(&self, kind: Kind, cell: Option<&Plain>) -> bool {
        let Some(cell) = cell else {
            return matches!(self, Self::IsNull(true));
        };
        match self {
            Self::IsNull(null) => !null,
            Self::In(values) => values.iter().any(|value| kind.compare(cell, value).is_eq()),
            Self::Prefix(prefix) => {
                matches!(cell, Plain::Text(text) if text.starts_with(prefix.as_str()))
            }
            Self::One(operator, value) => {
                let order = kind.compare(cell, value);
                match *operator {
                    "eq" => order.is_eq(),
                    "ne" => order.is_ne(),
                    "gt" => order.is_gt(),
                    "gte" => order.is_ge(),
                    "lt" => order.is_lt(),
                    "lte" => order.is_le(),
                    other => panic!("{other} is no comparison"),
                }
            }
        }
    }
}

impl Plain {
    /// As it stands in a request.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) if number % 2 == 0 => json!(number.to_string()),
            Self::Number(number) => i64::try_from(*number).map_or_else(
                |_large| json!(u64::try_from(*number).expect("64 bits")),
                |it| json!(it),
            ),
            Self::Decimal(units) => {
                let sign = if *units < 0 { "-" } else { "" };
                let (whole, rest) = (units.abs() / DECIMAL_UNIT, units.abs() % DECIMAL_UNIT);
                json!(format!("{sign}{whole}.{rest:012}"))
            }
            Self::Truth(truth) => json!(*truth != 0),
            Self::Day(day) => json!(day.to_string()),
            Self::Moment(moment) if moment.second() % 2 == 0 => json!(format!("{moment:?}Z")),
            Self::Moment(moment) => json!(format!("{:?}-03:30", *moment - TimeDelta::minutes(210))),
            Self::Clock(micros) => {
                let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
                let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
                json!(format!(
                    "{hours:02}:{minutes:02}:{:02}.{rest:06}",
                    seconds % 60
                ))
            }
        }
    }

    /// As it stands in the table.
    pub(super) fn bound(&self) -> mysql_async::Value {
        match self {
            Self::Text(text) => mysql_async::Value::from(text),
            Self::Number(number) => mysql_async::Value::from(number.to_string()),
            Self::Decimal(_) => match self.json() {
                Value::String(digits) => mysql_async::Value::from(digits),
                other => panic!("{other} is no text"),
            },
            Self::Truth(truth) => mysql_async::Value::from(*truth),
            Self::Day(day) => mysql_async::Value::from(day.to_string()),
            Self::Moment(moment) => mysql_async::Value::from((*moment + SHANGHAI).to_string()),
            Self::Clock(micros) => {
                let sign = if *micros < 0 { "-" } else { "" };
                let (seconds, rest) = (micros.abs() / 1_000_000, micros.abs() % 1_000_000);
                let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
                let text = format!("{sign}{hours}:{minutes:02}:{:02}.{rest:06}", seconds % 60);
                mysql_async::Value::from(text)
            }
        }
    }
}
