//! The rows of a sheet as XML.

use chrono::{NaiveDateTime, NaiveTime};
use domain::Cell;

use super::sheet::letters;
use super::style::Styles;
use super::xml::{keeps_space, push_text};
use crate::cut::Piece;
use crate::layout::{Layout, OutputColumn};
use crate::oddity::{Oddity, Tally};
use crate::text::fitting;
use crate::value::{
    day_parts, in_zone, is_exact, is_exact_decimal, push_day_parts, push_float, serial_day,
    unsigned_zero,
};

/// What is the same for all rows.
#[derive(Debug)]
pub(crate) struct Body {
    columns: Vec<BodyColumn>,
    layout: Layout,
}

/// What is the same for all cells of a column.
#[derive(Debug)]
struct BodyColumn {
    /// `<c r="K`, before the row's number.
    opening: String,
    /// `" s="3"><v>`, after it, for a number.
    number: String,
    /// The format shows parts of a second.
    with_fraction: bool,
}

impl Body {
    pub(crate) fn new(layout: Layout, styles: &Styles) -> Self {
        let column = |(index, column): (usize, &OutputColumn)| BodyColumn {
            opening: format!(r#"<c r="{}"#, letters(index)),
            number: match styles.of_column(index) {
                Some(style) => format!(r#"" s="{style}"><v>"#),
                None => r#""><v>"#.to_owned(),
            },
            with_fraction: column
                .format
                .as_deref()
                .is_some_and(|format| format.contains(".0")),
        };
        Self {
            columns: layout.columns.iter().enumerate().map(column).collect(),
            layout,
        }
    }

    /// Adds the rows of a piece.
    pub(crate) fn write(&self, piece: &Piece, xml: &mut Vec<u8>, tally: &mut Tally) {
        let mut digits = itoa::Buffer::new();
        let rows = piece.chunk.rows().skip(piece.rows.start);
        for (index, cells) in (piece.first_row..).zip(rows.take(piece.rows.len())) {
            let number = digits.format(index + 1);
            xml.extend_from_slice(br#"<row r=""#);
            xml.extend_from_slice(number.as_bytes());
            xml.extend_from_slice(br#"">"#);
            for (at, cell) in cells.enumerate() {
                let mut place = Place {
                    shape: &self.columns[at],
                    column: &self.layout.columns[at],
                    layout: &self.layout,
                    row: number,
                    xml,
                    tally,
                };
                place.write(cell);
            }
            xml.extend_from_slice(b"</row>");
        }
    }
}

/// Where one cell goes.
struct Place<'a> {
    shape: &'a BodyColumn,
    column: &'a OutputColumn,
    layout: &'a Layout,
    row: &'a str,
    xml: &'a mut Vec<u8>,
    tally: &'a mut Tally,
}

impl Place<'_> {
    fn write(&mut self, cell: Cell<'_>) {
        match cell {
            Cell::Null => self.text(self.layout.null_text.as_deref().unwrap_or_default()),
            Cell::Text(it) => self.text(it),
            Cell::Int(it) if is_exact(it.unsigned_abs()) => self.whole(it),
            Cell::UInt(it) if is_exact(it) => self.whole(it),
            Cell::Int(it) => self.text(itoa::Buffer::new().format(it)),
            Cell::UInt(it) => self.text(itoa::Buffer::new().format(it)),
            Cell::Decimal(it) if is_exact_decimal(it) => {
                self.number(|xml| xml.extend_from_slice(unsigned_zero(it).as_bytes()));
            }
            Cell::Decimal(it) => self.text(it),
            Cell::Float(it) if it.is_finite() => self.number(|xml| push_float(xml, it)),
            Cell::Float(_) => {}
            Cell::Bool(it) => self.truth(it),
            Cell::Date(it) => match serial_day(it) {
                Some(day) => self.whole(day),
                None => self.date_as_text(&it.to_string()),
            },
            Cell::DateTime(it) => self.moment(it),
            Cell::Time(it) => self.time(it),
            Cell::Odd(it) => self.date_as_text(it),
        }
    }

    /// A moment in the task's zone. One outside the sheet's calendar stays as the database holds
    /// it, so that markers such as 9999-12-31 23:59:59 are recognised.
    fn moment(&mut self, stored: NaiveDateTime) {
        let local = in_zone(stored, self.column.stored_in, self.layout.zone);
        let serial = local.and_then(|local| Some((serial_day(local.date())?, local.time())));
        let Some((day, time)) = serial else {
            return self.date_as_text(&stored.to_string());
        };
        let parts = day_parts(time, self.shape.with_fraction);
        self.number(|xml| {
            xml.extend_from_slice(itoa::Buffer::new().format(day).as_bytes());
            push_day_parts(xml, parts);
        });
    }

    fn time(&mut self, time: NaiveTime) {
        let parts = day_parts(time, self.shape.with_fraction);
        self.number(|xml| {
            xml.push(b'0');
            push_day_parts(xml, parts);
        });
    }

    fn whole(&mut self, number: impl itoa::Integer) {
        self.number(|xml| xml.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()));
    }

    fn number(&mut self, push: impl FnOnce(&mut Vec<u8>)) {
        self.open();
        self.xml.extend_from_slice(self.shape.number.as_bytes());
        push(self.xml);
        self.xml.extend_from_slice(b"</v></c>");
    }

    fn truth(&mut self, truth: bool) {
        self.open();
        self.xml.extend_from_slice(if truth {
            br#"" t="b"><v>1</v></c>"#
        } else {
            br#"" t="b"><v>0</v></c>"#
        });
    }

    fn date_as_text(&mut self, text: &str) {
        self.tally.count(Oddity::DateAsText);
        self.text(text);
    }

    /// Text is a string cell, whatever it looks like; empty text is no cell.
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let kept = fitting(text);
        if kept.len() < text.len() {
            self.tally.count(Oddity::CellTruncated);
        }
        self.open();
        self.xml.extend_from_slice(if keeps_space(kept) {
            br#"" t="inlineStr"><is><t xml:space="preserve">"#
        } else {
            br#"" t="inlineStr"><is><t>"#.as_slice()
        });
        push_text(self.xml, kept);
        self.xml.extend_from_slice(b"</t></is></c>");
    }

    fn open(&mut self) {
        self.xml.extend_from_slice(self.shape.opening.as_bytes());
        self.xml.extend_from_slice(self.row.as_bytes());
    }
}
