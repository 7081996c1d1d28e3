//! Numbers as their digits, so that none is lost on the way.

use std::cmp::Ordering;
use std::fmt::Write;

/// Digits that a double keeps of any decimal number; Excel keeps no more of what is typed
/// ("Excel specifications and limits", number precision).
pub(super) const KEPT_DIGITS: usize = 15;
/// Digits that [`Scratch`] has room for: any double in full takes less.
const ROOM: usize = 400;

/// A number taken apart: ASCII digits before and after the point, without zeros that say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digits<'a> {
    pub(super) negative: bool,
    pub(super) whole: &'a str,
    pub(super) fraction: &'a str,
}

impl<'a> Digits<'a> {
    /// Reads digits with an optional sign and an optional point: `-12.50`, `+3`, `.5`.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (negative, bare) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = match bare.bytes().position(|byte| byte == b'.') {
            Some(at) => (&bare[..at], &bare[at + 1..]),
            None => (bare, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let known = whole.len() + fraction.len() > 0 && digits(whole) && digits(fraction);
        known.then(|| Self::trimmed(negative, whole, fraction))
    }

    /// As a double is written: with an exponent if need be.
    pub(super) fn read_double(text: &'a str, scratch: &'a mut Scratch) -> Option<Self> {
        if let Some(exact) = Self::read(text).filter(|it| it.significant() <= KEPT_DIGITS) {
            return Some(exact);
        }
        let double: f64 = text.parse().ok()?;
        if !double.is_finite() {
            return None;
        }
        scratch.clear();
        // the shortest text that reads as the same double; never an exponent
        write!(scratch, "{double}").ok()?;
        Self::read(scratch.as_str())
    }

    fn trimmed(negative: bool, whole: &'a str, fraction: &'a str) -> Self {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        Self {
            negative: negative && whole.len() + fraction.len() > 0,
            whole,
            fraction,
        }
    }

    /// How many digits there are from the first that is not 0.
    pub(super) fn significant(&self) -> usize {
        if self.whole.is_empty() {
            self.fraction.trim_start_matches('0').len()
        } else {
            self.whole.len() + self.fraction.len()
        }
    }

    /// So many places after the point keep [`KEPT_DIGITS`] significant digits.
    pub(super) fn kept_places(&self) -> usize {
        if self.whole.is_empty() {
            let leading = self.fraction.len() - self.significant();
            leading + KEPT_DIGITS
        } else {
            KEPT_DIGITS.saturating_sub(self.whole.len())
        }
    }

    /// Rounded, half away from zero, to so many digits after the point.
    pub(super) fn rounded<'s>(&self, places: usize, scratch: &'s mut Scratch) -> Digits<'s>
    where
        'a: 's,
    {
        if self.fraction.len() <= places {
            return *self;
        }
        let up = self.fraction.as_bytes()[places] >= b'5';
        scratch.clear();
        scratch.push(b"0");
        scratch.push(self.whole.as_bytes());
        scratch.push(&self.fraction.as_bytes()[..places]);
        if up {
            scratch.increment();
        }
        let all = scratch.as_str();
        let (whole, fraction) = all.split_at(all.len() - places);
        Digits::trimmed(self.negative, whole, fraction)
    }

    /// What it is without floating-point noise: rounded to so many places, if that changes it by
    /// less than a part in 10^12 and less than 10^-7 (`2.9999999999999996`, `11.111000000001`).
    pub(super) fn without_noise<'s>(
        &self,
        places: usize,
        scratch: &'s mut Scratch,
    ) -> Option<Digits<'s>>
    where
        'a: 's,
    {
        if self.fraction.len() <= places {
            return Some(*self);
        }
        let exact = self.as_double();
        let rounded = self.rounded(places, scratch);
        let off = (exact - rounded.as_double()).abs();
        (off <= exact.abs() * 1e-12 && off < 1e-7).then_some(rounded)
    }

    fn as_double(&self) -> f64 {
        let number = format!(
            "{}.{}",
            zero_if_none(self.whole),
            zero_if_none(self.fraction)
        );
        let size: f64 = number.parse().unwrap_or(f64::NAN);
        if self.negative { -size } else { size }
    }

    /// As a 128-bit number, if it is whole and not beyond.
    pub(super) fn as_integer(&self) -> Option<i128> {
        if !self.fraction.is_empty() {
            return None;
        }
        let size: i128 = zero_if_none(self.whole).parse().ok()?;
        Some(if self.negative { -size } else { size })
    }
}

pub(super) fn zero_if_none(digits: &str) -> &str {
    if digits.is_empty() { "0" } else { digits }
}

/// Room for the digits of one number, on the stack.
#[derive(Debug)]
pub(super) struct Scratch {
    bytes: [u8; ROOM],
    len: usize,
}

impl Scratch {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            len: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds ASCII; what does not fit is left out, so bound the input first.
    pub(super) fn push(&mut self, ascii: &[u8]) {
        let end = (self.len + ascii.len()).min(ROOM);
        let fits = end - self.len;
        self.bytes[self.len..end].copy_from_slice(&ascii[..fits]);
        self.len = end;
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// Adds one to the number that the digits are; the first one is 0.
    fn increment(&mut self) {
        for digit in self.bytes[..self.len].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }
}

impl Write for Scratch {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.len + text.len() > ROOM {
            return Err(std::fmt::Error);
        }
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Longest number in a text that is looked at, in characters; the widest DECIMAL has 65 digits.
pub(super) const MAX_NUMBER: usize = 128;

/// The order of two numbers written as [`Digits::read`] takes them. What is none counts as 0.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let zero = Digits {
        negative: false,
        whole: "",
        fraction: "",
    };
    let read = |text| Digits::read(text).unwrap_or(zero);
    let (left, right) = (read(left), read(right));
    let size = |it: Digits<'_>, other: Digits<'_>| {
        let longer = it.whole.len().cmp(&other.whole.len());
        longer
            .then_with(|| it.whole.cmp(other.whole))
            .then_with(|| it.fraction.cmp(other.fraction))
    };
    match (left.negative, right.negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => size(left, right),
        (true, true) => size(right, left),
    }
}
