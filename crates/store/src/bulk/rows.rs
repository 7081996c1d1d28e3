//! Rows as LOAD DATA reads them: fields between tabs, rows between newlines, `\N` for null.

use bytes::Bytes;
use mysql_async::Value;

/// A field that leaves the table's value as it is. No text is written so: its backslash is doubled.
pub(crate) const KEEP: &[u8] = b"\\K";

/// A null.
pub(crate) const NULL: &[u8] = b"\\N";

/// Rows on their way to the bulk door.
#[derive(Debug, Clone)]
pub struct BulkChunk {
    pub(super) text: Bytes,
    pub(super) rows: u64,
}

impl BulkChunk {
    /// The rows as text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The same, given away.
    #[must_use]
    pub fn into_text(self) -> Bytes {
        self.text
    }

    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Writes rows, field by field.
#[derive(Debug, Default)]
pub struct BulkRows {
    text: Vec<u8>,
    rows: u64,
    in_row: bool,
}

impl BulkRows {
    /// Adds a text to the row.
    pub fn text(&mut self, value: &str) {
        self.separate();
        for byte in value.bytes() {
            match byte {
                b'\\' => self.text.extend_from_slice(b"\\\\"),
                b'\t' => self.text.extend_from_slice(b"\\t"),
                b'\n' => self.text.extend_from_slice(b"\\n"),
                b'\0' => self.text.extend_from_slice(b"\\0"),
                plain => self.text.push(plain),
            }
        }
    }

    /// Adds null to the row.
    pub fn null(&mut self) {
        self.separate();
        self.text.extend_from_slice(NULL);
    }

    /// Leaves the column as it is in the table: an existing row keeps its value, a new one takes the
    /// column's default. For [`ApplyRows`](crate::ApplyRows) alone; LOAD DATA knows nothing of it.
    pub fn keep(&mut self) {
        self.separate();
        self.text.extend_from_slice(KEEP);
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.text.push(b'\n');
        self.rows += 1;
        self.in_row = false;
    }

    /// Bytes so far.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.text.len()
    }

    /// Hands over the rows so far.
    #[must_use]
    pub fn take(&mut self) -> BulkChunk {
        let room = self.text.capacity();
        let text = std::mem::replace(&mut self.text, Vec::with_capacity(room));
        BulkChunk {
            text: text.into(),
            rows: std::mem::take(&mut self.rows),
        }
    }

    fn separate(&mut self) {
        if self.in_row {
            self.text.push(b'\t');
        }
        self.in_row = true;
    }
}

/// The rows of a chunk's text, each without its newline; a newline within a value is escaped.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// The value of a field of a row: none for null, for a column that the row leaves alone, and for
/// what is no UTF-8.
#[must_use]
pub fn field(line: &[u8], at: usize) -> Option<String> {
    let raw = line.split(|byte| *byte == b'\t').nth(at)?;
    if matches!(raw, NULL | KEEP) {
        return None;
    }
    String::from_utf8(unescape(raw)).ok()
}

/// The values of a row.
pub(super) fn fields(line: &[u8]) -> impl Iterator<Item = Value> {
    line.split(|byte| *byte == b'\t').map(|field| match field {
        NULL => Value::NULL,
        escaped => Value::Bytes(unescape(escaped)),
    })
}

pub(crate) fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter().copied();
    while let Some(byte) = bytes.next() {
        let literal = match byte {
            b'\\' => bytes.next().map(|letter| match letter {
                b't' => b'\t',
                b'n' => b'\n',
                b'0' => b'\0',
                other => other,
            }),
            other => Some(other),
        };
        plain.extend(literal);
    }
    plain
}
