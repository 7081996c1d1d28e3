//! The batch object: rows on their way from the split to the batch that applies them.
//!
//! Every sheet row, good or bad, stands in exactly one: good rows as the text that goes to the
//! database as it is, bad ones with what is wrong with them, skipped ones as a count. A second kind
//! of object beside it holds what is wrong with rows that are duplicates of rows elsewhere in the
//! file, which is known only when all of it has been read.

use bytes::Bytes;
use domain::RowError;
use serde::{Deserialize, Serialize};
use store::bulk_lines;

use crate::sealed::{NotWhole, Seal, open};

const ROWS: [u8; 8] = *b"qybatch1";
const DUPLICATES: [u8; 8] = *b"qydupes1";

/// What all batches of an import have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Columns of the table, in the order of the text's fields.
    pub(crate) fields: Vec<String>,
    /// What each column of the sheet was taken for.
    pub(crate) columns: Vec<(u16, String)>,
    /// The sheet's name.
    pub(crate) sheet: Option<String>,
}

/// What stands before the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) shape: Shape,
    /// Number of the first sheet row, good, bad or skipped.
    pub(crate) first_row: u32,
    /// Number of the last one.
    pub(crate) last_row: u32,
    /// Rows left out on purpose.
    pub(crate) skipped: u32,
}

/// A row that cannot be taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BadRow {
    pub(crate) number: u32,
    pub(crate) errors: Vec<RowError>,
    /// For each key set the texts of its columns, as far as the row has them: bad rows are duplicates
    /// as well as good ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<Option<Vec<String>>>,
}

/// A batch as it was read.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) head: Head,
    /// Numbers of the good rows, rising.
    pub(crate) numbers: Vec<u32>,
    /// The good rows: fields between tabs, rows ended by newlines.
    pub(crate) text: Bytes,
    /// By rising number.
    pub(crate) bad: Vec<BadRow>,
}

/// The bytes of a batch object. `bad` is [`BadRow`]s as JSON, each ended by a newline.
pub(crate) fn write_batch(
    head: &Head,
    numbers: &[u32],
    text: &[u8],
    bad: &[u8],
) -> Result<Bytes, serde_json::Error> {
    let head = serde_json::to_vec(head)?;
    let numbers: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    let room = head.len() + numbers.len() + text.len() + bad.len();
    let mut seal = Seal::new(ROWS, room);
    for section in [&head, &numbers, text, bad] {
        seal.section(section);
    }
    Ok(seal.finish())
}

/// Reads a batch object.
///
/// # Errors
/// [`NotWhole`] for anything that [`write_batch`] did not give.
pub(crate) fn read_batch(object: &Bytes) -> Result<Batch, NotWhole> {
    let [head, numbers, text, bad] = open(ROWS, object)?;
    let head = serde_json::from_slice(&head).map_err(|_unread| NotWhole("its head"))?;
    let (numbers, rest) = numbers.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(NotWhole("its numbers"));
    }
    let numbers: Vec<u32> = numbers.iter().map(|it| u32::from_le_bytes(*it)).collect();
    if bulk_lines(&text).count() != numbers.len() {
        return Err(NotWhole("rows and their numbers do not go together"));
    }
    let bad = json_lines(&bad).map_err(|_unread| NotWhole("its bad rows"))?;
    Ok(Batch {
        head,
        numbers,
        text,
        bad,
    })
}

/// The bytes of a duplicates object: the errors of one batch's rows, by rising row.
pub(crate) fn write_duplicates(errors: &[RowError]) -> Result<Bytes, serde_json::Error> {
    let mut section = Vec::new();
    for error in errors {
        serde_json::to_writer(&mut section, error)?;
        section.push(b'\n');
    }
    let mut seal = Seal::new(DUPLICATES, section.len());
    seal.section(&section);
    Ok(seal.finish())
}

/// Reads a duplicates object.
///
/// # Errors
/// [`NotWhole`] for anything that [`write_duplicates`] did not give.
pub(crate) fn read_duplicates(object: &Bytes) -> Result<Vec<RowError>, NotWhole> {
    let [errors] = open(DUPLICATES, object)?;
    json_lines(&errors).map_err(|_unread| NotWhole("its errors"))
}

fn json_lines<T: for<'de> Deserialize<'de>>(text: &[u8]) -> Result<Vec<T>, serde_json::Error> {
    serde_json::Deserializer::from_slice(text)
        .into_iter()
        .collect()
}
