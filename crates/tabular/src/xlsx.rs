//! The parts of a workbook (ECMA-376, SpreadsheetML), as text.
//!
//! Written by hand and not by a library, because the body of a sheet is to be formatted in pieces
//! on several threads and compressed at once; docs/adr/0006 has the figures.

mod body;
mod parts;
mod sheet;
mod style;
mod xml;

pub(crate) use body::Body;
pub(crate) use parts::{content_types, relations, workbook, workbook_relations};
pub(crate) use sheet::{PADDING, Sheet, widths};
pub(crate) use style::Styles;
pub(crate) use xml::{keeps_space, push_name, push_text};

/// Rows of a sheet, the header among them (Excel's specifications and limits).
pub const MAX_SHEET_ROWS: u32 = 1_048_576;
