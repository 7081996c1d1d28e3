//! In which encoding a file is written.
//!
//! A byte order mark settles it; without one, what its user declares. Without either: UTF-16 by its
//! zero bytes, else UTF-8 if the whole file is that, else GB18030 if the whole file is that **and**
//! looks like Chinese. What is left is refused, because almost any bytes are some wrong text in some
//! encoding. So is text with a place that its encoding does not know, and a character NUL: no person
//! writes one.

use std::fs::File;
use std::sync::Arc;

use domain::{FailureCode, TextEncoding};
use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252,
};

use super::text::{Text, Writing, read};
use crate::read::Refusal;
use crate::read::meter::{BYTE, Meter};

/// Bytes that are looked at before the whole file is.
const HEAD_BYTES: usize = 64 * 1024;
/// Of so many units of UTF-16 at least one is ASCII: a separator, a digit, a line end.
const UNITS_PER_ASCII: usize = 8;
/// Fewer zero bytes tell nothing: they may be NULs in a small file.
const MIN_ZEROS: usize = 4;
/// Of so many pairs at most one may be uncommon in Chinese text.
const PAIRS_PER_RARE: u64 = 4;

/// Tells the writing of a file, which is read to its end for it; `declared` is what its user says.
///
/// # Errors
/// `empty_file`; `not_a_workbook` for text that is broken, or not in the encoding that was declared;
/// `unsupported_media` for an encoding that is none of those that can be told.
pub(super) fn of(
    file: &Arc<File>,
    declared: Option<TextEncoding>,
    meter: &Arc<Meter>,
) -> Result<Writing, Refusal> {
    let head = head(file)?;
    if head.is_empty() {
        return Err(Refusal::new(FailureCode::EmptyFile, "no bytes"));
    }
    if let Some((encoding, mark)) = Encoding::for_bom(&head) {
        let writing = Writing {
            encoding,
            mark: mark as u64,
        };
        check(file, writing, meter)?;
        return Ok(writing);
    }
    if let Some(declared) = declared {
        return whole(file, named(declared), meter);
    }
    if let Some(encoding) = utf_16(&head) {
        return whole(file, encoding, meter);
    }
    match whole(file, UTF_8, meter) {
        Ok(writing) => Ok(writing),
        Err(refusal) if refusal.code == FailureCode::Internal => Err(refusal),
        Err(refusal) => {
            let signs = Signs::of(file, meter)?;
            if signs.invalid == 0 || signs.is_damaged_utf_8() {
                return Err(refusal);
            }
            if !signs.is_chinese() {
                return Err(unknown());
            }
            whole(file, GB18030, meter)
        }
    }
}

fn named(declared: TextEncoding) -> &'static Encoding {
    match declared {
        TextEncoding::Utf8 => UTF_8,
        TextEncoding::Utf16Le => UTF_16LE,
        TextEncoding::Utf16Be => UTF_16BE,
        TextEncoding::Gb18030 => GB18030,
        TextEncoding::Big5 => BIG5,
        TextEncoding::ShiftJis => SHIFT_JIS,
        TextEncoding::EucKr => EUC_KR,
        TextEncoding::Windows1252 => WINDOWS_1252,
    }
}

fn unknown() -> Refusal {
    Refusal::new(
        FailureCode::UnsupportedMedia,
        "text in an encoding that is none of UTF-8, UTF-16 and GB18030, and none was declared",
    )
}

fn head(file: &File) -> Result<Vec<u8>, Refusal> {
    let mut head = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while filled < head.len() {
        match read(file, &mut head[filled..], filled as u64)? {
            0 => break,
            length => filled += length,
        }
    }
    head.truncate(filled);
    Ok(head)
}

fn whole(
    file: &Arc<File>,
    encoding: &'static Encoding,
    meter: &Arc<Meter>,
) -> Result<Writing, Refusal> {
    let writing = Writing { encoding, mark: 0 };
    check(file, writing, meter)?;
    Ok(writing)
}

/// Reads all of it.
fn check(file: &Arc<File>, writing: Writing, meter: &Arc<Meter>) -> Result<(), Refusal> {
    let mut text = Text::of(Arc::clone(file), writing, Arc::clone(meter));
    while let Some(block) = text.next()? {
        if memchr::memchr(0, block.as_bytes()).is_some() {
            return Err(Refusal::broken("a character NUL"));
        }
    }
    Ok(())
}

/// UTF-16 without a mark: one byte of each ASCII character is zero, always on the same side. The
/// other side has zeros too, of characters such as U+4E00, but few.
fn utf_16(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |first: usize| {
        let side = head.iter().skip(first).step_by(2);
        side.filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let enough = (head.len() / 2 / UNITS_PER_ASCII).max(MIN_ZEROS);
    if odd > enough.max(2 * even) {
        Some(UTF_16LE)
    } else if even > enough.max(2 * odd) {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// What the bytes beyond ASCII look like.
#[derive(Debug, Default)]
struct Signs {
    /// Characters of more than one byte, read as UTF-8.
    valid: u64,
    /// Places that UTF-8 does not know.
    invalid: u64,
    /// Pairs of two bytes, or halves of four, read as GB18030.
    pairs: u64,
    /// Those whose second byte is an ASCII letter or sign: few in Chinese text, nearly all in text
    /// with accented letters, more than a third in Big5.
    rare: u64,
    has_lead: bool,
}

impl Signs {
    fn of(file: &File, meter: &Meter) -> Result<Self, Refusal> {
        let mut signs = Self::default();
        let mut block = vec![0; HEAD_BYTES];
        let mut at = 0;
        loop {
            let length = meter.fetch(|| read(file, &mut block, at))?;
            meter.spend(2 * BYTE * length as u64)?;
            if length == 0 {
                return Ok(signs);
            }
            at += length as u64;
            signs.see(&block[..length]);
        }
    }

    /// A character cut by the end of a block counts as broken: there are few ends.
    fn see(&mut self, block: &[u8]) {
        for chunk in block.utf8_chunks() {
            let wide = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
            self.valid += wide as u64;
            self.invalid += u64::from(!chunk.invalid().is_empty());
        }
        for byte in block {
            match (self.has_lead, byte) {
                (false, 0x81..=0xfe) => self.has_lead = true,
                (false, _) => {}
                (true, second) => {
                    self.has_lead = false;
                    self.pairs += 1;
                    // a digit is the second of four bytes
                    let is_rare = second.is_ascii() && !second.is_ascii_digit();
                    self.rare += u64::from(is_rare);
                }
            }
        }
    }

    fn is_damaged_utf_8(&self) -> bool {
        self.valid > self.invalid
    }

    fn is_chinese(&self) -> bool {
        self.rare * PAIRS_PER_RARE <= self.pairs
    }
}
