//! The laws of the import worker, on a real MySQL and the embedded broker.

mod club;
mod duplicates;
mod failures;
mod house;
mod imports;
mod keys;
mod memory;
mod options;
mod ordeals;
mod refused;
mod sheets;
mod sizes;
mod workbook;
