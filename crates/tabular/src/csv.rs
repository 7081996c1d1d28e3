//! Rows as csv: UTF-8 with a byte order mark, comma, CRLF, ISO dates (api.md, Settled details; RFC
//! 4180 for the rest).
//!
//! Null is nothing and empty text is `""`, so that the two stay apart.

use std::io::Write;

use chrono::{Datelike, NaiveDateTime, NaiveTime, Timelike};
use domain::Cell;

use crate::cut::Piece;
use crate::layout::{Layout, OutputColumn};
use crate::oddity::{Oddity, Tally};
use crate::value::{in_zone, push_float, unsigned_zero};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
pub(crate) const LINE_END: &[u8] = b"\r\n";
/// Put before text that a program could take for a formula.
const GUARD: u8 = b'\'';

/// The beginning of a file: the byte order mark and the labels.
pub(crate) fn opening(layout: &Layout) -> Vec<u8> {
    let mut out = BYTE_ORDER_MARK.to_vec();
    if layout.header {
        let labels = layout.columns.iter().map(|column| column.label.as_str());
        push_labels(&mut out, labels, layout.guard_formulas);
    }
    out
}

/// A file's beginning: the byte order mark and the line of labels, which are guarded.
pub(crate) fn first_line<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut out = BYTE_ORDER_MARK.to_vec();
    push_labels(&mut out, labels, true);
    out
}

fn push_labels<'a>(out: &mut Vec<u8>, labels: impl Iterator<Item = &'a str>, guard: bool) {
    for (index, label) in labels.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_text(out, label, guard && needs_guard(label));
    }
    out.extend_from_slice(LINE_END);
}

/// Adds the rows of a piece.
pub(crate) fn write(layout: &Layout, piece: &Piece, out: &mut Vec<u8>, tally: &mut Tally) {
    let rows = piece.chunk.rows().skip(piece.rows.start);
    for cells in rows.take(piece.rows.len()) {
        let start = out.len();
        for (index, (cell, column)) in cells.zip(&layout.columns).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            Field { layout, out, tally }.write(cell, column);
        }
        if out.len() == start {
            // a line with nothing in it would be no row
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(LINE_END);
    }
}

/// Where one value goes.
struct Field<'a> {
    layout: &'a Layout,
    out: &'a mut Vec<u8>,
    tally: &'a mut Tally,
}

impl Field<'_> {
    fn write(&mut self, cell: Cell<'_>, column: &OutputColumn) {
        match cell {
            Cell::Null => {
                if let Some(text) = self.layout.null_text.as_deref().filter(|it| !it.is_empty()) {
                    self.text(text);
                }
            }
            Cell::Text(it) => self.text(it),
            Cell::Int(it) => self.plain(itoa::Buffer::new().format(it)),
            Cell::UInt(it) => self.plain(itoa::Buffer::new().format(it)),
            Cell::Decimal(it) => self.plain(unsigned_zero(it)),
            Cell::Float(it) if it.is_finite() => push_float(self.out, it),
            Cell::Float(_) => {}
            Cell::Bool(true) => self.plain("TRUE"),
            Cell::Bool(false) => self.plain("FALSE"),
            Cell::Date(it) => put(self.out, format_args!("{it}")),
            Cell::DateTime(it) => self.moment(it, column),
            Cell::Time(it) => push_time(self.out, it),
            Cell::Odd(it) => {
                self.tally.count(Oddity::DateAsText);
                self.plain(it);
            }
        }
    }

    /// A moment in the task's zone. One that the stored zone skipped stays as it is, and so does one
    /// that the zone moves past the year 9999: markers such as 9999-12-31 23:59:59 are recognised.
    fn moment(&mut self, stored: NaiveDateTime, column: &OutputColumn) {
        let local = in_zone(stored, column.stored_in, self.layout.zone);
        let local = local
            .filter(|it| (1..=9999).contains(&it.year()))
            .unwrap_or_else(|| {
                self.tally.count(Oddity::DateAsText);
                stored
            });
        put(self.out, format_args!("{} ", local.date()));
        push_time(self.out, local.time());
    }

    fn text(&mut self, text: &str) {
        let guarded = self.layout.guard_formulas && needs_guard(text);
        if guarded {
            self.tally.count(Oddity::FormulaGuarded);
        }
        push_text(self.out, text, guarded);
    }

    fn plain(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Adds a field of text, guarded where it must be.
pub(crate) fn push_guarded(out: &mut Vec<u8>, text: &str) {
    push_text(out, text, needs_guard(text));
}

fn push_text(out: &mut Vec<u8>, text: &str, guarded: bool) {
    let quoted = text.is_empty()
        || text
            .bytes()
            .any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
    if quoted {
        out.push(b'"');
    }
    if guarded {
        out.push(GUARD);
    }
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    if quoted {
        out.push(b'"');
    }
}

/// Whether text is written with a guard before it: what could be taken for a formula, and what would
/// be read back as guarded although it is not.
fn needs_guard(text: &str) -> bool {
    is_formula(text.trim_start_matches(char::from(GUARD)))
}

/// The text of a field as it was before it was guarded. Takes off what [`needs_guard`] puts on, and
/// no other sign.
pub(crate) fn unguarded(field: &str) -> &str {
    match field.strip_prefix(char::from(GUARD)) {
        Some(text) if needs_guard(text) => text,
        _ => field,
    }
}

/// Whether a spreadsheet program could take the text for a formula (OWASP, CSV injection). A plain
/// number is none, and neither is a dash that stands for nothing.
fn is_formula(text: &str) -> bool {
    let Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') = text.as_bytes().first() else {
        return false;
    };
    !is_plain_number(text) && !text.bytes().all(|byte| byte == b'-')
}

fn is_plain_number(text: &str) -> bool {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole) && is_digits(fraction)
}

/// Hours, minutes, seconds, and parts of a second if there are any.
fn push_time(out: &mut Vec<u8>, time: NaiveTime) {
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    put(out, format_args!("{hour:02}:{minute:02}:{second:02}"));
    let micros = time.nanosecond() % 1_000_000_000 / 1_000;
    if micros > 0 {
        let digits = format!("{micros:06}");
        put(out, format_args!(".{}", digits.trim_end_matches('0')));
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every byte");
}
