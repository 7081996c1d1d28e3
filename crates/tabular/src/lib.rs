//! Rows into files, streaming.
//!
//! Owns how a typed value looks in a file: which become numbers, which stay text, what is cut.
//! Promises that no value is altered unseen and none ends the file: what a sheet cannot hold is
//! written as text or cut, and counted as a warning. Memory does not grow with rows.
//!
//! A file is made in three steps, so that the costly one can run on several threads at once:
//! [`Cutter`] cuts the rows into [`Piece`]s and says where each belongs, [`Press`] makes a [`Block`]
//! of each (formatted and compressed, independent of all others), and [`assemble`] puts the blocks
//! in their order into the file. Nothing here waits, spawns or touches a disk.
//! Proven by `tests/it/`, which reads every file back with other libraries.

mod assemble;
mod csv;
mod cut;
mod layout;
mod oddity;
mod press;
mod text;
mod value;
mod xlsx;

pub use assemble::{Summary, assemble};
pub use cut::{Cutter, Piece, Start};
pub use layout::{Layout, OutputColumn};
pub use press::{Block, Press};
pub use xlsx::MAX_SHEET_ROWS;
