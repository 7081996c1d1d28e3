//! Rows of a file joined by number with what is wrong with them; both rise.

use std::io;

use domain::{Failure, RowError, SheetChunk, SheetRow};
use tabular::FailureWriter;
use tokio::sync::mpsc;

use crate::failure::{internal, of_disk};

/// The errors of a batch, or why there are none.
pub(crate) type Told = Result<Vec<RowError>, Failure>;

/// Errors that wait for their rows.
#[derive(Default)]
pub(crate) struct Join {
    waiting: std::vec::IntoIter<RowError>,
    ended: bool,
}

impl Join {
    /// Writes those of a chunk's rows that have errors.
    pub(crate) fn chunk<W: io::Write>(
        &mut self,
        chunk: &SheetChunk,
        errors: &mut mpsc::Receiver<Told>,
        file: &mut FailureWriter<W>,
    ) -> Result<(), Failure> {
        for row in chunk.rows() {
            let own = self.errors_of(&row, errors)?;
            if !own.is_empty() {
                file.row(&row, &own).map_err(|error| of_disk(&error))?;
            }
        }
        Ok(())
    }

    fn errors_of(
        &mut self,
        row: &SheetRow<'_>,
        errors: &mut mpsc::Receiver<Told>,
    ) -> Result<Vec<RowError>, Failure> {
        let mut own = Vec::new();
        while let Some(next) = self.peek(errors)? {
            if next > row.number {
                break;
            }
            if next < row.number {
                return Err(internal(
                    "an error is about a row that the file does not have",
                ));
            }
            own.extend(self.waiting.next());
        }
        Ok(own)
    }

    /// All rows have passed: no error may be left.
    pub(crate) fn end(&mut self, errors: &mut mpsc::Receiver<Told>) -> Result<(), Failure> {
        match self.peek(errors)? {
            None => Ok(()),
            Some(_) => Err(internal("errors are about rows behind the file's end")),
        }
    }

    /// The row of the next error.
    fn peek(&mut self, errors: &mut mpsc::Receiver<Told>) -> Result<Option<u32>, Failure> {
        while self.waiting.as_slice().is_empty() && !self.ended {
            match errors.blocking_recv() {
                Some(told) => self.waiting = told?.into_iter(),
                None => self.ended = true,
            }
        }
        Ok(self.waiting.as_slice().first().map(|error| error.row))
    }
}
