//! Puts blocks together: sheets, workbooks, archives.

use std::io::{self, Write};

use domain::{ExportFormat, Warning};
use flate2::Crc;
use rawzip::{CompressionMethod, DataDescriptorOutput, ZipArchiveWriter};

use crate::csv;
use crate::cut::Start;
use crate::layout::Layout;
use crate::oddity::Tally;
use crate::press::Block;
use crate::text::SheetNames;
use crate::xlsx::{Sheet, Styles, content_types, relations, workbook, workbook_relations};

/// The empty block that ends a raw deflate stream (RFC 1951, 3.2.3: last, fixed codes, end).
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Data rows, without headers.
    pub rows: u64,
    /// What the reader should know of, ordered by code.
    pub warnings: Vec<Warning>,
}

/// Writes blocks, in their order, as one file; or, with a name for each, as several files in a zip.
/// Writes front to back and keeps no more than a block.
///
/// # Errors
/// The first error of `blocks` or of `out`; what was written by then is no file.
pub fn assemble<E: From<io::Error>>(
    layout: &Layout,
    part_name: Option<&dyn Fn(u64) -> String>,
    blocks: impl Iterator<Item = Result<Block, E>>,
    out: impl Write,
) -> Result<Summary, E> {
    let mut assembly = Assembly {
        layout,
        feed: Feed::new(blocks)?,
    };
    match part_name {
        None => assembly.only_file(out)?,
        Some(name) => assembly.archive(name, out)?,
    }
    Ok(Summary {
        rows: assembly.feed.rows,
        warnings: assembly.feed.tally.warnings(),
    })
}

/// Blocks with a look at the next one.
struct Feed<I> {
    blocks: I,
    next: Option<Block>,
    rows: u64,
    tally: Tally,
}

impl<E, I: Iterator<Item = Result<Block, E>>> Feed<I> {
    fn new(mut blocks: I) -> Result<Self, E> {
        Ok(Self {
            next: blocks.next().transpose()?,
            blocks,
            rows: 0,
            tally: Tally::default(),
        })
    }

    /// What begins with the next block; none after the last.
    fn start(&self) -> Option<Start> {
        self.next.as_ref().map(|block| block.start)
    }

    fn take(&mut self) -> Result<Option<Block>, E> {
        let Some(block) = self.next.take() else {
            return Ok(None);
        };
        self.next = self.blocks.next().transpose()?;
        self.rows += u64::from(block.rows);
        self.tally.add(block.tally);
        Ok(Some(block))
    }
}

struct Assembly<'a, I> {
    layout: &'a Layout,
    feed: Feed<I>,
}

impl<E: From<io::Error>, I: Iterator<Item = Result<Block, E>>> Assembly<'_, I> {
    fn only_file(&mut self, mut out: impl Write) -> Result<(), E> {
        match self.layout.format {
            ExportFormat::Xlsx => self.workbook(out)?,
            ExportFormat::Csv => {
                out.write_all(&csv::opening(self.layout))?;
                while let Some(block) = self.feed.take()? {
                    out.write_all(&block.bytes)?;
                }
            }
        }
        if self.feed.start().is_some() {
            // a file that lacks rows is never taken for whole
            return Err(io::Error::other("there are rows for a further file").into());
        }
        Ok(())
    }

    /// Several files in a zip.
    fn archive(&mut self, name: &dyn Fn(u64) -> String, out: impl Write) -> Result<(), E> {
        let mut zip = ZipArchiveWriter::new(out);
        let mut number = 0;
        while self.feed.start().is_some() {
            number += 1;
            match self.layout.format {
                ExportFormat::Csv => self.packed_csv(&name(number), &mut zip)?,
                ExportFormat::Xlsx => self.packed_workbook(&name(number), &mut zip)?,
            }
        }
        zip.finish().map_err(of_zip)?;
        Ok(())
    }

    fn packed_csv(&mut self, name: &str, zip: &mut ZipArchiveWriter<impl Write>) -> Result<(), E> {
        let mut entry = Entry::begin(zip, name)?;
        entry.write(&csv::opening(self.layout))?;
        while let Some(block) = self.feed.take()? {
            entry.append(&block)?;
            if self.feed.start() == Some(Start::File) {
                break;
            }
        }
        Ok(entry.end()?)
    }

    /// A workbook in an archive. It is compressed already, so it goes in as it is; in the form of a
    /// deflate stream, because readers that stream cannot find the end of a stored entry.
    fn packed_workbook(
        &mut self,
        name: &str,
        zip: &mut ZipArchiveWriter<impl Write>,
    ) -> Result<(), E> {
        let file = zip
            .new_file(name)
            .compression_method(CompressionMethod::DEFLATE);
        let (mut entry, config) = file.start().map_err(of_zip)?;
        let level = flate2::Compression::none();
        let mut packed = config.wrap(flate2::write::DeflateEncoder::new(&mut entry, level));
        self.workbook(&mut packed)?;
        let (deflate, descriptor) = packed.finish().map_err(of_zip)?;
        deflate.finish()?;
        entry.finish(descriptor).map_err(of_zip)?;
        Ok(())
    }

    /// A workbook, up to the block that begins another. The parts that tell of the sheets come
    /// last, when the sheets are known.
    fn workbook(&mut self, out: impl Write) -> Result<(), E> {
        let mut zip = ZipArchiveWriter::new(out);
        add(&mut zip, "_rels/.rels", &relations())?;
        add(&mut zip, "xl/styles.xml", &Styles::of(self.layout).part())?;
        let mut names = SheetNames::of(&self.layout.title);
        let mut sheets = Vec::new();
        while self.feed.start().is_some() {
            let rows = self.sheet(sheets.len() + 1, &mut zip)?;
            sheets.push((names.next(), self.frame().filter(rows)));
            if self.feed.start() == Some(Start::File) {
                break;
            }
        }
        add(&mut zip, "xl/workbook.xml", &workbook(&sheets))?;
        let relations = workbook_relations(sheets.len());
        add(&mut zip, "xl/_rels/workbook.xml.rels", &relations)?;
        add(
            &mut zip,
            "[Content_Types].xml",
            &content_types(sheets.len()),
        )?;
        zip.finish().map_err(of_zip)?;
        Ok(())
    }

    /// One sheet; tells its data rows.
    fn sheet(&mut self, number: usize, zip: &mut ZipArchiveWriter<impl Write>) -> Result<u32, E> {
        let mut entry = Entry::begin(zip, &format!("xl/worksheets/sheet{number}.xml"))?;
        let mut rows = 0;
        let mut is_open = false;
        while let Some(block) = self.feed.take()? {
            if !is_open {
                entry.write(&self.frame().opening(number == 1, &block.widths))?;
                is_open = true;
            }
            entry.append(&block)?;
            rows += block.rows;
            if self.feed.start() != Some(Start::Nothing) {
                break;
            }
        }
        entry.write(&self.frame().closing(rows))?;
        entry.end()?;
        Ok(rows)
    }

    fn frame(&self) -> Sheet<'_> {
        Sheet {
            layout: self.layout,
        }
    }
}

/// A small part as a whole.
pub(crate) fn add(
    zip: &mut ZipArchiveWriter<impl Write>,
    name: &str,
    text: &str,
) -> io::Result<()> {
    let mut entry = Entry::begin(zip, name)?;
    entry.write(text.as_bytes())?;
    entry.end()
}

/// An entry of an archive that blocks are put into.
struct Entry<'a, W> {
    writer: rawzip::ZipEntryWriter<'a, W>,
    crc: Crc,
    raw_bytes: u64,
}

impl<'a, W: Write> Entry<'a, W> {
    fn begin(zip: &'a mut ZipArchiveWriter<W>, name: &str) -> io::Result<Self> {
        let file = zip
            .new_file(name)
            .compression_method(CompressionMethod::DEFLATE);
        let (writer, _) = file.start().map_err(of_zip)?;
        Ok(Self {
            writer,
            crc: Crc::new(),
            raw_bytes: 0,
        })
    }

    fn append(&mut self, block: &Block) -> io::Result<()> {
        self.crc.combine(&block.crc);
        self.raw_bytes += u64::from(block.crc.amount());
        self.writer.write_all(&block.bytes)
    }

    /// Adds bytes as they are, in stored blocks of the deflate stream: they are few.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.raw_bytes += bytes.len() as u64;
        for run in bytes.chunks(usize::from(u16::MAX)) {
            let length = u16::try_from(run.len()).unwrap_or(u16::MAX);
            // RFC 1951, 3.2.4: not the last, stored; the length and its complement
            self.writer.write_all(&[0])?;
            self.writer.write_all(&length.to_le_bytes())?;
            self.writer.write_all(&(!length).to_le_bytes())?;
            self.writer.write_all(run)?;
        }
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.writer.write_all(&DEFLATE_END)?;
        let descriptor = DataDescriptorOutput::new(self.crc.sum(), self.raw_bytes);
        self.writer.finish(descriptor).map_err(of_zip)?;
        Ok(())
    }
}

pub(crate) fn of_zip(error: rawzip::Error) -> io::Error {
    io::Error::other(error)
}
