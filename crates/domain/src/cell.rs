//! Values on their way from a table to a file.
//!
//! Owns [`Cell`], one typed value, and [`RowChunk`], a bounded run of rows that travels through a
//! channel as one piece. The texts of a chunk lie in one buffer, so a cell costs 16 bytes and no
//! allocation of its own. Promises that nothing the database can hold is lost on the way: what
//! `chrono` cannot express (`0000-00-00`, `838:59:59`) stays as text in [`Cell::Odd`].

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// One value of one column, as the database holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(&'a str),
    Int(i64),
    UInt(u64),
    /// An exact decimal number in its shortest written form, as `-12.50`.
    Decimal(&'a str),
    Float(f64),
    Bool(bool),
    Date(NaiveDate),
    /// Wall-clock time in the zone that the column is stored in.
    DateTime(NaiveDateTime),
    Time(NaiveTime),
    /// A date or time that the calendar does not know, in the database's own writing.
    Odd(&'a str),
}

/// A cell whose text lies in its chunk.
#[derive(Debug, Clone, Copy)]
enum Stored {
    Null,
    Text(Place),
    Int(i64),
    UInt(u64),
    Decimal(Place),
    Float(f64),
    Bool(bool),
    Date(NaiveDate),
    DateTime(NaiveDateTime),
    Time(NaiveTime),
    Odd(Place),
}

#[derive(Debug, Clone, Copy)]
struct Place {
    start: u32,
    end: u32,
}

/// A run of rows of equal width, stored flat. Holds at most 4 GiB of text.
#[derive(Debug, Clone)]
pub struct RowChunk {
    width: usize,
    cells: Vec<Stored>,
    text: String,
}

impl RowChunk {
    /// An empty chunk for rows of `width` cells, with room for `rows` of them.
    ///
    /// # Panics
    /// When `width` is 0: a row without cells cannot be counted.
    #[must_use]
    pub fn with_capacity(width: usize, rows: usize) -> Self {
        assert!(width > 0, "a row has at least one cell");
        Self {
            width,
            cells: Vec::with_capacity(width * rows),
            text: String::new(),
        }
    }

    /// Adds one cell; a row is complete after `width` of them.
    ///
    /// # Panics
    /// When the texts of the chunk come to 4 GiB: a chunk is for a bounded run of rows.
    pub fn push(&mut self, cell: Cell<'_>) {
        let stored = match cell {
            Cell::Null => Stored::Null,
            Cell::Text(it) => Stored::Text(self.keep(it)),
            Cell::Int(it) => Stored::Int(it),
            Cell::UInt(it) => Stored::UInt(it),
            Cell::Decimal(it) => Stored::Decimal(self.keep(it)),
            Cell::Float(it) => Stored::Float(it),
            Cell::Bool(it) => Stored::Bool(it),
            Cell::Date(it) => Stored::Date(it),
            Cell::DateTime(it) => Stored::DateTime(it),
            Cell::Time(it) => Stored::Time(it),
            Cell::Odd(it) => Stored::Odd(self.keep(it)),
        };
        self.cells.push(stored);
    }

    /// Complete rows, in order, each with `width` cells.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = impl ExactSizeIterator<Item = Cell<'_>>> {
        self.cells
            .chunks_exact(self.width)
            .map(|row| row.iter().map(|cell| self.shown(*cell)))
    }

    /// Number of complete rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    /// True when no row is complete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All texts of its cells, one after the other.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn keep(&mut self, text: &str) -> Place {
        let start = self.position();
        self.text.push_str(text);
        Place {
            start,
            end: self.position(),
        }
    }

    fn position(&self) -> u32 {
        u32::try_from(self.text.len()).expect("a chunk holds less than 4 GiB of text")
    }

    fn shown(&self, cell: Stored) -> Cell<'_> {
        let text = |place: Place| &self.text[place.start as usize..place.end as usize];
        match cell {
            Stored::Null => Cell::Null,
            Stored::Text(it) => Cell::Text(text(it)),
            Stored::Int(it) => Cell::Int(it),
            Stored::UInt(it) => Cell::UInt(it),
            Stored::Decimal(it) => Cell::Decimal(text(it)),
            Stored::Float(it) => Cell::Float(it),
            Stored::Bool(it) => Cell::Bool(it),
            Stored::Date(it) => Cell::Date(it),
            Stored::DateTime(it) => Cell::DateTime(it),
            Stored::Time(it) => Cell::Time(it),
            Stored::Odd(it) => Cell::Odd(text(it)),
        }
    }
}
