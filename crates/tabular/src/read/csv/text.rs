//! The bytes of a file as text, a block at a time.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use encoding_rs::{Decoder, DecoderResult, Encoding};

use crate::read::Refusal;
use crate::read::meter::{BYTE, Meter};

/// Bytes of the file that become one block of text.
const BLOCK_BYTES: usize = 32 * 1024;

/// Bytes of a character cut by the end of a block, with something to spare.
const CARRIED_BYTES: usize = 16;

/// Where the text of a file begins, and how it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writing {
    pub(super) encoding: &'static Encoding,
    /// Bytes of the mark before the text.
    pub(super) mark: u64,
}

/// One walk through a file.
pub(super) struct Text {
    file: Arc<File>,
    at: u64,
    decoder: Decoder,
    raw: Vec<u8>,
    block: String,
    ended: bool,
    meter: Arc<Meter>,
}

impl Text {
    pub(super) fn of(file: Arc<File>, writing: Writing, meter: Arc<Meter>) -> Self {
        let decoder = writing.encoding.new_decoder_without_bom_handling();
        let room = decoder.max_utf8_buffer_length_without_replacement(BLOCK_BYTES + CARRIED_BYTES);
        Self {
            file,
            at: writing.mark,
            decoder,
            raw: vec![0; BLOCK_BYTES],
            block: String::with_capacity(room.unwrap_or(4 * BLOCK_BYTES)),
            ended: false,
            meter,
        }
    }

    /// The next block, of whole characters; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<&str>, Refusal> {
        self.block.clear();
        while self.block.is_empty() && !self.ended {
            let (file, raw, at) = (&self.file, &mut self.raw, self.at);
            let length = self.meter.fetch(|| read(file, raw, at))?;
            self.meter.spend(2 * BYTE * length as u64)?;
            self.at += length as u64;
            self.ended = length == 0;
            let (result, _) = self.decoder.decode_to_string_without_replacement(
                &self.raw[..length],
                &mut self.block,
                self.ended,
            );
            match result {
                DecoderResult::InputEmpty => {}
                DecoderResult::OutputFull => {
                    return Err(Refusal::broken("a block of text is longer than it can be"));
                }
                DecoderResult::Malformed(..) => {
                    return Err(Refusal::broken("text that its encoding does not know"));
                }
            }
        }
        Ok((!self.block.is_empty()).then_some(self.block.as_str()))
    }
}

/// Reads at a place; nothing is the end of the file.
pub(super) fn read(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(into, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
