//! From the driver's values to cells.

use chrono::{NaiveDate, NaiveTime};
use domain::{Cell, ColumnType, RowChunk};
use mysql_async::Value;

/// Adds the cell that a value of a column of this type is. What does not fit the type, which the
/// check of definitions excludes, stays as text: a strange value never ends a stream.
pub(super) fn push(chunk: &mut RowChunk, value: &Value, kind: ColumnType) {
    match (value, kind) {
        (Value::NULL, _) => chunk.push(Cell::Null),
        (Value::Int(it), ColumnType::Boolean) => chunk.push(Cell::Bool(*it != 0)),
        (Value::UInt(it), ColumnType::Boolean) => chunk.push(Cell::Bool(*it != 0)),
        (Value::Bytes(it), ColumnType::Boolean) => {
            chunk.push(Cell::Bool(it.iter().any(|byte| *byte != 0)));
        }
        (Value::Int(it), ColumnType::String) => chunk.push(Cell::Text(&it.to_string())),
        (Value::UInt(it), ColumnType::String) => chunk.push(Cell::Text(&it.to_string())),
        (Value::Int(it), _) => chunk.push(Cell::Int(*it)),
        (Value::UInt(it), _) => chunk.push(Cell::UInt(*it)),
        // by way of its shortest writing: 1.1 as FLOAT is not 1.100000023841858
        (Value::Float(it), _) => {
            chunk.push(Cell::Float(
                it.to_string().parse().unwrap_or(f64::from(*it)),
            ));
        }
        (Value::Double(it), _) => chunk.push(Cell::Float(*it)),
        (Value::Bytes(it), ColumnType::Decimal) => {
            chunk.push(Cell::Decimal(&String::from_utf8_lossy(it)));
        }
        (Value::Bytes(it), _) => chunk.push(Cell::Text(&String::from_utf8_lossy(it))),
        (Value::Date(year, month, day, hour, minute, second, micros), kind) => {
            let date = NaiveDate::from_ymd_opt(i32::from(*year), (*month).into(), (*day).into());
            let time = clock((*hour).into(), *minute, *second, *micros);
            match (date.filter(|_| *year > 0).zip(time), kind) {
                (Some((date, _)), ColumnType::Date) => chunk.push(Cell::Date(date)),
                (Some((date, time)), _) => chunk.push(Cell::DateTime(date.and_time(time))),
                (None, ColumnType::Date) => {
                    chunk.push(Cell::Odd(&format!("{year:04}-{month:02}-{day:02}")));
                }
                (None, _) => chunk.push(Cell::Odd(&format!(
                    "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
                ))),
            }
        }
        (Value::Time(negative, days, hours, minute, second, micros), _) => {
            let hours = u64::from(*days) * 24 + u64::from(*hours);
            let sign = if *negative { "-" } else { "" };
            match clock(hours, *minute, *second, *micros).filter(|_| !negative) {
                Some(time) => chunk.push(Cell::Time(time)),
                None => chunk.push(Cell::Odd(&format!(
                    "{sign}{hours:02}:{minute:02}:{second:02}"
                ))),
            }
        }
    }
}

fn clock(hours: u64, minute: u8, second: u8, micros: u32) -> Option<NaiveTime> {
    let hour = u32::try_from(hours).ok()?;
    NaiveTime::from_hms_micro_opt(hour, minute.into(), second.into(), micros)
}
