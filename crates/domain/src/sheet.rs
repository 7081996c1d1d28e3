//! Cells on their way from a file to a table, as somebody else wrote them.
//!
//! Owns [`SheetCell`], what stands in one cell of a workbook or csv before anybody judges it, and
//! [`SheetChunk`], a bounded run of sheet rows that travels through a channel as one piece. Rows
//! carry the number that a person sees in the sheet; their cells are sparse and carry the column.
//! All texts of a chunk lie in one buffer, so a cell costs no allocation of its own.

/// The day that number 1 means (ECMA-376, 18.17.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Calendar {
    /// 1 is 1900-01-01, and 60 is the false 1900-02-29.
    #[default]
    From1900,
    /// 0 is 1904-01-01.
    From1904,
}

/// What a number's format shows it as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumberStyle {
    /// A number of whatever look.
    #[default]
    Plain,
    /// A date, a time of day or both.
    Date,
    /// A share of a hundred: `23%` stands as 0.23 in the file.
    Percent,
    /// Nothing but so many zeros (`000000`): the number is shown with at least so many digits.
    Zeros(u8),
}

/// What stands in one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SheetCell<'a> {
    /// There is a cell, and nothing in it.
    Blank,
    /// Text, decoded, joined from its runs, with every space that it has. May be empty.
    Text(&'a str),
    /// A number, exactly as the file writes it (`1.1000000000000001`, `3.5E+17`); finite.
    Number(&'a str, NumberStyle),
    /// TRUE or FALSE.
    Bool(bool),
    /// A date as ISO 8601 text in a cell of type date (`t="d"`).
    IsoDate(&'a str),
    /// An error that the cell shows: `#N/A`.
    Error(&'a str),
    /// A formula whose result the file does not hold.
    FormulaWithoutValue,
    /// Covered by a merged range whose value stands in its first cell, at (row, column), both as in
    /// [`SheetRow`].
    Merged {
        /// Number of the row that the range begins at.
        row: u32,
        /// Column that the range begins at.
        column: u16,
    },
}

impl SheetCell<'_> {
    /// Whether nothing stands there that a person would see.
    fn is_blank(self) -> bool {
        matches!(self, Self::Blank | Self::Text("") | Self::Merged { .. })
    }
}

/// One cell of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedCell<'a> {
    /// Counted from 0: A is 0.
    pub column: u16,
    /// Whether a formula gave the value.
    pub formula: bool,
    /// What stands in it.
    pub cell: SheetCell<'a>,
}

/// One row that holds at least one cell.
#[derive(Debug, Clone, Copy)]
pub struct SheetRow<'a> {
    /// As a person sees it in the sheet: counted from 1.
    pub number: u32,
    /// Whether the sheet hides it.
    pub hidden: bool,
    chunk: &'a SheetChunk,
    first: usize,
    end: usize,
}

impl<'a> SheetRow<'a> {
    /// Its cells, by rising column.
    pub fn cells(
        &self,
    ) -> impl ExactSizeIterator<Item = PlacedCell<'a>> + DoubleEndedIterator + use<'a> {
        let chunk = self.chunk;
        chunk.cells[self.first..self.end]
            .iter()
            .map(|stored| chunk.shown(*stored))
    }

    /// The cell of a column; [`SheetCell::Blank`] where there is none.
    #[must_use]
    pub fn cell(&self, column: u16) -> PlacedCell<'a> {
        let own = &self.chunk.cells[self.first..self.end];
        match own.binary_search_by_key(&column, |stored| stored.column) {
            Ok(at) => self.chunk.shown(own[at]),
            Err(_) => PlacedCell {
                column,
                formula: false,
                cell: SheetCell::Blank,
            },
        }
    }

    /// Whether every cell is blank or an empty text: such a row is no row (cases.md A 6).
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.cells().all(|placed| placed.cell.is_blank())
    }

    /// How many columns it reaches across: one more than the last in which something stands.
    #[must_use]
    pub fn width(&self) -> u32 {
        let last = self.cells().rfind(|placed| !placed.cell.is_blank());
        last.map_or(0, |placed| u32::from(placed.column) + 1)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Blank,
    Text,
    Number(NumberStyle),
    True,
    False,
    IsoDate,
    Error,
    FormulaWithoutValue,
    Merged { row: u32, column: u16 },
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    column: u16,
    formula: bool,
    kind: Kind,
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    number: u32,
    hidden: bool,
    first: u32,
}

/// A run of rows, stored flat. Holds less than 4 GiB of text.
#[derive(Debug, Clone, Default)]
pub struct SheetChunk {
    rows: Vec<Row>,
    cells: Vec<Stored>,
    text: String,
}

impl SheetChunk {
    /// An empty chunk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a row; the cells that follow are its own. Numbers of rows rise.
    ///
    /// # Panics
    /// When the chunk comes to 4 Gi cells: a chunk is for a bounded run of rows.
    pub fn begin_row(&mut self, number: u32, hidden: bool) {
        let first = u32::try_from(self.cells.len()).expect("a chunk is a bounded run of rows");
        self.rows.push(Row {
            number,
            hidden,
            first,
        });
    }

    /// Adds a cell to the row begun last. Columns rise within a row.
    ///
    /// # Panics
    /// When the texts of the chunk come to 4 GiB.
    pub fn push(&mut self, column: u16, formula: bool, cell: SheetCell<'_>) {
        let (kind, text) = match cell {
            SheetCell::Blank => (Kind::Blank, ""),
            SheetCell::Text(text) => (Kind::Text, text),
            SheetCell::Number(text, style) => (Kind::Number(style), text),
            SheetCell::Bool(true) => (Kind::True, ""),
            SheetCell::Bool(false) => (Kind::False, ""),
            SheetCell::IsoDate(text) => (Kind::IsoDate, text),
            SheetCell::Error(text) => (Kind::Error, text),
            SheetCell::FormulaWithoutValue => (Kind::FormulaWithoutValue, ""),
            SheetCell::Merged { row, column } => (Kind::Merged { row, column }, ""),
        };
        let start = self.position();
        self.text.push_str(text);
        let end = self.position();
        self.cells.push(Stored {
            column,
            formula,
            kind,
            start,
            end,
        });
    }

    /// Takes back the row begun last, when it turned out to be none.
    pub fn drop_row(&mut self) {
        if let Some(row) = self.rows.pop() {
            self.cells.truncate(row.first as usize);
            let end = self.cells.last().map_or(0, |cell| cell.end as usize);
            self.text.truncate(end);
        }
    }

    /// Its rows, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = SheetRow<'_>> {
        self.rows.iter().enumerate().map(|(at, row)| {
            let next = self.rows.get(at + 1).map(|next| next.first as usize);
            SheetRow {
                number: row.number,
                hidden: row.hidden,
                chunk: self,
                first: row.first as usize,
                end: next.unwrap_or(self.cells.len()),
            }
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.text.len()
            + self.cells.len() * size_of::<Stored>()
            + self.rows.len() * size_of::<Row>()
    }

    fn position(&self) -> u32 {
        u32::try_from(self.text.len()).expect("a chunk holds less than 4 GiB of text")
    }

    fn shown(&self, stored: Stored) -> PlacedCell<'_> {
        let text = &self.text[stored.start as usize..stored.end as usize];
        let cell = match stored.kind {
            Kind::Blank => SheetCell::Blank,
            Kind::Text => SheetCell::Text(text),
            Kind::Number(style) => SheetCell::Number(text, style),
            Kind::True => SheetCell::Bool(true),
            Kind::False => SheetCell::Bool(false),
            Kind::IsoDate => SheetCell::IsoDate(text),
            Kind::Error => SheetCell::Error(text),
            Kind::FormulaWithoutValue => SheetCell::FormulaWithoutValue,
            Kind::Merged { row, column } => SheetCell::Merged { row, column },
        };
        PlacedCell {
            column: stored.column,
            formula: stored.formula,
            cell,
        }
    }
}

/// The letters of a column counted from 0, as a sheet shows them: 0 is `A`, 26 is `AA`.
#[must_use]
pub fn column_letters(column: u16) -> String {
    let mut letters = Vec::new();
    let mut rest = u32::from(column) + 1;
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).unwrap_or_default();
        letters.push(char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}
