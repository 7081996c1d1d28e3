//! What stands between the fields of a file.

use super::record::{Parser, Record};
use crate::read::ReadLimits;

/// What is looked for, the first one if there is nothing to go by.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// How the fields are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Separation {
    pub(super) separator: u8,
    /// The first line says so (`sep=;`) and is no row: programs do not show it.
    pub(super) declared: bool,
}

impl Separation {
    /// Of a file that begins with `text`; `whole` when that is all of it.
    pub(super) fn of(text: &str, whole: bool, limits: &ReadLimits) -> Self {
        match declared(text) {
            Some(separator) => Self {
                separator,
                declared: true,
            },
            None => Self {
                separator: found(text, whole, limits),
                declared: false,
            },
        }
    }
}

/// `sep=;` on a line of its own, as Excel reads and writes it; in quotes, as others do.
fn declared(text: &str) -> Option<u8> {
    let line = text.split(['\r', '\n']).next()?;
    let bare = line
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'))
        .unwrap_or(line);
    let (word, separator) = bare.split_at_checked(4)?;
    match separator.as_bytes() {
        [separator] if word.eq_ignore_ascii_case("sep=") && *separator != b'"' => Some(*separator),
        _ => None,
    }
}

/// The separator by which most records have the same width of at least two; of two such, the one
/// that gives the wider records.
fn found(text: &str, whole: bool, limits: &ReadLimits) -> u8 {
    let mut best = (SEPARATORS[0], (0, 0));
    for separator in SEPARATORS {
        let fit = fit(&widths(text, whole, separator, limits));
        if fit > best.1 {
            best = (separator, fit);
        }
    }
    best.0
}

/// How many records have the most frequent width, and that width.
fn fit(widths: &[usize]) -> (usize, usize) {
    let of = |width: usize| {
        let same = widths.iter().filter(|it| **it == width).count();
        (same, width)
    };
    let wide = widths.iter().filter(|width| **width > 1);
    wide.map(|width| of(*width)).max().unwrap_or_default()
}

/// The widths of the records that hold something.
fn widths(text: &str, whole: bool, separator: u8, limits: &ReadLimits) -> Vec<usize> {
    let mut widths = Vec::new();
    let mut parser = Parser::new(separator, limits);
    let mut see = |record: &Record| {
        if record.fields().len() > 0 {
            widths.push(record.width);
        }
        Ok(())
    };
    // a record that is refused ends the look; the walk that follows tells its user
    if parser.feed(text, &mut see).is_ok() && whole {
        parser.finish(&mut see).ok();
    }
    widths
}
