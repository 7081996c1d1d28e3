//! Rows of an import in their table: what is taken, what is refused and with which code.
//!
//! [`thing`] is a table with one of everything that can refuse a row.

mod codes;
mod modes;
pub(crate) mod request;
mod sieve;
pub(crate) mod thing;
mod together;
mod ways;
