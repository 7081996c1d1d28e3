//! The laws of files, read back by another library.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod sheet;
mod values;
mod written;
