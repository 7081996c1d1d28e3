//! The rows of a worksheet's part, streaming.

mod cell;
mod cover;
mod row;

use std::sync::Arc;

use domain::SheetChunk;

use super::ahead::Ahead;
use super::meter::Meter;
use super::strings::{Strings, StringsPass};
use super::styles::Styles;
use super::xml::Xml;
use super::{Merges, ReadLimits, Refusal};
use cover::Cover;

/// One pass over the part.
pub(super) struct Sheet {
    xml: Xml,
    limits: ReadLimits,
    strings: StringsPass,
    styles: Arc<Styles>,
    cover: Cover,
    found: Merges,
    phase: Phase,
    /// Number of the last row.
    row: u32,
    /// The present cell's text.
    text: String,
    /// Bytes of all texts so far.
    text_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing read yet.
    Root,
    /// Among the parts of the worksheet; whether its rows have been.
    Parts {
        behind: bool,
    },
    /// Among its rows.
    Rows,
    Done,
}

impl Sheet {
    pub(super) fn new(
        source: Ahead,
        strings: Arc<Strings>,
        styles: Arc<Styles>,
        merges: Merges,
        (limits, meter): (&ReadLimits, Arc<Meter>),
    ) -> Self {
        Self {
            xml: Xml::streaming(source, limits.token_bytes),
            limits: limits.clone(),
            strings: StringsPass::new(strings, meter),
            styles,
            cover: Cover::new(merges),
            found: Merges::default(),
            phase: Phase::Root,
            row: 0,
            text: String::new(),
            text_bytes: 0,
        }
    }

    /// What the file says of merged ranges; complete at the end.
    pub(super) fn found(&self) -> Merges {
        self.found.clone().filling(self.cover.merges().is_filling())
    }

    pub(super) fn next(&mut self) -> Result<Option<SheetChunk>, Refusal> {
        let mut chunk = SheetChunk::new();
        loop {
            match self.phase {
                Phase::Root => self.root()?,
                Phase::Parts { behind } => self.part(behind)?,
                Phase::Rows => {
                    if self.rows(&mut chunk)? {
                        return Ok(Some(chunk));
                    }
                    self.phase = Phase::Parts { behind: true };
                }
                Phase::Done => return Ok(Some(chunk).filter(|chunk| !chunk.is_empty())),
            }
        }
    }

    fn root(&mut self) -> Result<(), Refusal> {
        if !self.xml.child()? || self.xml.name() != b"worksheet" {
            return Err(Refusal::broken("the sheet's part is no worksheet"));
        }
        self.phase = Phase::Parts { behind: false };
        if self.xml.is_empty() {
            self.end()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        self.xml.finish()?;
        self.found.sort();
        self.phase = Phase::Done;
        Ok(())
    }

    /// Goes past one part, but into the rows.
    fn part(&mut self, behind: bool) -> Result<(), Refusal> {
        if !self.xml.child()? {
            return self.end();
        }
        match self.xml.name() {
            b"sheetData" if behind => Err(Refusal::broken("the sheet has its rows twice")),
            b"sheetData" if self.xml.is_empty() => {
                self.phase = Phase::Parts { behind: true };
                Ok(())
            }
            b"sheetData" => {
                self.phase = Phase::Rows;
                Ok(())
            }
            b"mergeCells" if !self.xml.is_empty() => {
                while self.xml.child()? {
                    if let Some(range) = self.xml.attribute(b"ref") {
                        self.found.add(range, &self.limits)?;
                    }
                    self.xml.leave()?;
                }
                Ok(())
            }
            _ => self.xml.leave(),
        }
    }

    /// Reads rows until the chunk is full; false at the last one.
    fn rows(&mut self, chunk: &mut SheetChunk) -> Result<bool, Refusal> {
        while self.xml.child()? {
            if self.xml.name() != b"row" {
                self.xml.leave()?;
                continue;
            }
            self.one_row(chunk)?;
            if chunk.len() >= self.limits.chunk_rows
                || chunk.size_bytes() >= self.limits.chunk_bytes
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
