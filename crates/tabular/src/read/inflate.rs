//! The bytes of an entry, inflated in blocks, counted and checked.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::Refusal;
use super::archive::Entry;
use super::meter::{BYTE, Meter};

/// Bytes of a block, about.
pub(super) const BLOCK: usize = 128 * 1024;
const INPUT: usize = 64 * 1024;

/// One pass over an entry.
pub(super) struct Inflate {
    file: Arc<File>,
    entry: Entry,
    /// Compressed bytes read from the file so far.
    fetched: u64,
    input: Vec<u8>,
    /// How much of the input has been used.
    used: usize,
    decompress: Decompress,
    crc: Crc,
    given: u64,
    most: u64,
    meter: Arc<Meter>,
    ended: bool,
}

impl Inflate {
    /// `most` bounds this entry, in inflated bytes.
    pub(super) fn new(
        file: Arc<File>,
        entry: Entry,
        most: u64,
        meter: Arc<Meter>,
    ) -> Result<Self, Refusal> {
        if entry.size > most {
            return Err(too_large());
        }
        Ok(Self {
            file,
            entry,
            fetched: 0,
            input: Vec::new(),
            used: 0,
            decompress: Decompress::new(false),
            crc: Crc::new(),
            given: 0,
            most,
            meter,
            ended: false,
        })
    }

    /// Fills `out` up to [`BLOCK`] bytes; leaves it empty at the end, when size and CRC were right.
    pub(super) fn block(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        out.clear();
        out.reserve(BLOCK);
        while !self.ended && out.len() < BLOCK {
            if self.entry.deflated {
                self.inflate(out)?;
            } else {
                self.copy(out)?;
            }
        }
        self.given += out.len() as u64;
        self.meter.spend(BYTE * out.len() as u64)?;
        if self.given > self.most {
            return Err(too_large());
        }
        self.crc.update(out);
        if self.ended && (self.given, self.crc.sum()) != (self.entry.size, self.entry.crc) {
            return Err(Refusal::broken("an entry's size or checksum is wrong"));
        }
        Ok(())
    }

    fn inflate(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.fetch()?;
        let (before_in, before_out) = (self.decompress.total_in(), out.len());
        let input = &self.input[self.used..];
        let status = self
            .decompress
            .decompress_vec(input, out, FlushDecompress::None)
            .map_err(|error| Refusal::broken(format!("an entry cannot be inflated: {error}")))?;
        let taken = self.decompress.total_in() - before_in;
        self.used += usize::try_from(taken).unwrap_or(usize::MAX);
        if status == Status::StreamEnd {
            if self.decompress.total_in() != self.entry.compressed {
                return Err(Refusal::broken("an entry is longer than its content"));
            }
            self.ended = true;
        } else if taken == 0 && out.len() == before_out {
            return Err(Refusal::broken("an entry is cut off"));
        }
        Ok(())
    }

    fn copy(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.fetch()?;
        out.extend_from_slice(&self.input[self.used..]);
        self.used = self.input.len();
        self.ended = self.fetched == self.entry.compressed;
        Ok(())
    }

    /// Reads on in the file when all input is used and there is more.
    fn fetch(&mut self) -> Result<(), Refusal> {
        let left = self.entry.compressed - self.fetched;
        if self.used < self.input.len() || left == 0 {
            return Ok(());
        }
        let want = usize::try_from(left).map_or(INPUT, |left| left.min(INPUT));
        self.input.resize(want, 0);
        let at = self.entry.offset + self.fetched;
        let (file, input) = (&self.file, &mut self.input);
        let fetched = self.meter.fetch(|| file.read_exact_at(input, at));
        fetched.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Refusal::broken("the archive is cut off"),
            _ => error.into(),
        })?;
        self.fetched += want as u64;
        self.used = 0;
        Ok(())
    }
}

fn too_large() -> Refusal {
    Refusal::beyond("a part is too large when inflated")
}
