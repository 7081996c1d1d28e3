//! Handler kind `rows`: each row's context becomes a row of a dataset's table, in the transaction that
//! finishes it, so exactly once.
//!
//! The values are checked as those of `POST /datasets/{name}/rows` are, by the dataset's own rules.
//! What is no JSON object, breaks a rule or is refused by the table fails alone, for good. Two rows of
//! one batch with one key are written one after the other, where the mode allows it. Shown by
//! `tests/it/rows.rs`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono_tz::Tz;
use domain::{
    Dataset, Failure, FailureCode, Field, Fields, ImportMode, JsonRows, JsonTerms, RowCode,
    RowError, RowsSpec, Tenant,
};
use engine::BulkHandler;
use serde_json::{Map, Value};
use store::{ApplyRows, ApplyTarget, BatchRow, BatchTx, BulkRows, StoreError};

/// Writes rows of one dataset.
pub struct RowsHandler {
    dataset: Dataset,
    spec: RowsSpec,
    timezone: Tz,
}

/// A row that may be written.
struct Line {
    /// In the batch.
    place: usize,
    /// Its key, for the order: all batches take their locks in one.
    key: Vec<Option<String>>,
    fields: Fields,
}

/// By whose they are.
type Lines = BTreeMap<Tenant, Vec<Line>>;

/// Rows and why each is refused.
type Refused = Vec<(usize, Failure)>;

impl RowsHandler {
    /// A handler for the dataset that the definition names; moments without an offset are of
    /// `timezone`.
    #[must_use]
    pub fn new(dataset: Dataset, spec: RowsSpec, timezone: Tz) -> Self {
        Self {
            dataset,
            spec,
            timezone,
        }
    }

    /// Checks the contexts. Answers the columns that they bring, and the lines by tenant.
    fn read(
        &self,
        rows: &[BatchRow],
        refused: &mut Refused,
    ) -> Result<(Vec<String>, Lines), StoreError> {
        let mut places = Vec::with_capacity(rows.len());
        let mut given = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter().enumerate() {
            match self.columns(&row.context) {
                Some(columns) => {
                    places.push(place);
                    given.push(columns);
                }
                None => refused.push((place, rejected("the context is no JSON object"))),
            }
        }
        let terms = JsonTerms {
            mode: self.spec.mode,
            locale: "en",
            timezone: self.timezone,
            sees_sensitive: false,
        };
        let read = JsonRows::read(&self.dataset, &given, terms)
            // The columns are the definition's, which was checked.
            .map_err(|faults| StoreError::Corrupt(format!("{} unknown columns", faults.len())))?;
        let is_key = |name: &String| self.dataset.key.contains(name);
        let key: Vec<usize> = (0..read.fields().len())
            .filter(|at| is_key(&read.fields()[*at]))
            .collect();
        let mut lines = Lines::new();
        for (place, row) in places.into_iter().zip(read.rows()) {
            let Some(fields) = row.good() else {
                refused.push((place, rejected(told(&row.errors))));
                continue;
            };
            let tenant = rows[place].tenant.clone();
            lines.entry(tenant).or_default().push(Line {
                place,
                key: key.iter().map(|at| text_of(fields, *at)).collect(),
                fields: fields.clone(),
            });
        }
        Ok((read.fields().to_vec(), lines))
    }

    /// The columns that a context fills; null where it says null, absent where it says nothing.
    fn columns(&self, context: &str) -> Option<Map<String, Value>> {
        let mut context: Map<String, Value> = serde_json::from_str(context).ok()?;
        let columns = self.spec.columns.iter();
        let columns = columns.filter_map(|(column, field)| {
            // Two columns may be filled from one field.
            let last = self.spec.columns.iter().rfind(|(_, it)| it == field)?;
            let value = if last.0 == *column {
                context.remove(field)?
            } else {
                context.get(field)?.clone()
            };
            Some((column.clone(), value))
        });
        Some(columns.collect())
    }

    /// Writes the lines of one tenant, those with one key one after the other.
    async fn write(
        &self,
        tx: &mut BatchTx<'_>,
        fields: &[String],
        tenant: &Tenant,
        mut lines: Vec<Line>,
        refused: &mut Refused,
    ) -> Result<(), StoreError> {
        let target = ApplyTarget::new(&self.dataset, fields, tenant, self.spec.mode)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        // Equal keys stay in the order of their rows.
        lines.sort_by(|one, other| one.key.cmp(&other.key));
        if self.spec.mode == ImportMode::Insert {
            return self.write_some(tx, &target, lines, refused).await;
        }
        for lines in rounds(lines) {
            self.write_some(tx, &target, lines, refused).await?;
        }
        Ok(())
    }

    /// Writes lines of different keys. Where the table takes two for the same all the same, the later
    /// one goes after the other.
    async fn write_some(
        &self,
        tx: &mut BatchTx<'_>,
        target: &ApplyTarget,
        mut lines: Vec<Line>,
        refused: &mut Refused,
    ) -> Result<(), StoreError> {
        while !lines.is_empty() {
            let applied = tx.apply(target, &text_of_lines(&lines)?).await?;
            let mut again = BTreeSet::new();
            for row in applied.refused {
                let at = usize::try_from(row.number)
                    .map_err(|error| StoreError::Corrupt(error.to_string()))?;
                if row.code == RowCode::DuplicateInFile && self.spec.mode != ImportMode::Insert {
                    again.insert(at);
                    continue;
                }
                let field = row.field.as_deref();
                let detail = said(row.code, field) + row.said.as_deref().unwrap_or_default();
                refused.push((lines[at].place, rejected(detail)));
            }
            if again.len() == lines.len() {
                let told = "rows keep being each other's duplicates";
                return Err(StoreError::Corrupt(told.to_owned()));
            }
            let numbered = lines.into_iter().enumerate();
            let late = numbered.filter(|(at, _)| again.contains(at));
            lines = late.map(|(_, line)| line).collect();
        }
        Ok(())
    }
}

/// The first lines of all keys, then the second ones, and so on: a thousand lines of one key cost a
/// thousand writes of one line, and not each of them a look at all the others. They come in the order
/// of their keys.
fn rounds(lines: Vec<Line>) -> Vec<Vec<Line>> {
    let mut rounds: Vec<Vec<Line>> = Vec::new();
    let mut round = 0;
    for line in lines {
        let same = |last: &Line| last.key == line.key;
        let follows = rounds.get(round).and_then(|it| it.last()).is_some_and(same);
        round = if follows { round + 1 } else { 0 };
        if rounds.len() <= round {
            rounds.push(Vec::new());
        }
        rounds[round].push(line);
    }
    rounds
}

#[async_trait]
impl BulkHandler for RowsHandler {
    async fn run(
        &self,
        tx: &mut BatchTx<'_>,
        rows: &[BatchRow],
    ) -> Result<Vec<(usize, Failure)>, StoreError> {
        let mut refused = Vec::new();
        let (fields, lines) = self.read(rows, &mut refused)?;
        for (tenant, lines) in lines {
            self.write(tx, &fields, &tenant, lines, &mut refused)
                .await?;
        }
        Ok(refused)
    }
}

fn rejected(detail: impl std::fmt::Display) -> Failure {
    Failure::permanent(FailureCode::InvalidRequest, detail)
}

/// What is wrong, without the values.
fn told(errors: &[RowError]) -> String {
    let told = errors.iter();
    let told: Vec<String> = told.map(|it| said(it.code, it.field.as_deref())).collect();
    told.join("; ")
}

fn said(code: RowCode, field: Option<&str>) -> String {
    match field {
        Some(field) => format!("{code} in column {field}"),
        None => code.to_string(),
    }
}

fn text_of(fields: &Fields, at: usize) -> Option<String> {
    match fields.get(at) {
        Field::Text(text) => Some(text.to_owned()),
        Field::Missing | Field::Null | Field::Keep => None,
    }
}

/// The lines as they travel, each by its place among them.
fn text_of_lines(lines: &[Line]) -> Result<ApplyRows, StoreError> {
    let mut text = BulkRows::default();
    for line in lines {
        for field in line.fields.iter() {
            match field {
                Field::Text(value) => text.text(value),
                Field::Null => text.null(),
                // A row that is good misses nothing.
                Field::Keep | Field::Missing => text.keep(),
            }
        }
        text.end_row();
    }
    let numbers = (0..).take(lines.len()).collect();
    ApplyRows::of_chunk(numbers, text.take())
}
