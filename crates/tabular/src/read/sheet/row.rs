//! One row and its cells.

use domain::{SheetCell, SheetChunk};

use super::Sheet;
use super::cell::{self, Content, Kind};
use crate::read::meter;
use crate::read::xml;
use crate::read::{Refusal, place, rich_text};

/// Bytes that a cell counts besides its text.
const CELL: usize = 16;

/// The row that is being read.
struct Row {
    number: u32,
    /// The column of a cell that does not say its own.
    column: u32,
    /// Whether a cell of its own holds something.
    valued: bool,
    bytes: usize,
}

/// What a cell's tag says.
struct Tag {
    column: u16,
    kind: Kind,
    /// A place among the styles.
    style: usize,
}

impl Sheet {
    /// Reads the row whose tag has been met; one that holds nothing leaves no trace.
    pub(super) fn one_row(&mut self, chunk: &mut SheetChunk) -> Result<(), Refusal> {
        let number = match self.xml.attribute(b"r") {
            Some(raw) => place::row(raw, &self.limits)?,
            None if self.row < self.limits.rows => self.row + 1,
            None => return Err(Refusal::beyond("the sheet has too many rows")),
        };
        if number <= self.row {
            return Err(Refusal::broken("rows of the sheet repeat or go back"));
        }
        self.row = number;
        let hidden = matches!(self.xml.attribute(b"hidden"), Some(b"1" | b"true" | b"on"));
        if self.xml.is_empty() {
            return Ok(());
        }
        chunk.begin_row(number, hidden);
        self.cover.begin_row(number, &self.limits)?;
        let mut row = Row {
            number,
            column: 0,
            valued: false,
            bytes: 0,
        };
        while self.xml.child()? {
            if self.xml.name() == b"c" {
                self.cell(&mut row, chunk)?;
            } else {
                self.xml.leave()?;
            }
        }
        self.cover.passes(None, chunk);
        if !row.valued {
            chunk.drop_row();
        }
        Ok(())
    }

    fn cell(&mut self, row: &mut Row, chunk: &mut SheetChunk) -> Result<(), Refusal> {
        let tag = self.tag(row)?;
        let column = tag.column;
        row.column = u32::from(column) + 1;
        if self.xml.is_empty() {
            return Ok(());
        }
        let mut content = Content::default();
        let text = match self.xml.plain_text(b"c", b"<v>", b"</v></c>") {
            Some(raw) if tag.kind.is_atom() => {
                content.value = true;
                let text = xml::utf8(raw)?;
                rich_text::bounded(text, &self.limits)?;
                text
            }
            Some(raw) => {
                content.value = true;
                self.text.clear();
                rich_text::plain(raw, &mut self.text, &self.limits)?;
                &self.text
            }
            None => {
                content = self.content(tag.kind)?;
                &self.text
            }
        };
        let style = self.styles.get(tag.style);
        let cell = cell::meaning(tag.kind, style, &content, text, &mut self.strings)?;
        if self.cover.passes(Some(column), chunk) || cell == SheetCell::Blank {
            return Ok(());
        }
        let length = text_of(cell).len();
        row.valued |= cell != SheetCell::Text("");
        row.bytes += length + CELL;
        self.text_bytes += length as u64;
        if row.bytes > self.limits.row_bytes || self.text_bytes > self.limits.text_bytes {
            return Err(Refusal::beyond("a row or the sheet holds too much text"));
        }
        self.cover
            .keep(column, content.formula, cell, &self.limits)?;
        chunk.push(column, content.formula, cell);
        self.xml
            .charge(meter::CELL + meter::TEXT * length as u64 / 4);
        Ok(())
    }

    /// What the cell's tag says. It stands where it says, or behind the one before it.
    fn tag(&self, row: &Row) -> Result<Tag, Refusal> {
        let (mut place, mut kind, mut style) = (None, Kind::Number, 0);
        for (name, value) in self.xml.attributes() {
            match name {
                b"r" => place = Some(place::cell(value, &self.limits)?),
                b"t" => kind = Kind::of(value)?,
                b"s" => style = index(value),
                _ => {}
            }
        }
        let column = match place {
            None => place::bounded_column(row.column, &self.limits)?,
            Some((number, column)) if number == row.number && u32::from(column) >= row.column => {
                column
            }
            Some(_) => return Err(Refusal::broken("cells of a row are out of order")),
        };
        Ok(Tag {
            column,
            kind,
            style,
        })
    }

    /// Reads what stands between the cell's tags; its text into `self.text`.
    fn content(&mut self, kind: Kind) -> Result<Content, Refusal> {
        let mut content = Content::default();
        self.text.clear();
        while self.xml.child()? {
            let empty = self.xml.is_empty();
            match self.xml.name() {
                b"v" | b"is" if content.value => {
                    return Err(Refusal::broken("a cell has two values"));
                }
                b"v" => {
                    content.value = true;
                    if !empty {
                        self.value(kind)?;
                    }
                }
                b"is" if kind == Kind::Inline => {
                    content.value = true;
                    if !empty {
                        rich_text::read(&mut self.xml, &mut self.text, &self.limits)?;
                    }
                }
                b"is" => return Err(Refusal::broken("a cell's text is not of its type")),
                b"f" => {
                    content.formula = true;
                    self.xml.leave()?;
                }
                _ => self.xml.leave()?,
            }
        }
        Ok(content)
    }

    fn value(&mut self, kind: Kind) -> Result<(), Refusal> {
        match kind {
            Kind::Text | Kind::Inline => {
                rich_text::text(&mut self.xml, &mut self.text, &self.limits)
            }
            Kind::Number | Kind::Shared | Kind::Bool | Kind::Error | Kind::Date => self
                .xml
                .text_of_element(&mut self.text, self.limits.cell_text),
        }
    }
}

fn text_of(cell: SheetCell<'_>) -> &str {
    match cell {
        SheetCell::Text(text)
        | SheetCell::Number(text, _)
        | SheetCell::IsoDate(text)
        | SheetCell::Error(text) => text,
        SheetCell::Blank
        | SheetCell::Bool(_)
        | SheetCell::FormulaWithoutValue
        | SheetCell::Merged { .. } => "",
    }
}

/// A number that a wrong one cannot break: the style of such a cell is plain.
fn index(raw: &[u8]) -> usize {
    let number = std::str::from_utf8(raw)
        .ok()
        .and_then(|raw| raw.parse().ok());
    number.unwrap_or(usize::MAX)
}
