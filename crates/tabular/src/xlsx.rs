//! One sheet of one workbook, written row by row.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use domain::{Cell, ColumnType, Warning};
use xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

use crate::layout::{Layout, OutputColumn};
use crate::text::{display_width, false_escape, sheet_name};
use crate::value::{Oddity, Value, render};

/// Rows of a sheet, the header among them (Excel's specifications and limits).
pub const MAX_SHEET_ROWS: u32 = 1_048_576;
/// Widest column that is chosen without being asked for, in characters.
const MAX_CHOSEN_WIDTH: u16 = 60;
/// Room for the filter's button beside a label, in characters.
const BUTTON_WIDTH: u16 = 4;

/// Why a sheet could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The sheet is full; it holds as many data rows as told.
    #[error("more than {0} rows, which is all that a sheet holds")]
    TooManyRows(u32),
    /// The temporary file or the output could not be written.
    #[error("the workbook could not be written")]
    Workbook(#[source] Box<XlsxError>),
}

impl From<XlsxError> for WriteError {
    fn from(error: XlsxError) -> Self {
        Self::Workbook(Box::new(error))
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Data rows, without the header.
    pub rows: u64,
    /// What the reader should know of, ordered by code.
    pub warnings: Vec<Warning>,
}

/// Writes one sheet with constant memory; its raw XML waits in an unnamed temporary file, gone
/// however the process ends.
///
/// The library panics when that temporary file cannot be written (a full disk): whoever runs the
/// writer on a thread of its own takes a panic there as a failure of storage.
pub struct SheetWriter {
    workbook: Workbook,
    layout: Layout,
    formats: Vec<Option<Format>>,
    plain: Format,
    next_row: u32,
    oddities: BTreeMap<Oddity, u64>,
}

impl SheetWriter {
    /// Begins a sheet; temporary files go to `temp_dir`.
    ///
    /// # Errors
    /// [`WriteError::Workbook`] when `temp_dir` is no place to write to.
    pub fn create(layout: Layout, temp_dir: &Path) -> Result<Self, WriteError> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(temp_dir)?;
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(sheet_name(&layout.title))?;
        for (index, column) in (0..).zip(&layout.columns) {
            sheet.set_column_width(index, width(column))?;
        }
        if layout.header {
            write_header(sheet, &layout)?;
        }
        Ok(Self {
            formats: layout.columns.iter().map(number_format).collect(),
            next_row: u32::from(layout.header),
            workbook,
            layout,
            plain: Format::new(),
            oddities: BTreeMap::new(),
        })
    }

    /// Writes one row; `cells` are in the order of the layout's columns.
    ///
    /// # Errors
    /// [`WriteError::TooManyRows`] when the sheet is full.
    pub fn write_row(&mut self, cells: &[Cell]) -> Result<(), WriteError> {
        debug_assert_eq!(cells.len(), self.layout.columns.len(), "cells of one row");
        if self.next_row >= MAX_SHEET_ROWS {
            return Err(WriteError::TooManyRows(
                MAX_SHEET_ROWS - u32::from(self.layout.header),
            ));
        }
        let Self {
            workbook,
            layout,
            formats,
            plain,
            next_row,
            oddities,
        } = self;
        let sheet = workbook.worksheet_from_index(0)?;
        let null_text = layout.null_text.as_deref();
        let columns = layout.columns.iter().zip(formats.iter());
        for (index, (cell, (column, format))) in (0..).zip(cells.iter().zip(columns)) {
            let (value, oddity) = render(cell, column, layout.zone, null_text);
            if let Some(oddity) = oddity {
                *oddities.entry(oddity).or_default() += 1;
            }
            match value {
                Value::Blank => {}
                Value::Bool(it) => drop(sheet.write_boolean(*next_row, index, it)?),
                Value::Number(it) => {
                    let format = format.as_ref().unwrap_or(plain);
                    sheet.write_number_with_format(*next_row, index, it, format)?;
                }
                Value::Text(it) => write_text(sheet, *next_row, index, &it, plain)?,
            }
        }
        *next_row += 1;
        Ok(())
    }

    /// Ends the sheet and writes the workbook to `out`, front to back.
    ///
    /// # Errors
    /// [`WriteError::Workbook`] with the error of `out` or of the temporary file.
    pub fn finish(mut self, out: impl Write + Send) -> Result<Summary, WriteError> {
        if self.layout.header
            && let Some(last_column) = u16::try_from(self.layout.columns.len() - 1).ok()
        {
            let sheet = self.workbook.worksheet_from_index(0)?;
            sheet.autofilter(0, 0, self.next_row - 1, last_column)?;
        }
        self.workbook.save_to_writer(out)?;
        let warning = |(oddity, count): (Oddity, u64)| Warning {
            code: oddity.code().into(),
            count,
        };
        Ok(Summary {
            rows: u64::from(self.next_row - u32::from(self.layout.header)),
            warnings: self.oddities.into_iter().map(warning).collect(),
        })
    }
}

fn write_header(sheet: &mut Worksheet, layout: &Layout) -> Result<(), WriteError> {
    let bold = Format::new().set_bold();
    for (index, column) in (0..).zip(&layout.columns) {
        sheet.write_string_with_format(0, index, column.label.as_str(), &bold)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}

fn write_text(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    text: &str,
    plain: &Format,
) -> Result<(), WriteError> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(at) = false_escape(rest) {
        let (run, after) = rest.split_at(at);
        runs.push((plain, run));
        rest = after;
    }
    if runs.is_empty() {
        sheet.write_string(row, column, text)?;
    } else {
        runs.push((plain, rest));
        sheet.write_rich_string(row, column, &runs)?;
    }
    Ok(())
}

fn number_format(column: &OutputColumn) -> Option<Format> {
    let own = match column.kind {
        ColumnType::String | ColumnType::Boolean => None,
        ColumnType::Integer => Some("0".to_owned()),
        ColumnType::Decimal => column.scale.map(|scale| match scale {
            0 => "0".to_owned(),
            scale => format!("0.{}", "0".repeat(scale.into())),
        }),
        ColumnType::Date => Some("yyyy-mm-dd".to_owned()),
        ColumnType::Datetime => Some("yyyy-mm-dd hh:mm:ss".to_owned()),
        ColumnType::Time => Some("hh:mm:ss".to_owned()),
    };
    column
        .format
        .clone()
        .or(own)
        .map(|format| Format::new().set_num_format(format))
}

/// Wide enough for the label and for the usual values of the type.
fn width(column: &OutputColumn) -> f64 {
    let usual = match column.kind {
        ColumnType::String => 14,
        ColumnType::Integer | ColumnType::Time => 10,
        ColumnType::Decimal | ColumnType::Date => 12,
        ColumnType::Boolean => 8,
        ColumnType::Datetime => 20,
    };
    let label = display_width(&column.label).saturating_add(BUTTON_WIDTH);
    column
        .width
        .unwrap_or_else(|| f64::from(label.max(usual).min(MAX_CHOSEN_WIDTH)))
}
