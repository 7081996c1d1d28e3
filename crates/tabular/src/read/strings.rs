//! The shared strings of a workbook: in memory up to a bound, beyond it in a temporary file.
//!
//! They lie in groups of 64, each a table of where its strings end and then their texts, so that an
//! index costs 8 bytes for a group and a spilled group is one read. Files name strings in the order
//! that cells need them, so a pass over the sheet walks the spilled groups mostly in order.

mod spill;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use super::ahead::Ahead;
use super::meter::Meter;
use super::xml::Xml;
use super::{ReadLimits, ReadTerms, Refusal, rich_text};
pub(super) use spill::Cache;
use spill::Group;

/// Strings of a group.
const GROUP: usize = 64;
/// Claims of more strings than the part can hold are lies that harm nobody up to here.
const HARMLESS: u64 = 1_000_000;
/// `<si/>`
const SMALLEST: u64 = 5;

/// The table, complete.
#[derive(Default)]
pub(super) struct Strings {
    count: usize,
    /// Where each group begins, and where the last one ends.
    starts: Vec<u64>,
    memory: Vec<u8>,
    /// The groups that begin behind `memory`.
    spilled: Option<File>,
}

impl Strings {
    /// Reads the part to its end. `size` is what the part has in bytes.
    pub(super) fn read(source: Ahead, size: u64, terms: &ReadTerms) -> Result<Self, Refusal> {
        let limits = &terms.limits;
        let mut xml = Xml::streaming(source, limits.token_bytes);
        let mut table = Builder::new(terms);
        if !xml.child()? || xml.name() != b"sst" {
            return Err(Refusal::broken("the shared strings' part is none"));
        }
        believable(xml.attribute(b"uniqueCount"), size, limits)?;
        if !xml.is_empty() {
            let mut text = String::new();
            while xml.child()? {
                if xml.name() != b"si" {
                    xml.leave()?;
                    continue;
                }
                text.clear();
                if !xml.is_empty() {
                    rich_text::read_item(&mut xml, &mut text, limits)?;
                }
                table.push(&text)?;
            }
        }
        xml.finish()?;
        table.finish()
    }

    /// A string by its number; none where there is none.
    pub(super) fn get<'a>(
        &'a self,
        index: usize,
        cache: &'a mut Cache,
    ) -> Result<Option<&'a str>, Refusal> {
        if index >= self.count {
            return Ok(None);
        }
        let (number, within) = (index / GROUP, index % GROUP);
        let group = Group {
            number,
            start: self.starts[number],
            end: self.starts[number + 1],
            strings: (self.count - number * GROUP).min(GROUP),
        };
        let text = match &self.spilled {
            Some(file) if group.start >= self.memory.len() as u64 => {
                cache.get(file, self.memory.len() as u64, &group, within)?
            }
            _ => {
                let start = usize::try_from(group.start).unwrap_or(usize::MAX);
                group.string(&self.memory[start..], within)
            }
        };
        let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.map(Some)
            .ok_or_else(|| std::io::Error::other("a spilled string").into())
    }
}

/// Refuses a claim that only a lie can explain.
fn believable(claim: Option<&[u8]>, size: u64, limits: &ReadLimits) -> Result<(), Refusal> {
    let Some(claim) = claim else {
        return Ok(());
    };
    let claim = std::str::from_utf8(claim).unwrap_or_default();
    match claim.parse::<u64>() {
        Ok(claim) if claim > limits.strings as u64 => too_many(),
        Ok(claim) if claim > HARMLESS.max(size / SMALLEST) => Err(Refusal::broken(
            "the shared strings are fewer than their count",
        )),
        Ok(_) => Ok(()),
        Err(_) if claim.len() > 9 => too_many(),
        Err(_) => Ok(()),
    }
}

fn too_many() -> Result<(), Refusal> {
    Err(Refusal::beyond("the workbook has too many shared strings"))
}

struct Builder<'a> {
    terms: &'a ReadTerms,
    strings: Strings,
    file: Option<BufWriter<File>>,
    /// Of the present group.
    ends: Vec<u32>,
    texts: String,
    /// Bytes of all groups so far.
    written: u64,
    bytes: u64,
}

impl<'a> Builder<'a> {
    fn new(terms: &'a ReadTerms) -> Self {
        Self {
            terms,
            strings: Strings::default(),
            file: None,
            ends: Vec::with_capacity(GROUP),
            texts: String::new(),
            written: 0,
            bytes: 0,
        }
    }

    fn push(&mut self, text: &str) -> Result<(), Refusal> {
        self.texts.push_str(text);
        let Ok(end) = u32::try_from(self.texts.len()) else {
            return Err(Refusal::beyond("a shared string is too long"));
        };
        self.ends.push(end);
        self.strings.count += 1;
        self.bytes += text.len() as u64;
        if self.strings.count > self.terms.limits.strings {
            return too_many();
        }
        if self.bytes > self.terms.limits.strings_bytes {
            return Err(Refusal::beyond("the shared strings are too long together"));
        }
        if self.ends.len() == GROUP {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Refusal> {
        let length = self.ends.len() * size_of::<u32>() + self.texts.len();
        self.strings.starts.push(self.written);
        let memory = &mut self.strings.memory;
        if self.file.is_none() && memory.len() + length > self.terms.limits.strings_in_memory {
            let file = self.terms.temp_file()?;
            self.file = Some(BufWriter::with_capacity(1 << 18, file));
        }
        let out: &mut dyn Write = match &mut self.file {
            Some(file) => file,
            None => memory,
        };
        let (ends, texts) = (&self.ends, self.texts.as_bytes());
        self.terms.pulse.fetch(|| {
            ends.iter()
                .try_for_each(|end| out.write_all(&end.to_le_bytes()))?;
            out.write_all(texts)
        })?;
        self.written += length as u64;
        self.ends.clear();
        self.texts.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Strings, Refusal> {
        if !self.ends.is_empty() {
            self.flush()?;
        }
        self.strings.starts.push(self.written);
        self.strings.starts.shrink_to_fit();
        self.strings.memory.shrink_to_fit();
        if let Some(file) = self.file {
            self.strings.spilled = Some(file.into_inner().map_err(|error| error.into_error())?);
        }
        Ok(self.strings)
    }
}

/// Digits and nothing else; quicker than what the library does for signs and other bases.
fn number(digits: &[u8]) -> Option<usize> {
    let add = |number: usize, digit: &u8| {
        let digit = usize::from(digit.wrapping_sub(b'0'));
        (digit < 10).then(|| number.saturating_mul(10).saturating_add(digit))
    };
    let (first, rest) = digits.split_first()?;
    rest.iter().try_fold(add(0, first)?, add)
}

/// The strings of a book and what one pass keeps of them.
pub(super) struct StringsPass {
    strings: Arc<Strings>,
    cache: Cache,
}

impl StringsPass {
    pub(super) fn new(strings: Arc<Strings>, meter: Arc<Meter>) -> Self {
        Self {
            strings,
            cache: Cache::new(meter),
        }
    }

    /// The string that a cell of type `s` names.
    pub(super) fn named(&mut self, value: &str) -> Result<&str, Refusal> {
        let text = match number(value.as_bytes()) {
            Some(index) => self.strings.get(index, &mut self.cache)?,
            None => None,
        };
        text.ok_or_else(|| Refusal::broken("a cell names a shared string that is not there"))
    }
}
