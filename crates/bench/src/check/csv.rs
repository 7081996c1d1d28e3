//! csv: UTF-8 with a byte order mark, a header, ISO dates, `'` before what a sheet would calculate.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::compare::{Comparison, KINDS, Kind, Row};

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// Text that begins with one of these is guarded.
const FORMULA_SIGNS: [char; 4] = ['=', '+', '-', '@'];

/// Compares a csv file with the rows that it should hold; tells how many they are.
///
/// # Errors
/// When it cannot be read, or says the first difference.
pub fn check_csv(path: &Path, expected: impl Iterator<Item = Row>) -> Result<u64> {
    let mut file = BufReader::new(File::open(path)?);
    let mut mark = [0; 3];
    file.read_exact(&mut mark).context("an empty file")?;
    ensure!(mark == BYTE_ORDER_MARK, "there is no byte order mark");
    let mut reader = csv::Reader::from_reader(file);
    let mut comparison = Comparison::new(expected);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        ensure!(
            record.len() == KINDS.len(),
            "{} cells in a row",
            record.len()
        );
        let cells: Row = record.iter().zip(KINDS).map(text).collect();
        comparison.row(&cells)?;
    }
    comparison.end()
}

/// As MySQL writes it. The table holds no empty text, so that an empty cell is null.
fn text((cell, kind): (&str, Kind)) -> Option<String> {
    let text = match kind {
        Kind::DateTime => cell.replacen('T', " ", 1),
        Kind::Text => unguarded(cell).to_owned(),
        Kind::Integer | Kind::Decimal | Kind::Date => cell.to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(formula) if formula.starts_with(FORMULA_SIGNS) => formula,
        Some(_) | None => cell,
    }
}
