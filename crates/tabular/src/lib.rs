//! Rows into files and files into rows, streaming.
//!
//! Owns how a typed value looks in a file: which become numbers, which stay text, what is cut.
//! Promises that no value is altered unseen and none ends the file: what a sheet cannot hold is
//! written as text or cut, and counted as a warning. Memory does not grow with rows.
//!
//! A file is made in three steps, so that the costly one can run on several threads at once:
//! [`Cutter`] cuts the rows into [`Piece`]s and says where each belongs, [`Press`] makes a [`Block`]
//! of each (formatted and compressed, independent of all others), and [`assemble`] puts the blocks
//! in their order into the file. None of these waits, spawns or touches a disk.
//!
//! Files of others are opened as a [`Book`] and walked as [`SheetRows`], within [`ReadLimits`]; both
//! block, and a pass has a thread of its own that inflates ahead. Files that people fill in and send
//! back are made by [`write_template`] and [`FailureWriter`] and known by their [`Stamp`].
//! Proven by `tests/it/`, which reads every file back with other libraries.

mod assemble;
mod csv;
mod cut;
mod failures;
mod language;
mod layout;
mod look;
mod oddity;
mod press;
mod read;
mod stamp;
mod template;
mod text;
mod value;
mod xlsx;

pub use assemble::{Summary, assemble};
pub use cut::{Cutter, Piece, Start};
pub use failures::{
    FailureColumn, FailureTerms, FailureWriter, import_of_header, is_failure_header,
};
pub use layout::{Layout, OutputColumn};
pub use press::{Block, Press};
pub use read::{
    Book, Merges, Pulse, ReadLimits, ReadTerms, Refusal, SheetInfo, SheetRows, StopSign,
    Visibility, sniff,
};
pub use stamp::{Said, Stamp};
pub use template::{write_csv_template, write_template};
pub use xlsx::MAX_SHEET_ROWS;
