//! Where sheets and files end.

use std::ops::Range;
use std::sync::Arc;

use domain::RowChunk;

use crate::layout::Layout;

/// Weight after which a sheet ends early: its XML stays below 4 GiB, past which a zip entry needs
/// the 64-bit form that spreadsheet programs read badly.
const MAX_SHEET_WEIGHT: u64 = 3 << 30;
/// What a cell weighs besides its text: its element in the sheet, in bytes, and its part of the row's.
const CELL_WEIGHT: u64 = 96;
/// What a character adds that is escaped: `_x0000_` for one byte.
const ESCAPE_WEIGHT: u64 = 6;

/// What begins with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A file, and its first sheet.
    File,
    /// A further sheet of the file.
    Sheet,
    /// Nothing: it goes on.
    Nothing,
}

/// Rows that lie together in one sheet.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What begins with it.
    pub start: Start,
    pub(crate) chunk: Arc<RowChunk>,
    pub(crate) rows: Range<usize>,
    /// Where the first of them stands in its sheet; 0 is the sheet's first row.
    pub(crate) first_row: u32,
}

impl Piece {
    /// Rows in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True for the piece of a file without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Cuts a stream of rows into pieces.
#[derive(Debug)]
pub struct Cutter {
    header_rows: u32,
    rows_per_sheet: u32,
    rows_per_file: u64,
    width: usize,
    /// None before the first row.
    at: Option<Position>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Position {
    in_sheet: u32,
    in_file: u64,
    weight: u64,
}

impl Cutter {
    /// A cutter for files of that layout.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            header_rows: u32::from(layout.header),
            rows_per_sheet: layout.data_rows_per_sheet(),
            rows_per_file: layout.rows_per_file.map_or(u64::MAX, |rows| rows.max(1)),
            width: layout.columns.len(),
            at: None,
        }
    }

    /// The pieces of the next rows.
    pub fn cut(&mut self, chunk: RowChunk) -> Vec<Piece> {
        let chunk = Arc::new(chunk);
        let mut pieces = Vec::with_capacity(1);
        let mut from = 0;
        while from < chunk.len() {
            let (start, at) = self.next_position();
            let room = (self.rows_per_file - at.in_file)
                .min(u64::from(self.rows_per_sheet - at.in_sheet))
                .min((chunk.len() - from) as u64);
            // no more than the chunk holds
            let rows = usize::try_from(room).unwrap_or(chunk.len() - from);
            pieces.push(Piece {
                start,
                rows: from..from + rows,
                first_row: at.in_sheet + self.header_rows,
                chunk: chunk.clone(),
            });
            self.at = Some(Position {
                // no more than a sheet holds
                in_sheet: at.in_sheet + u32::try_from(rows).unwrap_or(u32::MAX),
                in_file: at.in_file + room,
                weight: at.weight + self.weight(&chunk, rows),
            });
            from += rows;
        }
        pieces
    }

    /// What is left to write when the rows have ended: a piece without rows, if there was none.
    #[must_use]
    pub fn finish(self) -> Option<Piece> {
        self.at.is_none().then(|| Piece {
            start: Start::File,
            chunk: Arc::new(RowChunk::with_capacity(self.width, 0)),
            rows: 0..0,
            first_row: self.header_rows,
        })
    }

    fn next_position(&self) -> (Start, Position) {
        match self.at {
            None => (Start::File, Position::default()),
            Some(at) if at.in_file >= self.rows_per_file => (Start::File, Position::default()),
            Some(at) if at.in_sheet >= self.rows_per_sheet || at.weight >= MAX_SHEET_WEIGHT => (
                Start::Sheet,
                Position {
                    in_file: at.in_file,
                    ..Position::default()
                },
            ),
            Some(at) => (Start::Nothing, at),
        }
    }

    fn weight(&self, chunk: &RowChunk, rows: usize) -> u64 {
        let text = chunk.text().as_bytes();
        let is_escaped = |byte: &&u8| matches!(byte, b'&' | b'<' | b'>' | b'_' | 0..=0x1f);
        let escaped = text.iter().filter(is_escaped).count() as u64;
        let whole = text.len() as u64 + escaped * ESCAPE_WEIGHT;
        whole * rows as u64 / chunk.len() as u64 + (rows * self.width) as u64 * CELL_WEIGHT
    }
}
