//! Compound files (MS-CFB): workbooks of Excel 97 to 2003, and encrypted ones of today.
//!
//! No more than their directory is looked at, and of it only what lies in the file's head; every
//! walk is bounded by the head's size.

use domain::FailureCode;
use memchr::memmem;

use crate::read::Refusal;

pub(super) const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Bytes of a directory entry.
const ENTRY: usize = 128;
/// Sectors of the allocation table that the header itself names.
const IN_HEADER: usize = 109;

/// Why a compound file is not read.
pub(super) fn refusal(head: &[u8]) -> Refusal {
    let Some(container) = Container::of(head) else {
        return Refusal::broken("a compound file with a broken header");
    };
    let names = container.names();
    let has = |name: &str| names.iter().any(|own| own == name);
    let (code, detail) = if has("EncryptedPackage") {
        (FailureCode::EncryptedWorkbook, "an encrypted package")
    } else if has("Workbook") || has("Book") {
        (FailureCode::LegacyXls, "a workbook of Excel 97 to 2003")
    } else if has("WordDocument") || has("PowerPoint Document") {
        (FailureCode::UnsupportedMedia, "an office document")
    } else if holds_name(head, "EncryptedPackage") {
        (
            FailureCode::EncryptedWorkbook,
            "a compound file that names an encrypted package",
        )
    } else if container.begins_as_workbook() {
        (
            FailureCode::LegacyXls,
            "a compound file that begins as a workbook",
        )
    } else if names.is_empty() {
        (
            FailureCode::NotAWorkbook,
            "a compound file whose directory cannot be read",
        )
    } else {
        (
            FailureCode::UnsupportedMedia,
            "a compound file of another kind",
        )
    };
    Refusal::new(code, detail)
}

struct Container<'a> {
    head: &'a [u8],
    sector: usize,
}

impl<'a> Container<'a> {
    fn of(head: &'a [u8]) -> Option<Self> {
        let shift = u16::from_le_bytes([*head.get(30)?, *head.get(31)?]);
        let order = head.get(28..30)? == [0xfe, 0xff];
        let whole = head.len() > 512;
        (order && whole && matches!(shift, 9 | 12)).then(|| Self {
            head,
            sector: 1 << shift,
        })
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.head.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    }

    fn start_of(&self, sector: usize) -> Option<usize> {
        sector.checked_add(1)?.checked_mul(self.sector)
    }

    fn sector(&self, number: usize) -> Option<&'a [u8]> {
        let start = self.start_of(number)?;
        self.head.get(start..start.checked_add(self.sector)?)
    }

    /// The sector behind this one in its chain.
    fn next(&self, number: usize) -> Option<usize> {
        let entries = self.sector / 4;
        let table = number / entries;
        let table = (table < IN_HEADER).then(|| self.number(76 + 4 * table))??;
        self.number(self.start_of(table)?.checked_add(4 * (number % entries))?)
    }

    /// The names in the directory, as far as the head reaches.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut number = self.number(48);
        // a chain that is longer than the head has sectors goes in circles
        for _ in 0..self.head.len() / self.sector {
            let Some(sector) = number.and_then(|number| self.sector(number)) else {
                break;
            };
            names.extend(sector.as_chunks::<ENTRY>().0.iter().filter_map(name));
            number = number.and_then(|number| self.next(number));
        }
        names
    }

    /// Whether the first stream begins with the record that workbooks begin with (MS-XLS, 2.4.21).
    fn begins_as_workbook(&self) -> bool {
        let first = self.head.get(self.sector..self.sector + 2);
        matches!(first, Some([0x09, 0x00 | 0x02 | 0x04 | 0x08]))
    }
}

fn name(entry: &[u8; ENTRY]) -> Option<String> {
    let length = usize::from(u16::from_le_bytes([entry[64], entry[65]]));
    if entry[66] == 0 || !(2..=64).contains(&length) {
        return None;
    }
    let units = entry[..length - 2].as_chunks::<2>().0.iter();
    let units: Vec<u16> = units.map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}

fn holds_name(head: &[u8], name: &str) -> bool {
    let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    memmem::find(head, &wide).is_some()
}
