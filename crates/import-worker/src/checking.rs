//! Rows are judged, a chunk at a time, on as many cores as there are.

use std::sync::Arc;

use domain::{
    Failure, Field, Fields, HiddenRows, KeySet, RowCheck, RowError, SheetChunk, fold_key,
};
use store::BulkRows;

use crate::failure::internal;
use crate::keys::{Key, text_hash};
use crate::object::BadRow;

/// How the rows of a sheet are judged. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Judge {
    pub(crate) check: Arc<RowCheck>,
    /// Rows up to this one are none of the data.
    pub(crate) header_row: u32,
    pub(crate) hidden_rows: HiddenRows,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
    Skipped,
}

/// One row: its number, what became of it, and where its bytes end among those of its kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) number: u32,
    pub(crate) verdict: Verdict,
    pub(crate) end: usize,
}

/// A chunk of rows that have been judged.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) marks: Vec<Mark>,
    /// The good rows, as the database takes them.
    pub(crate) text: Vec<u8>,
    /// The bad rows, as JSON lines.
    pub(crate) bad: Vec<u8>,
    /// For each key set the keys that are whole.
    pub(crate) keys: Vec<Vec<Key>>,
    /// Values of good rows that were rounded at their column's scale.
    pub(crate) rounded: u64,
    /// Values of good rows whose fractions of a second their column does not keep.
    pub(crate) cut: u64,
    /// Columns that the widest row reaches across.
    pub(crate) width: u32,
}

impl Judge {
    /// Judges a chunk, of which no row behind `last` is one of the data. CPU work: for a blocking
    /// thread.
    pub(crate) fn judge(&self, chunk: &SheetChunk, last: u32) -> Result<Checked, Failure> {
        let sets = self.check.key_sets();
        let mut fields = Fields::new();
        let mut good = BulkRows::default();
        let mut checked = Checked {
            keys: vec![Vec::new(); sets.len()],
            ..Checked::default()
        };
        for row in chunk.rows() {
            let is_data = row.number > self.header_row && row.number <= last;
            if !is_data || row.is_blank() {
                continue;
            }
            checked.width = checked.width.max(row.width());
            let number = row.number;
            if row.hidden && self.hidden_rows == HiddenRows::Skip {
                checked.mark(number, Verdict::Skipped, 0);
                continue;
            }
            let judged = self.check.check(row, &mut fields);
            checked.remember(number, sets, &fields);
            match judged {
                Ok(()) => {
                    write_row(&fields, &mut good)?;
                    checked.rounded += u64::from(fields.rounded());
                    checked.cut += u64::from(fields.cut());
                    checked.mark(number, Verdict::Good, good.size_bytes());
                }
                Err(errors) => checked.bad(number, errors, sets, &fields)?,
            }
        }
        checked.text = good.take().into_text().into();
        Ok(checked)
    }
}

impl Checked {
    fn mark(&mut self, number: u32, verdict: Verdict, end: usize) {
        self.marks.push(Mark {
            number,
            verdict,
            end,
        });
    }

    fn remember(&mut self, row: u32, sets: &[KeySet], fields: &Fields) {
        for (set, keys) in sets.iter().zip(&mut self.keys) {
            if let Some(parts) = parts(set, fields) {
                keys.push(Key {
                    fold: fold_key(parts.iter().copied()),
                    text: text_hash(parts.into_iter()),
                    row,
                });
            }
        }
    }

    fn bad(
        &mut self,
        number: u32,
        errors: Vec<RowError>,
        sets: &[KeySet],
        fields: &Fields,
    ) -> Result<(), Failure> {
        let texts = |set| {
            let parts: Vec<&str> = parts(set, fields)?;
            Some(parts.into_iter().map(str::to_owned).collect())
        };
        let row = BadRow {
            number,
            errors,
            keys: sets.iter().map(texts).collect(),
        };
        serde_json::to_writer(&mut self.bad, &row).map_err(internal)?;
        self.bad.push(b'\n');
        self.mark(number, Verdict::Bad, self.bad.len());
        Ok(())
    }
}

/// The texts of a key, if all of it is there.
fn parts<'a>(set: &KeySet, fields: &'a Fields) -> Option<Vec<&'a str>> {
    let part = |at: &usize| match fields.get(*at) {
        Field::Text(text) => Some(text),
        Field::Missing | Field::Null | Field::Keep => None,
    };
    set.columns.iter().map(part).collect()
}

fn write_row(fields: &Fields, out: &mut BulkRows) -> Result<(), Failure> {
    for field in fields.iter() {
        match field {
            Field::Text(text) => out.text(text),
            Field::Null => out.null(),
            Field::Keep => out.keep(),
            Field::Missing => return Err(internal("a good row lacks a value")),
        }
    }
    out.end_row();
    Ok(())
}
