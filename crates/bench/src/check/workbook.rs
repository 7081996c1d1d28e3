//! Workbooks: all sheets one after the other, each below a header.

use std::io::{Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, open_workbook};

use super::compare::{Comparison, KINDS, Kind, Row};

/// Compares a workbook with the rows that it should hold; tells how many they are.
///
/// # Errors
/// When it cannot be read, or says the first difference.
pub fn check_workbook(path: &Path, expected: impl Iterator<Item = Row>) -> Result<u64> {
    let mut book: Xlsx<_> = open_workbook(path)?;
    let mut comparison = Comparison::new(expected);
    for name in book.sheet_names() {
        check_sheet(&mut book, &name, &mut comparison).with_context(|| format!("sheet {name}"))?;
    }
    comparison.end()
}

fn check_sheet(
    book: &mut Xlsx<impl Read + Seek>,
    name: &str,
    comparison: &mut Comparison<impl Iterator<Item = Row>>,
) -> Result<()> {
    let mut cells = book.worksheet_cells_reader(name)?;
    let mut row: Row = vec![None; KINDS.len()];
    let mut at = 0;
    while let Some(cell) = cells.next_cell()? {
        let (line, column) = cell.get_position();
        if line != at {
            ensure!(line == at + 1, "row {line} comes after row {at}");
            if at > 0 {
                comparison.row(&row)?;
            }
            row.fill(None);
            at = line;
        }
        let column = usize::try_from(column)?;
        let kind = *KINDS.get(column).context("there are too many columns")?;
        if at > 0 {
            row[column] = text(cell.get_value(), kind)?;
        }
    }
    if at > 0 {
        comparison.row(&row)?;
    }
    Ok(())
}

/// As MySQL writes it; a value of another type than its column's is refused.
fn text(value: &DataRef<'_>, kind: Kind) -> Result<Option<String>> {
    let text = match (value, kind) {
        (DataRef::Empty, _) => return Ok(None),
        (DataRef::String(text), Kind::Text) => text.clone(),
        (DataRef::SharedString(text), Kind::Text) => (*text).to_owned(),
        (DataRef::Int(number), Kind::Integer) => number.to_string(),
        (DataRef::Float(number), Kind::Integer) => number.to_string(),
        (DataRef::Float(number), Kind::Decimal) => hundredths(number.to_string()),
        (DataRef::DateTime(time), Kind::Date | Kind::DateTime) => moment(time, kind)?,
        (other, _) => bail!("a cell is {other:?}"),
    };
    Ok(Some(text))
}

/// `12`, `12.5` and `12.34` with two digits; more digits stay, and differ from what is expected.
fn hundredths(number: String) -> String {
    match number.split_once('.') {
        None => number + ".00",
        Some((_, tenths)) if tenths.len() == 1 => number + "0",
        Some(_) => number,
    }
}

fn moment(time: &ExcelDateTime, kind: Kind) -> Result<String> {
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    ensure!(milli == 0, "a time has {milli} thousandths of a second");
    let date = format!("{year:04}-{month:02}-{day:02}");
    let midnight = (hour, minute, second) == (0, 0, 0);
    if kind == Kind::Date && midnight {
        return Ok(date);
    }
    Ok(format!("{date} {hour:02}:{minute:02}:{second:02}"))
}
