//! Whole and decimal numbers from cells.
//!
//! A number cell is a double: what it says is the shortest text that reads as the same double. A
//! decimal column takes it rounded half up at its scale, as the sheet would show it
//! ([`Fields::rounded`] counts where that was more than noise); an integer column takes it if it is
//! whole, but for floating-point noise. What has more than 15 digits was
//! rounded when it was typed and is refused. A text says exactly its digits: more places than the
//! column has are refused, noise of a program's floating point apart. Full-width digits are digits.

use unicode_normalization::UnicodeNormalization;

use super::digits::{Digits, KEPT_DIGITS, MAX_NUMBER, Scratch, zero_if_none};
use super::fault::Fault;
use super::fields::Fields;
use super::grouped;
use super::padding::trimmed;
use crate::{NumberForm, RowCode};

/// Most digits before the point, and behind it, that any DECIMAL has.
const MAX_WHOLE: usize = 65;
const MAX_FRACTION: usize = 30;

/// How the numbers of a column are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberRule {
    /// Digits after the point: 0 for integers; none for columns of floating point.
    pub(super) scale: Option<u8>,
    pub(super) whole_only: bool,
    /// How texts group digits, if that was declared.
    pub(super) form: Option<NumberForm>,
}

impl NumberRule {
    /// The number of a number cell.
    pub(super) fn cell(&self, text: &str, out: &mut Fields) -> Result<(), Fault> {
        let scale = self.scale.map(usize::from);
        if let Some(number) = Digits::read(text)
            && number.significant() <= KEPT_DIGITS
            && scale.is_none_or(|scale| number.fraction.len() <= scale)
        {
            return self.write(number, out);
        }
        self.double(text, out)
    }

    fn double(&self, text: &str, out: &mut Fields) -> Result<(), Fault> {
        let (mut first, mut second) = (Scratch::new(), Scratch::new());
        let number = Digits::read_double(text, &mut first).ok_or(RowCode::TypeMismatch)?;
        let places = self.scale.map_or(number.kept_places(), usize::from);
        let number = if self.whole_only {
            number
                .without_noise(0, &mut second)
                .ok_or(RowCode::TypeMismatch)?
        } else {
            if number.without_noise(places, &mut second).is_none() {
                out.was_rounded();
            }
            number.rounded(places, &mut second)
        };
        if number.significant() > KEPT_DIGITS {
            return Err(RowCode::PrecisionLost.into());
        }
        self.write(number, out)
    }

    /// The number that a text says.
    pub(super) fn text(&self, text: &str, out: &mut Fields) -> Result<(), Fault> {
        let text = trimmed(text);
        if let Some(number) = self.plain(text) {
            return self.exact(number, out);
        }
        let normal: String;
        let text = if text.is_ascii() {
            text
        } else {
            normal = text.nfkc().map(minus).take(MAX_NUMBER + 1).collect();
            trimmed(&normal)
        };
        if let Some(number) = self.plain(text) {
            return self.exact(number, out);
        }
        let mut scratch = Scratch::new();
        let declared = self.form.filter(|_| text.len() <= MAX_NUMBER);
        match declared.and_then(|form| grouped::read(text, form, &mut scratch)) {
            Some(number) => self.exact(number, out),
            None if grouped::looks_like_number(text) => Err(RowCode::NumberAmbiguous.into()),
            None => Err(RowCode::TypeMismatch.into()),
        }
    }

    /// Digits with at most a point. Where points group digits, a text that has one is not plain:
    /// `1.355` is a thousand times what it looks like.
    fn plain<'t>(&self, text: &'t str) -> Option<Digits<'t>> {
        let is_grouped = self.form == Some(NumberForm::PointComma) && text.contains('.');
        Digits::read(text).filter(|_| !is_grouped)
    }

    /// A number of which every digit was meant.
    fn exact(&self, number: Digits<'_>, out: &mut Fields) -> Result<(), Fault> {
        if number.whole.len() > MAX_WHOLE {
            return Err(RowCode::OutOfRange.into());
        }
        let Some(scale) = self.scale else {
            if number.fraction.len() > MAX_FRACTION {
                return Err(RowCode::OutOfRange.into());
            }
            return self.write(number, out);
        };
        if number.fraction.len() <= usize::from(scale) {
            return self.write(number, out);
        }
        if number.fraction.len() <= MAX_NUMBER {
            let mut scratch = Scratch::new();
            if let Some(number) = number.without_noise(usize::from(scale), &mut scratch) {
                return self.write(number, out);
            }
        }
        Err(if self.whole_only {
            RowCode::TypeMismatch.into()
        } else {
            Fault::with(RowCode::OutOfRange, "scale", scale)
        })
    }

    fn write(&self, number: Digits<'_>, out: &mut Fields) -> Result<(), Fault> {
        if self.whole_only && number.whole.len() > 18 {
            let fits = |it: i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&it);
            if !number.as_integer().is_some_and(fits) {
                return Err(RowCode::OutOfRange.into());
            }
        }
        if number.negative {
            out.write("-");
        }
        out.write(zero_if_none(number.whole));
        let places = self.scale.map_or(number.fraction.len(), usize::from);
        if places > 0 {
            out.write(".");
            out.write(number.fraction);
            for _ in number.fraction.len()..places {
                out.write("0");
            }
        }
        Ok(())
    }
}

/// The minus of typesetters is none that NFKC knows.
fn minus(letter: char) -> char {
    if letter == '\u{2212}' { '-' } else { letter }
}
