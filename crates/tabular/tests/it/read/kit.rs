//! Files made byte by byte: a zip whose every claim can be a lie, and a workbook in it.
//!
//! Needs `std`, `flate2`, `domain` and `tabular` only; another crate's tests take it in by
//! `#[path = "../../../tabular/tests/it/read/kit.rs"] mod kit;`.

#![allow(dead_code, reason = "each crate uses what it needs")]

use std::fs::File;
use std::io::{Seek, Write};

use domain::{NumberStyle, SheetCell, SheetRow, UploadFormat, column_letters};
use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use tabular::{Book, Merges, ReadLimits, ReadTerms, Refusal, SheetRows};

/// One entry of a zip, with what its headers say.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) local_name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) crc: u32,
    pub(crate) size: u32,
    pub(crate) local_size: u32,
}

impl Entry {
    /// An honest, deflated entry.
    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(content).unwrap();
        let size = u32::try_from(content.len()).unwrap();
        Self {
            name: name.into(),
            local_name: name.into(),
            data: deflate.finish().unwrap(),
            method: 8,
            flags: 0,
            crc: crc(content),
            size,
            local_size: size,
        }
    }

    /// An honest entry of `piece` so many times between two texts: gibibytes in a moment, because the
    /// piece is compressed once.
    pub(crate) fn repeated(name: &str, before: &str, piece: &str, times: u32, after: &str) -> Self {
        let mut data = Vec::new();
        let mut sum = Crc::new();
        let mut size = 0_u64;
        for (text, times) in [(before, 1), (piece, times), (after, 1)] {
            let packed = flushed(text.as_bytes());
            let mut own = Crc::new();
            own.update(text.as_bytes());
            for _ in 0..times {
                data.extend_from_slice(&packed);
                sum.combine(&own);
                size += text.len() as u64;
            }
        }
        // an empty last block
        data.extend([0x03, 0x00]);
        let size = u32::try_from(size).unwrap();
        Self {
            name: name.into(),
            local_name: name.into(),
            data,
            method: 8,
            flags: 0,
            crc: sum.sum(),
            size,
            local_size: size,
        }
    }

    /// An honest entry that is not compressed.
    pub(crate) fn stored(name: &str, content: &[u8]) -> Self {
        Self {
            data: content.to_vec(),
            method: 0,
            ..Self::new(name, content)
        }
    }
}

/// Deflated blocks that need nothing of what stands before them, and end at a whole byte.
fn flushed(content: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(content.len() + 1_024);
    let mut deflate = Compress::new(Compression::default(), false);
    let flush = FlushCompress::Full;
    deflate.compress_vec(content, &mut packed, flush).unwrap();
    assert_eq!(deflate.total_in(), content.len() as u64);
    packed
}

pub(crate) fn crc(content: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(content);
    crc.sum()
}

/// The zip of these entries.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    zip_that_counts(entries, u16::try_from(entries.len()).unwrap())
}

/// A zip that says it has so many entries.
pub(crate) fn zip_that_counts(entries: &[Entry], count: u16) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = u32::try_from(zip.len()).unwrap();
        zip.extend(b"PK\x03\x04\x14\0");
        fields(&mut zip, entry, entry.local_size, &entry.local_name);
        zip.extend(&entry.local_name);
        zip.extend(&entry.data);
        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        fields(&mut directory, entry, entry.size, &entry.name);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
    }
    let (start, size) = (zip.len(), directory.len());
    zip.extend(directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    zip.extend(u32::try_from(size).unwrap().to_le_bytes());
    zip.extend(u32::try_from(start).unwrap().to_le_bytes());
    zip.extend([0; 2]);
    zip
}

fn fields(out: &mut Vec<u8>, entry: &Entry, size: u32, name: &[u8]) {
    out.extend(entry.flags.to_le_bytes());
    out.extend(entry.method.to_le_bytes());
    out.extend([0; 4]);
    out.extend(entry.crc.to_le_bytes());
    out.extend(u32::try_from(entry.data.len()).unwrap().to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    out.extend([0; 2]);
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const KIND: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// A workbook whose parts can be put in the place of the usual ones.
#[derive(Clone)]
pub(crate) struct Workbook {
    parts: Vec<(String, Vec<u8>)>,
}

impl Workbook {
    /// One sheet, `Sheet1`, with this inside its `sheetData`; no strings, no styles.
    pub(crate) fn new(rows: &str) -> Self {
        let book = Self { parts: Vec::new() };
        let types = format!(
            "<Types xmlns=\"{PACKAGE}/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Override PartName=\"/xl/workbook.xml\" ContentType=\"{KIND}.sheet.main+xml\"/></Types>"
        );
        book.part("[Content_Types].xml", types)
            .part(
                "_rels/.rels",
                relations(&[("rId1", "officeDocument", "xl/workbook.xml")]),
            )
            .part("xl/workbook.xml", workbook("", &[("Sheet1", "", "rId1")]))
            .part(
                "xl/_rels/workbook.xml.rels",
                relations(&[
                    ("rId1", "worksheet", "worksheets/sheet1.xml"),
                    ("rId2", "sharedStrings", "sharedStrings.xml"),
                    ("rId3", "styles", "styles.xml"),
                ]),
            )
            .sheet(&format!("<sheetData>{rows}</sheetData>"))
    }

    /// The inside of the sheet's `worksheet`.
    pub(crate) fn sheet(self, inside: &str) -> Self {
        self.part("xl/worksheets/sheet1.xml", worksheet(inside))
    }

    /// The inside of `sst`, with what else its tag is to say.
    pub(crate) fn strings(self, attributes: &str, inside: &str) -> Self {
        let sst = format!("<sst xmlns=\"{MAIN}\" {attributes}>{inside}</sst>");
        self.part("xl/sharedStrings.xml", sst)
    }

    /// Number formats (164 and up), and a cell format for each number.
    pub(crate) fn styles(self, codes: &[&str], formats: &[u32]) -> Self {
        let codes = codes.iter().zip(164..);
        let codes: String = codes
            .map(|(code, id)| format!("<numFmt numFmtId=\"{id}\" formatCode=\"{code}\"/>"))
            .collect();
        let formats: String = formats
            .iter()
            .map(|id| format!("<xf numFmtId=\"{id}\" xfId=\"0\"/>"))
            .collect();
        let styles = format!(
            "<styleSheet xmlns=\"{MAIN}\"><numFmts>{codes}</numFmts>\
             <cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs><cellXfs>{formats}</cellXfs></styleSheet>"
        );
        self.part("xl/styles.xml", styles)
    }

    /// Puts a part in, in the place of the one of this name.
    pub(crate) fn part(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        match self.parts.iter_mut().find(|part| part.0 == name) {
            Some(part) => part.1 = content,
            None => self.parts.push((name.into(), content)),
        }
        self
    }

    /// Takes a part out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.parts.retain(|part| part.0 != name);
        self
    }

    /// What a part holds.
    pub(crate) fn content(&self, name: &str) -> String {
        let part = self.parts.iter().find(|part| part.0 == name).unwrap();
        String::from_utf8(part.1.clone()).unwrap()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let entry = |(name, content): &(String, Vec<u8>)| Entry::new(name, content);
        self.parts.iter().map(entry).collect()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        zip(&self.entries())
    }

    /// The zip after the entry of this name has been changed.
    pub(crate) fn with_entry(&self, name: &str, change: impl FnOnce(&mut Entry)) -> Vec<u8> {
        let mut entries = self.entries();
        let found = entries
            .iter_mut()
            .find(|entry| entry.name == name.as_bytes());
        change(found.unwrap());
        zip(&entries)
    }

    /// The rows of the first sheet, shown.
    pub(crate) fn rows(&self) -> Result<Vec<String>, Refusal> {
        rows_of(&self.bytes())
    }
}

pub(crate) fn worksheet(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<worksheet xmlns=\"{MAIN}\">{inside}</worksheet>"
    )
}

/// A workbook's part: what stands before its sheets, and the sheets as (name, attributes, relation).
pub(crate) fn workbook(before: &str, sheets: &[(&str, &str, &str)]) -> String {
    let sheets: String = sheets
        .iter()
        .map(|(name, more, id)| {
            format!("<sheet name=\"{name}\" sheetId=\"1\" {more} r:id=\"{id}\"/>")
        })
        .collect();
    format!(
        "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\">{before}<sheets>{sheets}</sheets></workbook>"
    )
}

/// A part of relations: (id, the last word of its type, target).
pub(crate) fn relations(all: &[(&str, &str, &str)]) -> String {
    let all: String = all
        .iter()
        .map(|(id, kind, target)| {
            format!("<Relationship Id=\"{id}\" Type=\"{OFFICE}/{kind}\" Target=\"{target}\"/>")
        })
        .collect();
    format!("<Relationships xmlns=\"{PACKAGE}/relationships\">{all}</Relationships>")
}

/// A file that no directory names, with this in it.
pub(crate) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

pub(crate) fn open(bytes: &[u8]) -> Result<Book, Refusal> {
    open_within(bytes, &ReadLimits::default())
}

pub(crate) fn open_within(bytes: &[u8], limits: &ReadLimits) -> Result<Book, Refusal> {
    Book::open(
        file(bytes),
        UploadFormat::Xlsx,
        &ReadTerms::within(limits.clone()),
    )
}

/// The rows of the file's first sheet, shown.
pub(crate) fn rows_of(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    all(&mut open(bytes)?.rows(0, &Merges::default())?)
}

pub(crate) fn rows_within(bytes: &[u8], limits: &ReadLimits) -> Result<Vec<String>, Refusal> {
    all(&mut open_within(bytes, limits)?.rows(0, &Merges::default())?)
}

/// What is left of a pass, shown.
pub(crate) fn all(rows: &mut SheetRows) -> Result<Vec<String>, Refusal> {
    let mut shown = Vec::new();
    while let Some(chunk) = rows.next()? {
        shown.extend(chunk.rows().map(|row| show(&row)));
    }
    Ok(shown)
}

/// `2: A "x" B 12 C =formula?`
pub(crate) fn show(row: &SheetRow<'_>) -> String {
    let hidden = if row.hidden { " hidden" } else { "" };
    let cells = row.cells().map(|placed| {
        let letters = column_letters(placed.column);
        let formula = if placed.formula { "=" } else { "" };
        format!(" {letters} {formula}{}", show_cell(placed.cell))
    });
    format!("{}{hidden}:{}", row.number, cells.collect::<String>())
}

fn show_cell(cell: SheetCell<'_>) -> String {
    match cell {
        SheetCell::Blank => "blank".into(),
        SheetCell::Text(text) => format!("{text:?}"),
        SheetCell::Number(text, NumberStyle::Plain) => text.into(),
        SheetCell::Number(text, NumberStyle::Date) => format!("date {text}"),
        SheetCell::Number(text, NumberStyle::Percent) => format!("percent {text}"),
        SheetCell::Number(text, NumberStyle::Zeros(count)) => format!("zeros{count} {text}"),
        SheetCell::Bool(truth) => format!("{truth}"),
        SheetCell::IsoDate(text) => format!("iso {text}"),
        SheetCell::Error(text) => format!("error {text}"),
        SheetCell::FormulaWithoutValue => "formula?".into(),
        SheetCell::Merged { row, column } => format!("merged {}{row}", column_letters(column)),
    }
}
