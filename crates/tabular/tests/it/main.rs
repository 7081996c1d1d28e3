//! The laws of files, read back by other libraries.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod csv;
mod library;
mod openpyxl;
mod parts;
mod sheet;
mod sizes;
mod values;
mod written;
