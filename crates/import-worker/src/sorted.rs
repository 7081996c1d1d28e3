//! A batch with its duplicates told: the good rows that are none, and what is wrong with the others.

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::RowError;

use store::{bulk_field, bulk_lines};

use crate::object::{Batch, Head};

/// Rows that go to the table, and the others.
#[derive(Debug)]
pub(crate) struct Sorted {
    pub(crate) head: Head,
    /// Numbers of the good rows, rising.
    pub(crate) numbers: Vec<u32>,
    /// The good rows.
    pub(crate) text: Bytes,
    /// What is wrong with the others, in sheet order.
    pub(crate) errors: Vec<RowError>,
    /// How many the others are.
    pub(crate) failed: usize,
}

impl Sorted {
    /// Takes the duplicates out of the good rows.
    pub(crate) fn new(batch: Batch, duplicates: Vec<RowError>) -> Self {
        let doubled: BTreeSet<u32> = duplicates.iter().map(|error| error.row).collect();
        let mut failed: BTreeSet<u32> = batch.bad.iter().map(|bad| bad.number).collect();
        failed.extend(&doubled);
        let (numbers, text) = if doubled.is_empty() {
            (batch.numbers, batch.text)
        } else {
            without(&batch.numbers, &batch.text, &doubled)
        };
        let mut errors: Vec<RowError> = batch
            .bad
            .into_iter()
            .flat_map(|bad| bad.errors)
            .chain(duplicates)
            .collect();
        errors.sort_by_key(|error| error.row);
        Self {
            head: batch.head,
            numbers,
            text,
            errors,
            failed: failed.len(),
        }
    }

    /// What stands in a column of good rows. `rows` rise.
    pub(crate) fn values(&self, rows: &[(u32, Option<&str>)]) -> Vec<Option<String>> {
        let fields = &self.head.shape.fields;
        let mut all = self.numbers.iter().zip(bulk_lines(&self.text)).peekable();
        let value = |(row, name): &(u32, Option<&str>)| {
            while all.next_if(|(number, _)| *number < row).is_some() {}
            let (_, line) = all.peek().filter(|(number, _)| *number == row)?;
            let at = fields.iter().position(|own| Some(own.as_str()) == *name)?;
            bulk_field(line, at)
        };
        rows.iter().map(value).collect()
    }
}

fn without(numbers: &[u32], text: &Bytes, doubled: &BTreeSet<u32>) -> (Vec<u32>, Bytes) {
    let mut kept = (Vec::with_capacity(numbers.len()), Vec::new());
    for (number, line) in numbers.iter().zip(bulk_lines(text)) {
        if !doubled.contains(number) {
            kept.0.push(*number);
            kept.1.extend_from_slice(line);
            kept.1.push(b'\n');
        }
    }
    (kept.0, kept.1.into())
}
