//! What a cell means to a column of a type.

use chrono_tz::Tz;

use super::digits;
use super::fault::Fault;
use super::fields::Fields;
use super::moment::MomentRule;
use super::number::NumberRule;
use super::text;
use crate::{Calendar, Column, ColumnType, NumberForm, RowCode, SheetCell};

/// Most characters that are told of an error cell: Excel's errors are shorter, what a file says in
/// their place may be a page.
const MAX_ERROR: usize = 40;

/// Reads the cells of one column; the declared type decides.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    Text(Calendar),
    Number(NumberRule),
    Boolean,
    Date(MomentRule),
    Datetime(MomentRule),
    Time(MomentRule),
}

impl Reader {
    /// For a column; `zone` is that of dates without an offset, `form` that of numbers as text.
    pub(super) fn of(
        column: &Column,
        form: Option<NumberForm>,
        zone: Tz,
        calendar: Calendar,
    ) -> Self {
        let number = |scale, whole_only| {
            Self::Number(NumberRule {
                scale,
                whole_only,
                form,
            })
        };
        let moment = MomentRule {
            calendar,
            zone,
            stored_in: column.stored_in,
            second_scale: column.second_scale(),
        };
        match column.kind {
            ColumnType::String => Self::Text(calendar),
            ColumnType::Integer => number(Some(0), true),
            ColumnType::Decimal => number(column.scale, false),
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Date => Self::Date(moment),
            ColumnType::Datetime => Self::Datetime(moment),
            ColumnType::Time => Self::Time(moment),
        }
    }

    /// Writes the cell's value to `out` as the value under way, as MySQL takes it.
    pub(super) fn read(&self, cell: SheetCell<'_>, out: &mut Fields) -> Result<(), Fault> {
        match cell {
            SheetCell::Text(text) => self.text(text, out),
            SheetCell::IsoDate(text) => self.iso(text, out),
            SheetCell::Bool(truth) => self.truth(truth, out),
            SheetCell::Number(number, style) => match self {
                Self::Text(calendar) => text::number(number, style, *calendar, out),
                Self::Number(rule) => rule.cell(number, out),
                Self::Boolean => {
                    let truth = text::truth_of_number(number).ok_or(RowCode::TypeMismatch)?;
                    self.truth(truth, out)
                }
                Self::Date(rule) => rule.date(number, out),
                Self::Datetime(rule) => rule.datetime(number, out),
                Self::Time(rule) => rule.time(number, out),
            },
            SheetCell::Error(shown) => {
                let told: String = shown.chars().take(MAX_ERROR).collect();
                Err(Fault::with(RowCode::ErrorCell, "error", told))
            }
            SheetCell::FormulaWithoutValue => Err(RowCode::FormulaWithoutValue.into()),
            SheetCell::Merged { row, column } => {
                let first = format!("{}{row}", crate::column_letters(column));
                Err(Fault::with(RowCode::MergedCell, "first_cell", first))
            }
            SheetCell::Blank => Err(RowCode::Required.into()),
        }
    }

    fn text(&self, text: &str, out: &mut Fields) -> Result<(), Fault> {
        match self {
            Self::Text(_) => {
                out.write(text);
                Ok(())
            }
            Self::Number(rule) => rule.text(text, out),
            Self::Boolean => {
                let truth = text::truth(text).ok_or(RowCode::TypeMismatch)?;
                self.truth(truth, out)
            }
            Self::Date(_) => MomentRule::date_text(text, out),
            Self::Datetime(rule) => rule.datetime_text(text, out),
            Self::Time(rule) => rule.time_text(text, out),
        }
    }

    /// A date of a sheet has no zone: programs that write `Z` mean wall clock as all others do.
    fn iso(&self, text: &str, out: &mut Fields) -> Result<(), Fault> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        match self {
            Self::Text(_) => {
                MomentRule::shown_iso(text, out);
                Ok(())
            }
            Self::Date(_) | Self::Datetime(_) | Self::Time(_) => self.text(text, out),
            Self::Number(_) | Self::Boolean => Err(RowCode::TypeMismatch.into()),
        }
    }

    fn truth(&self, truth: bool, out: &mut Fields) -> Result<(), Fault> {
        let written = match (self, truth) {
            (Self::Text(_), true) => "TRUE",
            (Self::Text(_), false) => "FALSE",
            (Self::Boolean, true) => "1",
            (Self::Boolean, false) => "0",
            _ => return Err(RowCode::TypeMismatch.into()),
        };
        out.write(written);
        Ok(())
    }
}

/// The order of two values of one type, both written as MySQL takes them. Texts are ordered by
/// their code points.
pub(crate) fn compare(kind: ColumnType, left: &str, right: &str) -> std::cmp::Ordering {
    match kind {
        ColumnType::Integer | ColumnType::Decimal => digits::compare(left, right),
        // ISO dates and times sort as their texts do
        ColumnType::Date
        | ColumnType::Datetime
        | ColumnType::Time
        | ColumnType::String
        | ColumnType::Boolean => left.cmp(right),
    }
}

/// A value of a definition (`min`, `allowed`) as MySQL takes it; none if it is no value of the
/// column's type, or has fractions of a second that the column does not keep. A datetime without an
/// offset is wall clock of the zone that the column is stored in.
pub(crate) fn canonical(column: &Column, text: &str) -> Option<String> {
    let mut fields = Fields::new();
    let reader = Reader::of(column, None, column.stored_in, Calendar::From1900);
    let read = reader.read(SheetCell::Text(text), &mut fields);
    (read.is_ok() && fields.cut() == 0).then(|| fields.begun().to_owned())
}
