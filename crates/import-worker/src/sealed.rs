//! Objects that only our own workers read: a kind, sections, and a checksum over all of it, so that
//! a torn object or one of another kind is found and never read as if it were whole.

use std::hash::Hasher;

use bytes::Bytes;
use siphasher::sip::SipHasher13;
use thiserror::Error;

/// Bytes of the kind, and of the checksum.
const EIGHT: usize = 8;

/// Why an object cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an object in storage is not whole: {0}")]
pub(crate) struct NotWhole(pub(crate) &'static str);

/// Writes an object.
pub(crate) struct Seal {
    bytes: Vec<u8>,
}

impl Seal {
    /// Begins an object of that kind; `room` bytes are about what its sections will take.
    pub(crate) fn new(kind: [u8; EIGHT], room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room + 64);
        bytes.extend_from_slice(&kind);
        Self { bytes }
    }

    /// Adds a section.
    pub(crate) fn section(&mut self, content: &[u8]) {
        let length = content.len() as u64;
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(content);
    }

    /// The whole object.
    pub(crate) fn finish(mut self) -> Bytes {
        let sum = checksum(&self.bytes);
        self.bytes.extend_from_slice(&sum.to_le_bytes());
        self.bytes.into()
    }
}

/// Reads an object of that kind with exactly `N` sections.
///
/// # Errors
/// [`NotWhole`] for anything that [`Seal::finish`] did not give.
pub(crate) fn open<const N: usize>(
    kind: [u8; EIGHT],
    object: &Bytes,
) -> Result<[Bytes; N], NotWhole> {
    let Some(end) = object.len().checked_sub(EIGHT).filter(|end| *end >= EIGHT) else {
        return Err(NotWhole("too short"));
    };
    if object[..EIGHT] != kind {
        return Err(NotWhole("of another kind"));
    }
    if checksum(&object[..end]).to_le_bytes() != object[end..] {
        return Err(NotWhole("its checksum is wrong"));
    }
    let mut rest = object.slice(EIGHT..end);
    let mut sections = [const { Bytes::new() }; N];
    for section in &mut sections {
        *section = take(&mut rest)?;
    }
    if rest.is_empty() {
        Ok(sections)
    } else {
        Err(NotWhole("it goes on past its end"))
    }
}

fn take(rest: &mut Bytes) -> Result<Bytes, NotWhole> {
    const SHORT: NotWhole = NotWhole("a section is missing");
    let (length, _) = rest.split_first_chunk::<EIGHT>().ok_or(SHORT)?;
    let length = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|length| length.checked_add(EIGHT))
        .filter(|length| *length <= rest.len())
        .ok_or(SHORT)?;
    let mut section = rest.split_to(length);
    Ok(section.split_off(EIGHT))
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}
