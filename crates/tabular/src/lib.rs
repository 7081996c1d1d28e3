//! Rows into files, streaming.
//!
//! Owns how a typed value looks in a file: which become numbers, which stay text, what is cut.
//! Promises that no value is altered unseen and none ends the file: what a sheet cannot hold is
//! written as text or cut, and counted as a warning. Memory does not grow with rows.
//! Proven by `tests/it/`, which reads every file back with another library.

mod layout;
mod text;
mod value;
mod xlsx;

pub use layout::{Layout, OutputColumn};
pub use xlsx::{MAX_SHEET_ROWS, SheetWriter, Summary, WriteError};
