//! Whether a file holds the rows of the table, cell by cell, by means of others than its writer.

mod compare;
mod csv;
mod workbook;

pub use self::csv::check_csv;
pub use compare::Row;
pub use workbook::check_workbook;
