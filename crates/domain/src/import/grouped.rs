//! Numbers as people write them: `1,355.90`, `1.355,90`, `23,78%`, `(5.00)`, `￥1,000`. Which of
//! them mean what is known only where the column declares its form (cases.md A 25).

use super::digits::{Digits, Scratch};
use super::padding::trimmed;
use crate::NumberForm;

/// What may stand before or behind a number to say that it is money.
const CURRENCIES: [char; 9] = ['¥', '￥', '$', '€', '£', '₩', '₹', '₽', '฿'];

/// Reads a number in a declared form. `text` is short ASCII or NFKC, without padding.
pub(super) fn read<'s>(
    text: &str,
    form: NumberForm,
    scratch: &'s mut Scratch,
) -> Option<Digits<'s>> {
    let (text, bracketed) = match text.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        Some(inner) => (trimmed(inner), true),
        None => (text, false),
    };
    let (text, percent) = match text.strip_suffix('%') {
        Some(rest) => (trimmed(rest), true),
        None => (text, false),
    };
    let (text, signed) = signed(text);
    let text = trimmed(text.trim_matches(CURRENCIES));
    let (text, signed_inside) = if signed {
        (text, false)
    } else {
        self::signed(text)
    };
    let (group, point) = marks(form);
    let (whole, fraction) = text.split_once(point).unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() || !is_digits(fraction) {
        return None;
    }
    scratch.clear();
    if bracketed || signed || signed_inside {
        scratch.push(b"-");
    }
    let digits = ungrouped(whole, group)?;
    place(&digits, fraction, percent, scratch);
    Digits::read(scratch.as_str())
}

fn signed(text: &str) -> (&str, bool) {
    match text.strip_prefix('-') {
        Some(rest) => (trimmed(rest), true),
        None => (text.strip_prefix('+').map_or(text, trimmed), false),
    }
}

fn marks(form: NumberForm) -> (fn(char) -> bool, char) {
    match form {
        NumberForm::CommaPoint => (|letter| letter == ',', '.'),
        NumberForm::PointComma => (|letter| letter == '.', ','),
        NumberForm::SpaceComma => (char::is_whitespace, ','),
        NumberForm::QuotePoint => (|letter| matches!(letter, '\'' | '’'), '.'),
    }
}

/// The digits before the point: without groups, or in groups of three.
fn ungrouped(whole: &str, group: fn(char) -> bool) -> Option<String> {
    let groups: Vec<&str> = whole.split(group).collect();
    let threes = groups.iter().skip(1).all(|it| it.len() == 3);
    let first = groups.len() == 1 || (1..=3).contains(&groups[0].len());
    let fits = threes && first && groups.iter().all(|it| is_digits(it));
    fits.then(|| groups.concat())
}

/// Puts the number together; a percentage is a hundredth of what it says.
fn place(whole: &str, fraction: &str, percent: bool, scratch: &mut Scratch) {
    if !percent {
        scratch.push(whole.as_bytes());
        scratch.push(b".");
        scratch.push(fraction.as_bytes());
        return;
    }
    let padded = format!("00{whole}");
    let (units, hundredths) = padded.split_at(padded.len() - 2);
    scratch.push(units.as_bytes());
    scratch.push(b".");
    scratch.push(hundredths.as_bytes());
    scratch.push(fraction.as_bytes());
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a person would take the text for a number, whatever it means.
pub(super) fn looks_like_number(text: &str) -> bool {
    let mut digits = 0_usize;
    let mut exponent = false;
    let last = text.chars().count().saturating_sub(1);
    let mut before = ' ';
    for (at, letter) in text.chars().enumerate() {
        let fits = match letter {
            '0'..='9' => {
                digits += 1;
                true
            }
            '.' | ',' | '\'' | '’' | '_' | '%' | '‰' | '(' | ')' => true,
            'e' | 'E' => {
                let second = std::mem::replace(&mut exponent, true);
                !second && before.is_ascii_digit() | (before == '.') && at < last
            }
            '+' | '-' => at == 0 || at == last || !before.is_ascii_digit(),
            _ => letter.is_whitespace() || CURRENCIES.contains(&letter),
        };
        if !fits {
            return false;
        }
        before = letter;
    }
    digits > 0
}
