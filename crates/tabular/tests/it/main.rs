//! The laws of files, read back by other libraries.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod csv;
mod csv_reading;
mod failures;
mod library;
mod openpyxl;
mod parts;
mod people;
mod read;
mod sheet;
mod sizes;
mod template;
mod values;
mod written;
