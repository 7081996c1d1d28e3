//! A failure file as csv.

use std::io::{self, Write};

use domain::{Calendar, NumberStyle, RowError, SheetCell, SheetRow, TaskId};

use super::columns::{Columns, Kept, NO_VALUE, OwnedColumn, Reasons};
use super::seen::{identifier, iso};
use crate::csv::{LINE_END, first_line, push_guarded};

pub(super) struct Lines<W> {
    out: W,
    line: Vec<u8>,
    pub(super) calendar: Calendar,
}

impl<W: Write> Lines<W> {
    pub(super) fn begin(columns: &Columns, import: Option<TaskId>, mut out: W) -> io::Result<Self> {
        let headers = columns.headers_of(import);
        out.write_all(&first_line(headers.iter().map(String::as_str)))?;
        Ok(Self {
            out,
            line: Vec::new(),
            calendar: Calendar::default(),
        })
    }

    pub(super) fn row(
        &mut self,
        columns: &Columns,
        row: &SheetRow<'_>,
        errors: &[RowError],
        reasons: &Reasons,
    ) -> io::Result<()> {
        self.line.clear();
        for column in &columns.own {
            let cell = match column.kept(row.cell(column.source), errors) {
                Kept::Cell(cell) => cell,
                Kept::Formula(_) => SheetCell::FormulaWithoutValue,
            };
            self.cell(column, cell);
            self.line.push(b',');
        }
        self.line
            .extend_from_slice(itoa::Buffer::new().format(row.number).as_bytes());
        for text in [&reasons.codes, &reasons.messages] {
            self.line.push(b',');
            push_guarded(&mut self.line, text);
        }
        self.line.extend_from_slice(LINE_END);
        self.out.write_all(&self.line)
    }

    fn cell(&mut self, column: &OwnedColumn, cell: SheetCell<'_>) {
        match cell {
            SheetCell::Blank | SheetCell::Merged { .. } => {}
            // a csv has no formulas: the nearest that is no value is what a program would show
            SheetCell::FormulaWithoutValue => self.line.extend_from_slice(NO_VALUE.as_bytes()),
            SheetCell::Text(text) | SheetCell::IsoDate(text) | SheetCell::Error(text) => {
                push_guarded(&mut self.line, text);
            }
            SheetCell::Bool(true) => self.line.extend_from_slice(b"TRUE"),
            SheetCell::Bool(false) => self.line.extend_from_slice(b"FALSE"),
            SheetCell::Number(number, style) => {
                let shown = match style {
                    NumberStyle::Date => iso(number, column.kind, self.calendar),
                    NumberStyle::Zeros(_) => identifier(number, style),
                    NumberStyle::Plain | NumberStyle::Percent => None,
                };
                push_guarded(&mut self.line, shown.as_deref().unwrap_or(number));
            }
        }
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
