//! One cell: what its tag says, and what its content means.

use domain::{NumberStyle, SheetCell};

use crate::read::Refusal;
use crate::read::strings::StringsPass;

/// The `t` of a cell (ECMA-376, 18.18.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Shared,
    Text,
    Inline,
    Bool,
    Error,
    Date,
}

impl Kind {
    pub(super) fn of(raw: &[u8]) -> Result<Self, Refusal> {
        match raw {
            b"n" => Ok(Self::Number),
            b"s" => Ok(Self::Shared),
            b"str" => Ok(Self::Text),
            b"inlineStr" => Ok(Self::Inline),
            b"b" => Ok(Self::Bool),
            b"e" => Ok(Self::Error),
            b"d" => Ok(Self::Date),
            _ => Err(Refusal::broken("a cell is of an unknown type")),
        }
    }

    /// Whether the value is one word, and no text with escapes.
    pub(super) fn is_atom(self) -> bool {
        match self {
            Self::Number | Self::Shared | Self::Bool | Self::Error | Self::Date => true,
            Self::Text | Self::Inline => false,
        }
    }
}

/// What stood between a cell's tags; its text lies apart.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// A `v`, or for inline strings an `is`.
    pub(super) value: bool,
    pub(super) formula: bool,
}

/// What the cell holds.
pub(super) fn meaning<'a>(
    kind: Kind,
    style: NumberStyle,
    content: &Content,
    text: &'a str,
    strings: &'a mut StringsPass,
) -> Result<SheetCell<'a>, Refusal> {
    if !content.value {
        return Ok(without_value(content));
    }
    let trimmed = text.trim_matches([' ', '\t', '\n', '\r']);
    Ok(match kind {
        Kind::Shared => SheetCell::Text(strings.named(trimmed)?),
        Kind::Text | Kind::Inline => SheetCell::Text(text),
        // writers that do not calculate leave the value of a formula empty
        Kind::Number | Kind::Bool | Kind::Date if trimmed.is_empty() => without_value(content),
        Kind::Number if is_number(trimmed) => SheetCell::Number(trimmed, style),
        Kind::Date => SheetCell::IsoDate(trimmed),
        Kind::Bool => match trimmed {
            "1" | "true" => SheetCell::Bool(true),
            "0" | "false" => SheetCell::Bool(false),
            other => SheetCell::Error(other),
        },
        // NaN, infinity, and what is no number at all: that row fails, and no other
        Kind::Number | Kind::Error => SheetCell::Error(trimmed),
    })
}

fn without_value(content: &Content) -> SheetCell<'static> {
    if content.formula {
        SheetCell::FormulaWithoutValue
    } else {
        SheetCell::Blank
    }
}

/// Whether the text is a finite number as xsd:double has them.
fn is_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() <= 300 && bytes.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    bytes.iter().all(plain) && text.parse().is_ok_and(f64::is_finite)
}
