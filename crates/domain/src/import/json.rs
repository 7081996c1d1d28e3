//! Rows that come in a request.

use chrono_tz::Tz;
use serde_json::{Map, Number, Value};

use super::across::Across;
use super::check::{Finding, KeySet, Numbers, Terms};
use super::digits::{Digits, KEPT_DIGITS};
use super::fault::Fault;
use super::fields::{Field, Fields};
use super::message::RowMessages;
use super::rule::{ColumnRule, Policy};
use crate::export::{Faults, Pointer, body};
use crate::{
    Calendar, Column, ColumnType, Dataset, Empty, FaultCode, FieldFault, Formulas, ImportMode,
    Merged, NumberStyle, PlacedCell, RowCode, RowError, SheetCell,
};

/// How rows of a request are read.
#[derive(Debug, Clone, Copy)]
pub struct JsonTerms<'a> {
    pub mode: ImportMode,
    /// Of messages.
    pub locale: &'a str,
    /// Of moments without an offset.
    pub timezone: Tz,
    /// Whether faults may quote what stood in sensitive columns.
    pub sees_sensitive: bool,
}

/// The rows of `POST /datasets/{name}/rows`, checked as those of a sheet are, but for what JSON tells
/// apart: a number is no text and no date, and its digits were meant as those of a text.
#[derive(Debug, Clone)]
pub struct JsonRows {
    fields: Vec<String>,
    keys: Vec<KeySet>,
    rows: Vec<JsonRow>,
}

/// One row of a request, checked.
#[derive(Debug, Clone)]
pub struct JsonRow {
    /// The values that are good, in the order of [`JsonRows::fields`].
    pub fields: Fields,
    /// What is wrong; nothing with a good row.
    pub errors: Vec<RowError>,
}

impl JsonRow {
    /// The values of a good row.
    #[must_use]
    pub fn good(&self) -> Option<&Fields> {
        self.errors.is_empty().then_some(&self.fields)
    }
}

impl JsonRows {
    /// Reads rows. A row's number is its index from 0. A key that a row lacks is [`Field::Keep`], or
    /// `required` where a new row would need it; null is null.
    ///
    /// # Errors
    /// `unknown_column` for every key that is no importable column, with its pointer (`/rows/0/x`); of
    /// more than 100 the first ones.
    pub fn read(
        dataset: &Dataset,
        rows: &[Map<String, Value>],
        terms: JsonTerms<'_>,
    ) -> Result<Self, Vec<FieldFault>> {
        let faults = unknown(dataset, rows);
        if !faults.is_empty() {
            return Err(faults.told());
        }
        let reading = Reading::new(dataset, rows, terms);
        let numbered = rows.iter().zip(0..);
        let rows = numbered
            .map(|(row, number)| reading.row(row, number))
            .collect();
        Ok(Self {
            keys: KeySet::of(dataset, &reading.fields),
            fields: reading.fields,
            rows,
        })
    }

    /// The table's columns, in the order of each row's [`Fields`].
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// As [`super::RowCheck::key_sets`].
    #[must_use]
    pub fn key_sets(&self) -> &[KeySet] {
        &self.keys
    }

    /// The rows, in the request's order.
    pub fn rows(&self) -> &[JsonRow] {
        &self.rows
    }

    /// Refuses a row for something that its values alone do not tell; its index is `error.row`, and
    /// one that is none of the request's is left out.
    pub fn refuse(&mut self, error: RowError) {
        let row = usize::try_from(error.row).ok();
        if let Some(row) = row.and_then(|row| self.rows.get_mut(row)) {
            row.errors.push(error);
        }
    }
}

fn unknown(dataset: &Dataset, rows: &[Map<String, Value>]) -> Faults {
    let known = |name: &str| dataset.column(name).is_some_and(|column| column.importable);
    let mut faults = Faults::default();
    for (index, row) in rows.iter().enumerate() {
        for name in row.keys().filter(|name| !known(name)) {
            let at: Pointer = body("rows").index(index).field(name);
            let message = format!("`{name}` is not an importable column of {}", dataset.name);
            faults.push(FieldFault::new(&at, FaultCode::UnknownColumn, message));
        }
    }
    faults
}

/// The rules for the columns that any of the rows has.
struct Reading {
    fields: Vec<String>,
    columns: Vec<(ColumnType, bool, ColumnRule)>,
    across: Across,
    messages: RowMessages,
}

impl Reading {
    fn new(dataset: &Dataset, rows: &[Map<String, Value>], terms: JsonTerms<'_>) -> Self {
        let new_rows = terms.mode != ImportMode::Update;
        let rules = Terms {
            mode: terms.mode,
            empty: Empty::Null,
            zone: terms.timezone,
            calendar: Calendar::From1900,
            numbers: Numbers::Plain,
        };
        let needed =
            |column: &Column| dataset.key.contains(&column.name) || column.required && new_rows;
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for column in dataset.columns.iter().filter(|column| column.importable) {
            let given = rows.iter().any(|row| row.contains_key(&column.name));
            let Some(rule) = rules.rule(dataset, &column.name) else {
                continue;
            };
            if given || needed(column) {
                fields.push(column.name.clone());
                columns.push((column.kind, needed(column), rule));
            }
        }
        let (locale, sees) = (terms.locale, terms.sees_sensitive);
        Self {
            across: Across::new(dataset, &fields, terms.mode),
            messages: RowMessages::new(dataset, &[], None, locale, sees),
            fields,
            columns,
        }
    }

    fn row(&self, row: &Map<String, Value>, number: u32) -> JsonRow {
        let mut finding = Finding::new(&self.messages, &self.fields, number);
        let mut fields = Fields::new();
        for (at, (name, (kind, needed, rule))) in self.fields.iter().zip(&self.columns).enumerate()
        {
            let value = row.get(name);
            if value.is_none() && !needed {
                fields.push(Field::Keep);
                continue;
            }
            if let Err(fault) = take(*kind, rule, value.unwrap_or(&Value::Null), &mut fields) {
                fields.push(Field::Missing);
                let text = value.filter(|value| !value.is_null()).map(shown);
                finding.cell(at, fault, text.as_deref());
            }
        }
        finding.rules(&self.across, &fields);
        let errors = finding.end().err().unwrap_or_default();
        JsonRow { fields, errors }
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether the digits are those of the request: fractions went through a double.
fn is_exact(number: &Number, digits: &str) -> bool {
    let kept = |it: Digits<'_>| it.significant() <= KEPT_DIGITS;
    !number.is_f64() || Digits::read(digits).is_some_and(kept)
}

fn take(
    kind: ColumnType,
    rule: &ColumnRule,
    value: &Value,
    fields: &mut Fields,
) -> Result<(), Fault> {
    let digits: String;
    let cell = match value {
        Value::Null => SheetCell::Blank,
        // No text that a person wrote: no sheet can hold it, and not every tool of a database can.
        Value::String(text) if text.contains('\0') => return Err(RowCode::TypeMismatch.into()),
        Value::String(text) => SheetCell::Text(text),
        Value::Bool(truth) if kind == ColumnType::Boolean => SheetCell::Bool(*truth),
        Value::Number(number) => {
            digits = number.to_string();
            match kind {
                ColumnType::Integer | ColumnType::Decimal if is_exact(number, &digits) => {
                    SheetCell::Text(&digits)
                }
                ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean => {
                    SheetCell::Number(&digits, NumberStyle::Plain)
                }
                ColumnType::String | ColumnType::Date | ColumnType::Datetime | ColumnType::Time => {
                    return Err(RowCode::TypeMismatch.into());
                }
            }
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(RowCode::TypeMismatch.into());
        }
    };
    let policy = Policy {
        formulas: Formulas::Value,
        merged: Merged::Error,
    };
    let placed = PlacedCell {
        column: 0,
        formula: false,
        cell,
    };
    rule.take(placed, policy, fields)
}
