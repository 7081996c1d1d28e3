//! Rows out of a csv file.
//!
//! Encoding and separator are found by looking, where they are not declared (`encoding`,
//! `separator`); the whole file is known to
//! be text before the first row is given. A record is a row, numbered as a spreadsheet shows it:
//! lines inside quotes belong to their record, a blank line is a row without cells. An empty field is
//! no cell; `""` is an empty text. The guard that our exports put before what could be taken for a
//! formula comes off. Memory: one block of 32 KiB, one record of at most
//! [`ReadLimits::row_bytes`], one chunk.
//! Proven by `tests/it/csv_reading.rs`.

mod encoding;
mod record;
mod separator;
mod text;

use std::fs::File;
use std::sync::Arc;

use domain::{FailureCode, SheetCell, SheetChunk};

use self::record::{Parser, Record};
use self::separator::Separation;
use self::text::{Text, Writing};
use super::meter::Meter;
use super::{ReadLimits, ReadTerms, Refusal};
use crate::csv::unguarded;

/// An opened csv file.
pub(super) struct CsvBook {
    file: Arc<File>,
    writing: Writing,
    separation: Separation,
    limits: ReadLimits,
    meter: Arc<Meter>,
}

impl CsvBook {
    /// Finds out how the file is written, for which it is read to its end.
    pub(super) fn open(file: File, terms: &ReadTerms, meter: Arc<Meter>) -> Result<Self, Refusal> {
        let (file, limits) = (Arc::new(file), &terms.limits);
        let writing = encoding::of(&file, terms.encoding, &meter)?;
        let mut text = Text::of(Arc::clone(&file), writing, Arc::clone(&meter));
        let first = text.next()?.unwrap_or_default().to_owned();
        let whole = text.next()?.is_none();
        Ok(Self {
            separation: Separation::of(&first, whole, limits),
            file,
            writing,
            limits: limits.clone(),
            meter,
        })
    }

    /// Begins a pass over its rows.
    pub(super) fn rows(&self) -> Result<CsvRows, Refusal> {
        Ok(CsvRows {
            text: Text::of(
                Arc::clone(&self.file),
                self.writing,
                Arc::clone(&self.meter),
            ),
            parser: Some(Parser::new(self.separation.separator, &self.limits)),
            gathered: Gathered {
                chunk: SheetChunk::new(),
                number: 0,
                skips_first: self.separation.declared,
                columns: usize::from(self.limits.columns),
            },
            limits: self.limits.clone(),
        })
    }
}

/// One pass over a csv file. `Send`.
pub(super) struct CsvRows {
    text: Text,
    /// None after the end.
    parser: Option<Parser>,
    gathered: Gathered,
    limits: ReadLimits,
}

impl CsvRows {
    /// The next rows; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<SheetChunk>, Refusal> {
        while let Some(parser) = &mut self.parser {
            let gathered = &mut self.gathered;
            match self.text.next()? {
                Some(block) => parser.feed(block, &mut |record| gathered.add(record))?,
                None => {
                    parser.finish(&mut |record| gathered.add(record))?;
                    self.parser = None;
                }
            }
            let chunk = &self.gathered.chunk;
            if chunk.len() >= self.limits.chunk_rows
                || chunk.size_bytes() >= self.limits.chunk_bytes
            {
                break;
            }
        }
        let chunk = std::mem::take(&mut self.gathered.chunk);
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

/// The rows of the next chunk.
struct Gathered {
    chunk: SheetChunk,
    /// Of the row before.
    number: u32,
    skips_first: bool,
    columns: usize,
}

impl Gathered {
    fn add(&mut self, record: &Record) -> Result<(), Refusal> {
        if std::mem::take(&mut self.skips_first) {
            return Ok(());
        }
        let next = self.number.checked_add(1);
        self.number = next.ok_or_else(|| {
            Refusal::new(FailureCode::TooManyRows, "more records than can be counted")
        })?;
        if record.fields().len() == 0 {
            return Ok(());
        }
        self.chunk.begin_row(self.number, false);
        for (column, field) in record.fields() {
            let column = u16::try_from(column)
                .ok()
                .filter(|_| column < self.columns)
                .ok_or_else(|| self.too_wide(column))?;
            self.chunk
                .push(column, false, SheetCell::Text(unguarded(field)));
        }
        Ok(())
    }

    fn too_wide(&self, column: usize) -> Refusal {
        let (row, column) = (self.number, column + 1);
        Refusal::new(
            FailureCode::TooManyColumns,
            format!("row {row} has a field in column {column}"),
        )
    }
}
