//! Values on their way from a table to a file.
//!
//! Owns [`Cell`], one typed value, and [`RowChunk`], a bounded run of rows that travels through a
//! channel as one piece. Promises that nothing the database can hold is lost on the way: what
//! `chrono` cannot express (`0000-00-00`, `838:59:59`) stays as text in [`Cell::Odd`].

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// One value of one column, as the database holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Text(String),
    Int(i64),
    UInt(u64),
    /// An exact decimal number in its shortest written form, as `-12.50`.
    Decimal(String),
    Float(f64),
    Bool(bool),
    Date(NaiveDate),
    /// Wall-clock time in the zone that the column is stored in.
    DateTime(NaiveDateTime),
    Time(NaiveTime),
    /// A date or time that the calendar does not know, in the database's own writing.
    Odd(String),
}

/// A run of rows of equal width, stored flat.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChunk {
    width: usize,
    cells: Vec<Cell>,
}

impl RowChunk {
    /// An empty chunk for rows of `width` cells, with room for `rows` of them.
    ///
    /// # Panics
    /// When `width` is 0: a row without cells cannot be counted.
    pub fn with_capacity(width: usize, rows: usize) -> Self {
        assert!(width > 0, "a row has at least one cell");
        Self {
            width,
            cells: Vec::with_capacity(width * rows),
        }
    }

    /// Adds one cell; a row is complete after `width` of them.
    pub fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// Complete rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks_exact(self.width)
    }

    /// Number of complete rows.
    pub fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    /// True when no row is complete.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
