//! Makes blocks of pieces: formatted and, where the file is an archive, compressed.
//!
//! A block depends on nothing but its piece, so any number can be made at the same time. The
//! compressed ones are runs of one raw deflate stream: each ends at a byte (a sync flush), so put
//! end to end they are one stream (RFC 1951; zlib's manual, Z_SYNC_FLUSH).

use std::sync::{Mutex, PoisonError};

use domain::ExportFormat;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::csv;
use crate::cut::{Piece, Start};
use crate::layout::Layout;
use crate::oddity::Tally;
use crate::xlsx::{Body, Styles, widths};

/// Room that the compressor is offered at a time, in bytes.
const GROWTH: usize = 64 << 10;

/// A piece, ready to be put into its file.
#[derive(Debug)]
pub struct Block {
    /// What begins with it.
    pub(crate) start: Start,
    /// Data rows in it.
    pub(crate) rows: u32,
    /// Its bytes in the file.
    pub(crate) bytes: Vec<u8>,
    /// Of the bytes before compression.
    pub(crate) crc: Crc,
    pub(crate) tally: Tally,
    /// Of the columns, where a sheet begins.
    pub(crate) widths: Vec<u16>,
}

impl Block {
    /// Data rows in it.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }
}

/// Makes blocks, on as many threads as like to.
#[derive(Debug)]
pub struct Press {
    layout: Layout,
    body: Body,
    compression: Option<Compression>,
    idle: Mutex<Vec<Tools>>,
}

/// What a thread needs while it makes a block; costly enough to be used again.
#[derive(Debug)]
struct Tools {
    raw: Vec<u8>,
    deflate: Compress,
}

impl Press {
    /// A press for files of that layout. `in_zip` says whether the file is an archive of several;
    /// `zip_level` goes from 1 (fast) to 9 (small).
    #[must_use]
    pub fn new(layout: &Layout, in_zip: bool, zip_level: u32) -> Self {
        let compressed = in_zip || layout.format == ExportFormat::Xlsx;
        Self {
            body: Body::new(layout.clone(), &Styles::of(layout)),
            layout: layout.clone(),
            compression: compressed.then(|| Compression::new(zip_level.clamp(1, 9))),
            idle: Mutex::default(),
        }
    }

    /// The block of a piece. Takes milliseconds of computing.
    #[must_use]
    pub fn block(&self, piece: &Piece) -> Block {
        let mut tools = self.tools();
        tools.raw.clear();
        let mut tally = Tally::default();
        let mut sheet_widths = Vec::new();
        match self.layout.format {
            ExportFormat::Xlsx => {
                if piece.start != Start::Nothing {
                    sheet_widths = widths(&self.layout, piece);
                }
                self.body.write(piece, &mut tools.raw, &mut tally);
            }
            ExportFormat::Csv => csv::write(&self.layout, piece, &mut tools.raw, &mut tally),
        }
        let mut crc = Crc::new();
        let bytes = match self.compression {
            Some(_) => {
                crc.update(&tools.raw);
                deflated(&tools.raw, &mut tools.deflate)
            }
            None => tools.raw.clone(),
        };
        self.put_back(tools);
        Block {
            start: piece.start,
            rows: u32::try_from(piece.len()).unwrap_or(u32::MAX),
            bytes,
            crc,
            tally,
            widths: sheet_widths,
        }
    }

    fn tools(&self) -> Tools {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.unwrap_or_else(|| Tools {
            raw: Vec::new(),
            deflate: Compress::new(self.compression.unwrap_or_default(), false),
        })
    }

    fn put_back(&self, tools: Tools) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(tools);
    }
}

/// A run of a raw deflate stream that ends at a byte and does not end the stream.
fn deflated(raw: &[u8], deflate: &mut Compress) -> Vec<u8> {
    deflate.reset();
    let mut out = Vec::with_capacity(raw.len() / 4 + GROWTH);
    loop {
        let taken = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
        let status = deflate
            .compress_vec(&raw[taken..], &mut out, FlushCompress::Sync)
            .expect("a compressor with room to write does not fail");
        // a full buffer may hold back a rest of the flush
        if out.len() < out.capacity() || status == Status::BufError {
            return out;
        }
        out.reserve(GROWTH);
    }
}
