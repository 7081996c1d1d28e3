//! Rows of a request on their way to the table: checked, told apart from their doubles, and at the
//! end told what became of them.

use std::collections::{BTreeMap, HashMap};

use domain::{
    Dataset, Field, Fields, ImportMode, JsonRows, JsonTerms, KeySet, RowError, RowMessages, Tenant,
    fold_key,
};
use serde_json::{Map, Value};
use store::{Applied, ApplyRows, ApplyTarget, BulkRows, RefusedRow, Store, StoreError};

use super::{RowResultView, RowsView};
use crate::problem::Problem;
use crate::view::RowErrorView;

/// Rows of a key set that may be each other's doubles, each with its key.
type Suspects = (KeySet, Vec<(u32, Vec<String>)>);

/// Rows that were checked.
pub(super) struct Checked {
    rows: JsonRows,
    mode: ImportMode,
    messages: RowMessages,
    suspects: Vec<Suspects>,
}

impl Checked {
    /// Checks each row by itself. CPU work: milliseconds, more for long texts and patterns.
    pub(super) fn of(
        dataset: &Dataset,
        rows: &[Map<String, Value>],
        terms: JsonTerms<'_>,
    ) -> Result<Self, Problem> {
        let rows = JsonRows::read(dataset, rows, terms)?;
        let suspects = rows.key_sets().iter();
        let suspects = suspects.map(|set| (set.clone(), suspects_of(set, &rows)));
        Ok(Self {
            mode: terms.mode,
            messages: RowMessages::new(dataset, &[], None, terms.locale, terms.sees_sensitive),
            suspects: suspects.filter(|(_, rows)| !rows.is_empty()).collect(),
            rows,
        })
    }

    /// Refuses rows with equal keys, the bad ones counted in, as a split does for a file: none of
    /// them is stored, each names the others, and what is equal is the table's to say.
    pub(super) async fn refuse_doubles(
        &mut self,
        store: &Store,
        dataset: &Dataset,
    ) -> Result<(), StoreError> {
        for (set, rows) in std::mem::take(&mut self.suspects) {
            let comparison = store.key_comparison(dataset, &set.names).await?;
            let keys = rows.iter().map(|(_, key)| key.clone()).collect();
            let marks = store.key_marks(&comparison, keys).await?;
            let mut equal: HashMap<u64, Vec<u32>> = HashMap::new();
            for ((row, _), mark) in rows.iter().zip(marks) {
                equal.entry(mark).or_default().push(*row);
            }
            for rows in equal.into_values().filter(|rows| rows.len() > 1) {
                for row in &rows {
                    let others = rows.iter().filter(|other| *other != row);
                    let others: Vec<u32> = others.copied().collect();
                    self.rows
                        .refuse(self.messages.duplicate(*row, &set, &others));
                }
            }
        }
        Ok(())
    }

    /// The good rows, and where they go; none when there is none.
    pub(super) fn work(
        &self,
        dataset: &Dataset,
        tenant: &Tenant,
    ) -> Result<Option<(ApplyTarget, ApplyRows)>, Problem> {
        let mut numbers = Vec::new();
        let mut text = BulkRows::default();
        for (number, row) in (0..).zip(self.rows.rows()) {
            if let Some(fields) = row.good() {
                numbers.push(number);
                write(fields, &mut text);
            }
        }
        if numbers.is_empty() {
            return Ok(None);
        }
        let target = ApplyTarget::new(dataset, self.rows.fields(), tenant, self.mode);
        let rows = ApplyRows::of_chunk(numbers, text.take())?;
        Ok(Some((target.map_err(Problem::internal)?, rows)))
    }

    /// What became of each row.
    pub(super) fn view(&self, applied: &Applied) -> RowsView {
        let mut refused = applied.refused.iter().peekable();
        let mut results = Vec::with_capacity(self.rows.rows().len());
        for (number, row) in (0_u32..).zip(self.rows.rows()) {
            let mut errors = row.errors.clone();
            while let Some(it) = refused.next_if(|it| it.number == number) {
                errors.push(self.told(it, &row.fields));
            }
            let status = if errors.is_empty() {
                self.stored(number, applied)
            } else {
                "FAILED"
            };
            results.push(RowResultView {
                index: results.len(),
                status,
                errors: errors.iter().map(RowErrorView::from).collect(),
            });
        }
        let count = |status: &str| results.iter().filter(|row| row.status == status).count();
        RowsView {
            total: results.len(),
            inserted: count("INSERTED"),
            updated: count("UPDATED"),
            failed: count("FAILED"),
            results,
        }
    }

    fn stored(&self, number: u32, applied: &Applied) -> &'static str {
        let was_there = || applied.updated_rows.binary_search(&number).is_ok();
        match self.mode {
            ImportMode::Insert => "INSERTED",
            ImportMode::Update => "UPDATED",
            ImportMode::Upsert if was_there() => "UPDATED",
            ImportMode::Upsert => "INSERTED",
        }
    }

    /// What the table has against a row.
    fn told(&self, refused: &RefusedRow, fields: &Fields) -> RowError {
        let field = refused.field.as_deref();
        let value = field.and_then(|field| {
            let index = self.rows.fields().iter().position(|name| name == field)?;
            text_of(fields, index)
        });
        let said = refused.said.iter();
        let said = said.map(|said| ("reason".to_owned(), said.clone().into()));
        self.messages
            .error(refused.number, refused.code, field, value, said.collect())
    }
}

/// Rows whose keys any collation may take for equal.
fn suspects_of(set: &KeySet, rows: &JsonRows) -> Vec<(u32, Vec<String>)> {
    let mut by_fold: BTreeMap<u128, Vec<(u32, Vec<String>)>> = BTreeMap::new();
    for (number, row) in (0..).zip(rows.rows()) {
        if let Some(key) = set.key(&row.fields) {
            let fold = fold_key(key.iter().copied());
            let key = key.into_iter().map(str::to_owned).collect();
            by_fold.entry(fold).or_default().push((number, key));
        }
    }
    let shared = by_fold.into_values().filter(|rows| rows.len() > 1);
    shared.flatten().collect()
}

fn write(fields: &Fields, text: &mut BulkRows) {
    for field in fields.iter() {
        match field {
            Field::Text(value) => text.text(value),
            Field::Null => text.null(),
            // A row that is good misses nothing.
            Field::Keep | Field::Missing => text.keep(),
        }
    }
    text.end_row();
}

fn text_of(fields: &Fields, index: usize) -> Option<&str> {
    match fields.get(index) {
        Field::Text(text) => Some(text),
        Field::Missing | Field::Null | Field::Keep => None,
    }
}
