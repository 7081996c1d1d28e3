//! Files of others into rows, streaming, and guarded: nothing that a file claims is believed.
//!
//! Owns how an upload is opened ([`sniff`], [`Book`]) and walked ([`SheetRows`]), and the bounds
//! that hold meanwhile ([`ReadLimits`], chosen with the [`ReadTerms`]). Promises that a file is read as it is or refused with a
//! code ([`Refusal`]), never read wrong: every part that is used is checked to the last byte of
//! its XML and its CRC. Memory does not grow with rows or with shared strings; the bounds are in
//! [`ReadLimits`]. Judges no value: that is `domain::RowCheck`'s. The decision is docs/adr/0007.
//! Proven by `tests/it/read/`, which makes its files byte by byte.

mod ahead;
mod archive;
mod book;
mod csv;
mod decode;
mod escape;
mod inflate;
mod limits;
mod merges;
mod meter;
mod number_format;
mod place;
mod pulse;
mod refusal;
mod relations;
mod rich_text;
mod rows;
mod sheet;
mod sniff;
mod strings;
mod styles;
mod terms;
mod workbook;
mod xml;

pub use book::{Book, SheetInfo, Visibility};
pub use limits::ReadLimits;
pub use merges::Merges;
pub use meter::StopSign;
pub use pulse::Pulse;
pub use refusal::Refusal;
pub use rows::SheetRows;
pub use sniff::sniff;
pub use terms::ReadTerms;
