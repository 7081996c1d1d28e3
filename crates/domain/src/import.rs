//! Imports: from a file and what a client says of it to values that a table may take.
//!
//! Owns what may be asked for ([`ImportRequest`], [`ImportSpec`]), how headers become columns
//! ([`Mapping`]), how a cell becomes a value of its column's type ([`RowCheck`]), and what is told
//! of a row that cannot be taken ([`RowError`]). Pure; values of users never reach a log.
//! Proven by `tests/it/import/`.

mod across;
mod check;
mod clock_text;
mod digits;
mod fault;
mod fields;
mod fold;
mod fold_table;
mod grouped;
mod header;
mod json;
mod mapping;
mod message;
mod moment;
mod number;
mod options;
mod padding;
mod reader;
mod request;
mod row_error;
mod rule;
mod sentence;
mod spec;
mod text;

pub use check::{KeySet, RowCheck};
pub use fields::{Field, Fields};
pub use fold::fold_key;
pub use header::Header;
pub(crate) use header::{MAX_HEADER, normal_header};
pub use json::{JsonRow, JsonRows, JsonTerms};
pub use mapping::Mapping;
pub use message::RowMessages;
pub(crate) use reader::{canonical, compare};
pub use request::ImportRequest;
pub use row_error::{RowCode, RowError};
pub use spec::{
    BatchSpec, Empty, FinishSpec, Formulas, HiddenRows, ImportOptions, ImportSpec, Merged, OnError,
    SheetChoice, TextEncoding, Upload, UploadFormat,
};
