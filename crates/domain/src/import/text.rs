//! Texts and truth values from cells.

use super::digits::{Digits, KEPT_DIGITS, Scratch, zero_if_none};
use super::fault::Fault;
use super::fields::Fields;
use super::moment::MomentRule;
use super::padding::trimmed;
use crate::{Calendar, NumberStyle, RowCode};

/// A number in a text column, as the sheet shows it: digits without exponent and without `.0`, with
/// leading zeros where the style has them. Sixteen digits and more were rounded when they were
/// typed: such a number is refused, and asked for as text.
pub(super) fn number(
    text: &str,
    style: NumberStyle,
    calendar: Calendar,
    out: &mut Fields,
) -> Result<(), Fault> {
    if style == NumberStyle::Date && MomentRule::shown(calendar, text, out).is_some() {
        return Ok(());
    }
    let (mut first, mut second) = (Scratch::new(), Scratch::new());
    let number = Digits::read_double(text, &mut first).ok_or(RowCode::TypeMismatch)?;
    if number.whole.len() > KEPT_DIGITS {
        return Err(RowCode::PrecisionLost.into());
    }
    let number = number.rounded(number.kept_places(), &mut second);
    if number.negative {
        out.write("-");
    }
    match style {
        NumberStyle::Plain | NumberStyle::Date => write(number.whole, number.fraction, out),
        NumberStyle::Percent => percent(number, out),
        NumberStyle::Zeros(width) => {
            let whole = zero_if_none(number.whole);
            for _ in whole.len()..usize::from(width) {
                out.write("0");
            }
            write(whole, number.fraction, out);
        }
    }
    Ok(())
}

fn write(whole: &str, fraction: &str, out: &mut Fields) {
    out.write(zero_if_none(whole));
    if !fraction.is_empty() {
        out.write(".");
        out.write(fraction);
    }
}

/// `0.235` is `23.5%`.
fn percent(number: Digits<'_>, out: &mut Fields) {
    let (shifted, rest) = number.fraction.split_at(number.fraction.len().min(2));
    let all = format!("{}{shifted:0<2}", number.whole);
    write(all.trim_start_matches('0'), rest, out);
    out.write("%");
}

/// A truth value as people write it.
pub(super) fn truth(text: &str) -> Option<bool> {
    const YES: [&str; 5] = ["true", "yes", "1", "是", "真"];
    const NO: [&str; 5] = ["false", "no", "0", "否", "假"];
    let text = trimmed(text);
    let among = |words: [&str; 5]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if among(YES) {
        Some(true)
    } else {
        among(NO).then_some(false)
    }
}

/// A number as a truth value: 1 or 0, however it is written.
pub(super) fn truth_of_number(text: &str) -> Option<bool> {
    let mut scratch = Scratch::new();
    let number = Digits::read_double(text, &mut scratch)?;
    match number.as_integer()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
