//! The encoding of an XML part, told by its first bytes, and its text as UTF-8.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::Refusal;
use super::inflate::{BLOCK, Inflate};

/// One pass over an entry, as UTF-8. What claims to be UTF-8 is handed on as it is: whoever makes
/// text of it finds what is wrong.
pub(super) struct Utf8 {
    inflate: Inflate,
    begun: bool,
    /// None for UTF-8.
    decoder: Option<Decoder>,
    raw: Vec<u8>,
}

impl Utf8 {
    pub(super) fn new(inflate: Inflate) -> Self {
        Self {
            inflate,
            begun: false,
            decoder: None,
            raw: Vec::new(),
        }
    }

    /// Appends the next bytes; false at the end, when size and CRC were right.
    pub(super) fn block(&mut self, out: &mut Vec<u8>) -> Result<bool, Refusal> {
        self.inflate.block(&mut self.raw)?;
        let last = self.raw.is_empty();
        let mut raw = self.raw.as_slice();
        if !self.begun {
            self.begun = true;
            let (encoding, mark) = encoding_of(raw)?;
            raw = &raw[mark..];
            self.decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        }
        match &mut self.decoder {
            None => out.extend_from_slice(raw),
            Some(decoder) => decode(decoder, raw, last, out)?,
        }
        Ok(!last)
    }
}

fn decode(
    decoder: &mut Decoder,
    mut raw: &[u8],
    last: bool,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    loop {
        let from = out.len();
        out.resize(from + BLOCK, 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(raw, &mut out[from..], last);
        out.truncate(from + written);
        raw = &raw[read..];
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                return Err(Refusal::broken(
                    "a part is not in the encoding that it says",
                ));
            }
        }
    }
}

/// The encoding, and the bytes of its mark (XML 1.0, appendix F).
fn encoding_of(head: &[u8]) -> Result<(&'static Encoding, usize), Refusal> {
    if let Some((encoding, mark)) = Encoding::for_bom(head) {
        return Ok((encoding, mark));
    }
    if head.starts_with(b"<\0?\0") {
        return Ok((UTF_16LE, 0));
    }
    if head.starts_with(b"\0<\0?") {
        return Ok((UTF_16BE, 0));
    }
    let Some(label) = declared(&head[..head.len().min(256)]) else {
        return Ok((UTF_8, 0));
    };
    match Encoding::for_label(label) {
        // bytes that could be read up to here are not UTF-16, whatever they say
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Ok((UTF_8, 0)),
        Some(encoding) => Ok((encoding, 0)),
        None => Err(Refusal::broken("a part is in an unknown encoding")),
    }
}

/// What stands behind `encoding=` in the XML declaration.
fn declared(head: &[u8]) -> Option<&[u8]> {
    let head = head.strip_prefix(b"<?xml")?;
    let head = &head[..memchr::memmem::find(head, b"?>")?];
    let value = &head[memchr::memmem::find(head, b"encoding")? + b"encoding".len()..];
    let value = value.trim_ascii_start().strip_prefix(b"=")?;
    let value = value.trim_ascii_start();
    let quote = *value.first()?;
    let value = &value[1..];
    Some(&value[..memchr::memchr(quote, value)?])
}
