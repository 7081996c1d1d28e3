//! What stands around the rows of a sheet: view, widths, header before them, filter after them.

use domain::{Cell, ColumnType};

use super::style::{HEADER_STYLE, put};
use super::xml::{keeps_space, push_text};
use crate::cut::Piece;
use crate::layout::{Layout, OutputColumn};
use crate::text::{display_width, fitting};

/// Rows whose content is looked at for the widths.
const SAMPLE_ROWS: usize = 1_000;
/// Widest column that is chosen without being asked for, in characters.
const MAX_CHOSEN_WIDTH: u16 = 60;
/// Room for the filter's button beside a label, in characters.
const BUTTON_WIDTH: u16 = 4;
/// What Excel adds to a width for the space around the text, in characters of its default font.
pub(crate) const PADDING: f64 = 0.710_937_5;

/// The frame of the sheets of a layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet<'a> {
    pub(crate) layout: &'a Layout,
}

impl Sheet<'_> {
    /// All that stands before the first row of data. The first sheet is the one that is shown.
    pub(crate) fn opening(self, is_first: bool, widths: &[u16]) -> Vec<u8> {
        let mut part = String::from(concat!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
            "\n",
            r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView"#,
        ));
        part.push_str(if is_first { r#" tabSelected="1""# } else { "" });
        part.push_str(r#" workbookViewId="0">"#);
        if self.layout.header {
            part.push_str(concat!(
                r#"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>"#,
                r#"<selection pane="bottomLeft"/>"#,
            ));
        }
        part.push_str(r#"</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/><cols>"#);
        for (number, (column, width)) in (1..).zip(self.layout.columns.iter().zip(widths)) {
            let width = column.width.unwrap_or_else(|| f64::from(*width)) + PADDING;
            put(
                &mut part,
                format_args!(
                    r#"<col min="{number}" max="{number}" width="{width}" customWidth="1"/>"#
                ),
            );
        }
        part.push_str("</cols><sheetData>");
        let mut bytes = part.into_bytes();
        if self.layout.header {
            self.push_header(&mut bytes);
        }
        bytes
    }

    fn push_header(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"<row r="1">"#);
        for (index, column) in self.layout.columns.iter().enumerate() {
            let letters = letters(index);
            let label = fitting(&column.label);
            let space = if keeps_space(label) {
                r#" xml:space="preserve""#
            } else {
                ""
            };
            let head =
                format!(r#"<c r="{letters}1" s="{HEADER_STYLE}" t="inlineStr"><is><t{space}>"#);
            out.extend_from_slice(head.as_bytes());
            push_text(out, label);
            out.extend_from_slice(b"</t></is></c>");
        }
        out.extend_from_slice(b"</row>");
    }

    /// All that stands after the last row, `rows` rows of data being between.
    pub(crate) fn closing(self, rows: u32) -> Vec<u8> {
        let mut part = String::from("</sheetData>");
        if let Some(range) = self.filter(rows) {
            let range = range.replace('$', "");
            put(&mut part, format_args!(r#"<autoFilter ref="{range}"/>"#));
        }
        part.push_str(concat!(
            r#"<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>"#,
            "</worksheet>",
        ));
        part.into_bytes()
    }

    /// The range that is filtered, header included.
    pub(crate) fn filter(self, rows: u32) -> Option<String> {
        let last = self.layout.columns.len().checked_sub(1)?;
        let header = self.layout.header;
        header.then(|| format!("$A$1:${}${}", letters(last), rows + 1))
    }
}

/// Widths that show the labels and what stands in the first rows of a piece, in characters.
pub(crate) fn widths(layout: &Layout, piece: &Piece) -> Vec<u16> {
    let mut widths: Vec<u16> = layout.columns.iter().map(least_width).collect();
    let rows = piece.chunk.rows().skip(piece.rows.start);
    for row in rows.take(piece.rows.len().min(SAMPLE_ROWS)) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(content_width(cell));
        }
    }
    for (width, column) in widths.iter_mut().zip(&layout.columns) {
        let label = display_width(&column.label).saturating_add(BUTTON_WIDTH);
        *width = (*width).max(label).min(MAX_CHOSEN_WIDTH);
    }
    widths
}

/// Wide enough for the usual values of the type: a number that does not fit is shown as `####`.
fn least_width(column: &OutputColumn) -> u16 {
    match column.kind {
        ColumnType::Boolean | ColumnType::String => 8,
        ColumnType::Integer | ColumnType::Time => 10,
        ColumnType::Decimal | ColumnType::Date => 12,
        ColumnType::Datetime => 20,
    }
}

fn content_width(cell: Cell<'_>) -> u16 {
    let of = |text: &str| text.lines().map(display_width).max().unwrap_or_default();
    match cell {
        Cell::Text(it) | Cell::Decimal(it) | Cell::Odd(it) => {
            // enough to be cut at the widest
            of(&it[..it.floor_char_boundary(usize::from(MAX_CHOSEN_WIDTH) * 4)])
        }
        Cell::Int(it) => of(&it.to_string()),
        Cell::UInt(it) => of(&it.to_string()),
        Cell::Float(it) => of(&it.to_string()),
        // what the type needs
        Cell::Null | Cell::Bool(_) | Cell::Date(_) | Cell::DateTime(_) | Cell::Time(_) => 0,
    }
}

/// The name of a column: A, B, …, Z, AA, …
pub(super) fn letters(mut index: usize) -> String {
    let mut reversed = Vec::new();
    loop {
        let digit = u8::try_from(index % 26).unwrap_or_default();
        reversed.push(char::from(b'A' + digit));
        match (index / 26).checked_sub(1) {
            Some(rest) => index = rest,
            None => return reversed.iter().rev().collect(),
        }
    }
}
