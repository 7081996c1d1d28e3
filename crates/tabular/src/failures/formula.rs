//! A formula that says a value: what is written for one that was not allowed.
//!
//! The user's own formula would point at the cells of another sheet. One that says its last result
//! shows what the user saw, is still a formula, and so fails again until somebody types over it.

use domain::SheetCell;

/// Most characters of a text within a formula, and of a formula (Excel's specifications and limits).
const MOST_TEXT: usize = 255;
const MOST_FORMULA: usize = 8_192;

/// What stands behind the equals sign; none where no formula can say it.
pub(super) fn saying(cell: SheetCell<'_>) -> Option<String> {
    let formula = match cell {
        SheetCell::Number(number, _) => number.to_owned(),
        SheetCell::Bool(true) => "TRUE".to_owned(),
        SheetCell::Bool(false) => "FALSE".to_owned(),
        SheetCell::Text(text) | SheetCell::IsoDate(text) => quoted(text)?,
        SheetCell::Blank
        | SheetCell::Error(_)
        | SheetCell::FormulaWithoutValue
        | SheetCell::Merged { .. } => return None,
    };
    (formula.len() <= MOST_FORMULA).then_some(formula)
}

/// A text in pieces that a formula may hold.
fn quoted(text: &str) -> Option<String> {
    if text.len() > MOST_FORMULA || text.contains(|it: char| it.is_control() && it != '\n') {
        return None;
    }
    let letters: Vec<char> = text.chars().collect();
    let piece = |piece: &[char]| {
        let text: String = piece.iter().collect();
        format!("\"{}\"", text.replace('"', "\"\""))
    };
    if letters.is_empty() {
        return Some(piece(&[]));
    }
    // a character may be two of Excel's
    let pieces: Vec<String> = letters.chunks(MOST_TEXT / 2).map(piece).collect();
    Some(pieces.join("&"))
}
