//! The rows of one batch, as they travel.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::bulk::BulkChunk;
use crate::bulk::rows::{KEEP, NULL, lines, unescape};
use crate::error::StoreError;

/// Checked rows on their way to the table: a number each, and the values as
/// [`BulkRows`](crate::BulkRows) writes them, in the order of the target's fields. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApplyRows {
    numbers: Arc<[u32]>,
    text: Bytes,
}

impl ApplyRows {
    /// Rows as [`BulkRows`](crate::BulkRows) wrote them, each with the number that it is told by.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there are not as many lines as numbers.
    pub fn new(numbers: Vec<u32>, text: Bytes) -> Result<Self, StoreError> {
        let lines = lines(&text).count();
        if lines == numbers.len() {
            Ok(Self {
                numbers: numbers.into(),
                text,
            })
        } else {
            let rows = numbers.len();
            Err(StoreError::Corrupt(format!("{rows} rows in {lines} lines")))
        }
    }

    /// As [`ApplyRows::new`], from the writer's own chunk.
    ///
    /// # Errors
    /// As [`ApplyRows::new`].
    pub fn of_chunk(numbers: Vec<u32>, chunk: BulkChunk) -> Result<Self, StoreError> {
        Self::new(numbers, chunk.into_text())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Keep,
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    fn read(field: &'a [u8]) -> Self {
        match field {
            NULL => Self::Null,
            KEEP => Self::Keep,
            plain if !plain.contains(&b'\\') => Self::Text(String::from_utf8_lossy(plain)),
            escaped => {
                let text = String::from_utf8_lossy(&unescape(escaped)).into_owned();
                Self::Text(Cow::Owned(text))
            }
        }
    }

    /// Its text; none for a null and for what is kept.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Keep => None,
        }
    }
}

/// The rows, told apart. They go by their place, counted from 0.
pub(super) struct Batch<'a> {
    rows: &'a ApplyRows,
    lines: Vec<&'a [u8]>,
    fields: usize,
}

/// Rows that leave the same fields as they are in the table.
pub(super) struct Group {
    /// Which field is kept.
    pub(super) kept: Vec<bool>,
    pub(super) rows: Vec<usize>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(rows: &'a ApplyRows, fields: usize) -> Self {
        Self {
            rows,
            lines: lines(&rows.text).collect(),
            fields,
        }
    }

    pub(super) fn number(&self, row: usize) -> u32 {
        self.rows.numbers[row]
    }

    /// Bytes that the row takes as it travels.
    pub(super) fn size_bytes(&self, row: usize) -> usize {
        self.lines[row].len()
    }

    /// The values of a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they are not as many as the target has fields.
    pub(super) fn values(&self, row: usize) -> Result<Vec<Value<'a>>, StoreError> {
        let fields = self.lines[row].split(|byte| *byte == b'\t');
        let values: Vec<Value<'a>> = fields.map(Value::read).collect();
        if values.len() == self.fields {
            Ok(values)
        } else {
            let (has, wants) = (values.len(), self.fields);
            Err(StoreError::Corrupt(format!(
                "a row of {has} values for {wants} fields"
            )))
        }
    }

    /// The first of these fields in which the row holds a null.
    pub(super) fn null_in(&self, row: usize, fields: &[usize]) -> Option<usize> {
        let values = self.lines[row].split(|byte| *byte == b'\t').enumerate();
        let mut nulls = values.filter(|(_, field)| *field == NULL);
        let found = nulls.find(|(at, _)| fields.contains(at));
        found.map(|(at, _)| at)
    }

    /// The text of these rows, which rise.
    pub(super) fn text(&self, rows: &[usize]) -> Bytes {
        if rows.len() == self.lines.len() {
            return self.rows.text.clone();
        }
        let size = rows.iter().map(|row| self.size_bytes(*row) + 1).sum();
        let mut text = BytesMut::with_capacity(size);
        for row in rows {
            text.extend_from_slice(self.lines[*row]);
            text.extend_from_slice(b"\n");
        }
        text.freeze()
    }

    /// The same rows, by what they keep.
    pub(super) fn groups(&self, rows: Vec<usize>) -> Vec<Group> {
        let kept_anywhere = self.rows.text.windows(KEEP.len()).any(|it| it == KEEP);
        if !kept_anywhere {
            let kept = vec![false; self.fields];
            return vec![Group { kept, rows }];
        }
        let mut groups: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for row in rows {
            let fields = self.lines[row].split(|byte| *byte == b'\t');
            let kept = fields.map(|field| field == KEEP).collect();
            groups.entry(kept).or_default().push(row);
        }
        let groups = groups.into_iter();
        groups.map(|(kept, rows)| Group { kept, rows }).collect()
    }
}
