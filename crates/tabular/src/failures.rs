//! Failure workbooks: the rows that could not be taken, as their user wrote them, with the reasons.
//!
//! Owns [`FailureWriter`]. Promises that a file made here is accepted as an upload as it is: the
//! user's own columns in their order, then [the row, the codes and the messages](is_failure_header),
//! which are ignored when they come back. Whatever stood in a cell is read back as the same cell, so
//! that what nobody mended fails again, and nothing becomes right by being written:
//!
//! - numbers keep the digits of their file, dates their calendar, text its every space;
//! - in a text column a whole number of up to 15 digits becomes text as it was shown, so that zeros
//!   and digits typed while mending are kept; a longer one stays the rounded number that it is;
//! - a formula without a value stays one (`NA()`); one that is not allowed becomes one that says its
//!   value, which its user sees;
//! - a cell covered by a merged range is blank, or `#N/A` where the covering is its fault.
//!
//! A csv has no cells to mark and no hidden sheet; there the codes and messages must do, and the header
//! of our first column names the import ([`import_of_header`]). Memory does not grow with
//! rows: compressed rows beyond 4 MiB wait in an unlinked temporary file for the parts before them.
//! Proven by `tests/it/failures*.rs`.

mod columns;
mod formula;
mod lines;
mod part;
mod seen;
mod workbook;

use std::io::{self, Write};
use std::path::Path;

use domain::{Calendar, Dataset, RowError, SheetRow, UploadFormat};

pub use columns::{FailureColumn, import_of_header, is_failure_header};

use self::columns::{Columns, Reasons};
use self::lines::Lines;
use self::workbook::Workbook;
use crate::language::Language;
use crate::stamp::Stamp;

/// What a failure file is about, and how it is written.
pub struct FailureTerms<'a> {
    /// What was imported.
    pub dataset: &'a Dataset,
    /// Of our own columns and of the sheet's title.
    pub locale: &'a str,
    /// Names the import.
    pub stamp: Stamp,
    /// Those of the sheet that was read, in their order.
    pub columns: &'a [FailureColumn],
    /// That of the upload.
    pub format: UploadFormat,
    /// Where rows wait that do not fit into memory; none for the system's own directory.
    pub temp_dir: Option<&'a Path>,
}

/// Writes the failed rows of one import, streaming.
pub struct FailureWriter<W> {
    columns: Columns,
    form: Form<W>,
    rows: u64,
}

enum Form<W> {
    Xlsx(Box<Workbook<W>>),
    Csv(Lines<W>),
}

impl<W: Write> FailureWriter<W> {
    /// Begins a file. Nothing of a workbook reaches `out` before [`FailureWriter::finish`].
    ///
    /// # Errors
    /// Those of `out` and of the temporary file; more columns than a sheet can hold.
    pub fn new(terms: &FailureTerms<'_>, out: W) -> io::Result<Self> {
        let language = Language::of(terms.locale);
        let columns = Columns::of(terms.dataset, language, terms.columns)?;
        let form = match terms.format {
            UploadFormat::Xlsx => Form::Xlsx(Box::new(Workbook::begin(terms, &columns, out)?)),
            UploadFormat::Csv => Form::Csv(Lines::begin(&columns, terms.stamp.task, out)?),
        };
        Ok(Self {
            columns,
            form,
            rows: 0,
        })
    }

    /// The calendar of the workbook that the rows come from; without it, the one from 1900. To be
    /// told before the first row.
    #[must_use]
    pub fn with_calendar(mut self, calendar: Calendar) -> Self {
        match &mut self.form {
            Form::Xlsx(workbook) => workbook.calendar = calendar,
            Form::Csv(lines) => lines.calendar = calendar,
        }
        self
    }

    /// Adds a row with what is wrong with it.
    ///
    /// # Errors
    /// Those of `out` and of the temporary file; a row more than a sheet holds (1,048,575 besides the
    /// header). What was written by then is no file.
    pub fn row(&mut self, row: &SheetRow<'_>, errors: &[RowError]) -> io::Result<()> {
        self.rows += 1;
        let reasons = Reasons::of(self.columns.language, errors);
        match &mut self.form {
            Form::Xlsx(workbook) => workbook.row(&self.columns, row, errors, &reasons),
            Form::Csv(lines) => lines.row(&self.columns, row, errors, &reasons),
        }
    }

    /// Ends the file and tells how many rows it holds.
    ///
    /// # Errors
    /// Those of `out` and of the temporary file.
    pub fn finish(self) -> io::Result<u64> {
        match self.form {
            Form::Xlsx(workbook) => workbook.finish(&self.columns)?,
            Form::Csv(lines) => lines.finish()?,
        }
        Ok(self.rows)
    }
}
