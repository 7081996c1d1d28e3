//! How the columns of a dataset look in a sheet that a person fills in: width, number format and
//! drop-down. Shared by templates and failure workbooks, so that both feel the same.

use domain::{Column, ColumnType, column_letters};

use crate::language::Language;
use crate::stamp::STAMP_SHEET;
use crate::text::display_width;

/// Widest column that is chosen without being asked for, in characters.
const MAX_CHOSEN_WIDTH: u16 = 60;
/// Room beside a header, in characters: the mark of a note or the button of a filter.
const MARK_WIDTH: u16 = 4;
/// Most characters of a drop-down written into its cell's rule (Excel's limit, quotes not counted).
const MAX_INLINE_UNITS: usize = 255;

/// Width of a column in characters: as defined, else enough for its header and usual values.
pub(crate) fn width(column: Option<&Column>, header: &str) -> f64 {
    if let Some(width) = column.and_then(|column| column.width) {
        return width;
    }
    let least = match column.map(|column| column.kind) {
        None | Some(ColumnType::Boolean | ColumnType::Integer | ColumnType::Time) => 10,
        Some(ColumnType::Decimal | ColumnType::Date) => 12,
        Some(ColumnType::String) => 16,
        Some(ColumnType::Datetime) => 20,
    };
    let label = display_width(header).saturating_add(MARK_WIDTH);
    f64::from(label.max(least).min(MAX_CHOSEN_WIDTH))
}

/// The number format of an empty cell, so that what a person types stays what it is: text keeps its
/// zeros and long digits, dates look as the messages show them. Numbers are shown as typed.
pub(crate) fn entry_format(kind: ColumnType) -> Option<&'static str> {
    match kind {
        ColumnType::String => Some("@"),
        ColumnType::Date => Some("yyyy-mm-dd"),
        ColumnType::Datetime => Some("yyyy-mm-dd hh:mm:ss"),
        ColumnType::Time => Some("hh:mm:ss"),
        ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean => None,
    }
}

/// What a drop-down offers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choices {
    pub(crate) values: Vec<String>,
    /// The values are numbers, and so must be the cells that a list is read from.
    pub(crate) numeric: bool,
    /// Whether anything else is refused while it is typed.
    pub(crate) strict: bool,
}

impl Choices {
    /// The drop-down of a column; none for one that takes whatever fits its type.
    pub(crate) fn of(column: &Column, language: Language) -> Option<Self> {
        if let Some(allowed) = &column.allowed {
            return Some(Self {
                values: allowed.clone(),
                numeric: matches!(column.kind, ColumnType::Integer | ColumnType::Decimal),
                strict: true,
            });
        }
        (column.kind == ColumnType::Boolean).then(|| Self {
            values: language
                .pick(["是", "否"], ["TRUE", "FALSE"])
                .map(Into::into)
                .to_vec(),
            numeric: false,
            strict: false,
        })
    }

    /// Whether the rule can hold the values itself. It separates them by commas, trims them and has
    /// no escape; what it cannot hold is read from cells of a hidden sheet.
    pub(crate) fn fits_inline(&self) -> bool {
        let is_plain = |value: &String| {
            let is_special =
                |c: char| c.is_control() || matches!(c, ',' | '"' | '\u{fffe}'..='\u{ffff}');
            !value.is_empty() && value.trim() == value && !value.contains(is_special)
        };
        let units: usize = self
            .values
            .iter()
            .map(|it| it.encode_utf16().count() + 1)
            .sum();
        units <= MAX_INLINE_UNITS + 1 && self.values.iter().all(is_plain)
    }
}

/// Where the values of a list stand: the hidden sheet holds the stamp in its first column and one
/// list in each further one.
pub(crate) fn list_range(list: u16, values: usize) -> String {
    let column = column_letters(list + 1);
    format!("'{STAMP_SHEET}'!${column}$1:${column}${values}")
}
