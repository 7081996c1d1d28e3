//! Places in a sheet, as files write them.

use domain::FailureCode;

use super::merges::Range;
use super::{ReadLimits, Refusal};

/// `B7` as (7, 1): the row counted from 1, the column from 0.
pub(super) fn cell(raw: &[u8], limits: &ReadLimits) -> Result<(u32, u16), Refusal> {
    let letters = raw
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let column = column(&raw[..letters], limits)?;
    let row = row(&raw[letters..], limits)?;
    Ok((row, column))
}

/// A row's number, counted from 1.
pub(super) fn row(raw: &[u8], limits: &ReadLimits) -> Result<u32, Refusal> {
    let digits = !raw.is_empty() && raw[0] != b'0' && raw.iter().all(u8::is_ascii_digit);
    if !digits {
        return Err(Refusal::broken("a place in the sheet is none"));
    }
    let add = |number: u32, digit: &u8| {
        number
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    };
    match raw.iter().fold(0, add) {
        row if row <= limits.rows => Ok(row),
        _ => Err(Refusal::beyond("a row's number is too high")),
    }
}

fn column(letters: &[u8], limits: &ReadLimits) -> Result<u16, Refusal> {
    if letters.is_empty() {
        return Err(Refusal::broken("a place in the sheet is none"));
    }
    let add = |number: u32, letter: &u8| {
        let digit = u32::from(letter.to_ascii_uppercase() - b'A') + 1;
        number.saturating_mul(26).saturating_add(digit)
    };
    bounded_column(letters.iter().fold(0, add) - 1, limits)
}

/// A column counted from 0, if a sheet may have it.
pub(super) fn bounded_column(column: u32, limits: &ReadLimits) -> Result<u16, Refusal> {
    match u16::try_from(column) {
        Ok(column) if column < limits.columns => Ok(column),
        _ => Err(Refusal::new(
            FailureCode::TooManyColumns,
            "a cell lies beyond the last column",
        )),
    }
}

/// `A1:B7`, or `A1` alone.
pub(super) fn range(raw: &[u8], limits: &ReadLimits) -> Result<Range, Refusal> {
    let (from, to) = match raw.iter().position(|byte| *byte == b':') {
        Some(colon) => (
            cell(&raw[..colon], limits)?,
            cell(&raw[colon + 1..], limits)?,
        ),
        None => (cell(raw, limits)?, cell(raw, limits)?),
    };
    Ok(Range {
        first: (from.0.min(to.0), from.1.min(to.1)),
        last: (from.0.max(to.0), from.1.max(to.1)),
    })
}
