//! The ring on the wire: strict to read, so that nothing half understood is acknowledged as work.

use std::fmt;

use domain::{CompensateBizId, LeaseEpoch, Rung};
use prost::Message;

use crate::error::BusError;
use crate::trace::TraceHeaders;

#[expect(unreachable_pub, reason = "generated from proto/quayside/v1")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/quayside.v1.rs"));
}

/// Most rows in one ring.
pub const MAX_ROWS_PER_RING: usize = 1_000;

/// A row is two varints of at most ten bytes, their tags, and its own tag and length.
const MAX_RING_BYTES: usize = 16 + MAX_ROWS_PER_RING * 24;

/// The version of the contract that this code writes and reads.
const SCHEMA_VERSION: u32 = 1;

/// A doorbell message that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// 1 to [`MAX_ROWS_PER_RING`] rows.
    pub rungs: Vec<Rung>,
    /// The trace of whoever rang, to be linked to.
    pub trace: TraceHeaders,
}

/// A message that could not be read, with all that a person needs to find out why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison {
    /// Why, from a closed set.
    pub reason: PoisonReason,
    /// Why, in words, for operators.
    pub detail: String,
    /// The message as it came; `None` is Kafka's null.
    pub payload: Option<Vec<u8>>,
    /// The message's headers as they came.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Why a message could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoisonReason {
    /// Null, or no bytes.
    Empty,
    /// More bytes or rows than a ring can hold.
    TooLarge,
    /// Not a ring, or one with something behind it.
    Malformed,
    /// A ring of a contract that this code does not know.
    UnknownVersion,
    /// A ring that names nobody.
    NoRows,
}

impl PoisonReason {
    /// The word that is stored and counted.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown_version",
            Self::NoRows => "no_rows",
        }
    }
}

impl fmt::Display for PoisonReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(crate) fn encode(rungs: &[Rung]) -> Result<Vec<u8>, BusError> {
    if rungs.is_empty() || rungs.len() > MAX_ROWS_PER_RING {
        return Err(BusError::RingSize { rows: rungs.len() });
    }
    let rows = rungs.iter().map(|rung| wire::ring::Row {
        id: rung.id.0,
        epoch: rung.epoch.0,
    });
    let ring = wire::Ring {
        schema_version: SCHEMA_VERSION,
        rows: rows.collect(),
    };
    Ok(ring.encode_to_vec())
}

pub(crate) fn decode(payload: Option<&[u8]>) -> Result<Vec<Rung>, (PoisonReason, String)> {
    let bytes = payload.unwrap_or_default();
    if bytes.is_empty() {
        return Err((PoisonReason::Empty, "the message has no content".to_owned()));
    }
    if bytes.len() > MAX_RING_BYTES {
        let detail = format!("{} bytes; a ring has at most {MAX_RING_BYTES}", bytes.len());
        return Err((PoisonReason::TooLarge, detail));
    }
    let ring =
        wire::Ring::decode(bytes).map_err(|error| (PoisonReason::Malformed, error.to_string()))?;
    if ring.schema_version != SCHEMA_VERSION {
        let detail = format!("version {}; known is {SCHEMA_VERSION}", ring.schema_version);
        return Err((PoisonReason::UnknownVersion, detail));
    }
    // Protobuf skips fields that it does not know, and rubbish at the end can look like one.
    if ring.encoded_len() != bytes.len() {
        let detail = format!("{} of {} bytes understood", ring.encoded_len(), bytes.len());
        return Err((PoisonReason::Malformed, detail));
    }
    match ring.rows.len() {
        0 => Err((PoisonReason::NoRows, "the ring names no row".to_owned())),
        rows if rows > MAX_ROWS_PER_RING => Err((
            PoisonReason::TooLarge,
            format!("{rows} rows; at most {MAX_ROWS_PER_RING}"),
        )),
        _ => Ok(ring.rows.iter().map(rung).collect()),
    }
}

fn rung(row: &wire::ring::Row) -> Rung {
    Rung {
        id: CompensateBizId(row.id),
        epoch: LeaseEpoch(row.epoch),
    }
}
