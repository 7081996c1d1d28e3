//! One IMPORT_BATCH row: the rows of a batch object go into the table, and what became of them into
//! the ledger, in the transaction of the finish.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{BatchSpec, Catalog, Dataset, Failure, FailureCode, OnError, RowError, RowMessages};
use engine::{Attempt, BizHandler};
use serde_json::Map;
use service::Storage;
use store::{Applied, ApplyRows, ApplyTarget, Effects, LedgerEntry, RefusedRow, StoreError, Tx};

use crate::batches::fetch;
use crate::context::{dataset_of, read_context};
use crate::failure::{internal, of_panic, of_store};
use crate::object::{read_batch, read_duplicates};
use crate::sorted::Sorted;
use crate::tally::{BatchTally, Counts};

/// Applies batches.
pub struct BatchHandler {
    storage: Storage,
    catalog: Arc<Catalog>,
}

impl BatchHandler {
    /// A handler for the datasets of `catalog`, whose batches lie in `storage`.
    #[must_use]
    pub fn new(storage: Storage, catalog: Arc<Catalog>) -> Self {
        Self { storage, catalog }
    }

    async fn prepare(&self, attempt: &Attempt, spec: BatchSpec) -> Result<Prepared, Failure> {
        let dataset = dataset_of(&self.catalog, &spec.dataset)?.clone();
        unchanged(&spec, &dataset)?;
        let rows = fetch(&self.storage, &spec.object_key).await?;
        let duplicates = match &spec.duplicates_key {
            Some(key) => Some(fetch(&self.storage, key).await?),
            None => None,
        };
        let tenant = attempt.tenant().clone();
        let preparing = tokio::task::spawn_blocking(move || {
            let batch = read_batch(&rows).map_err(internal)?;
            let duplicates = match duplicates {
                Some(object) => read_duplicates(&object).map_err(internal)?,
                None => Vec::new(),
            };
            let sorted = Sorted::new(batch, duplicates);
            let fields = &sorted.head.shape.fields;
            let target =
                ApplyTarget::new(&dataset, fields, &tenant, spec.mode).map_err(internal)?;
            Prepared::new(&dataset, spec, sorted, target)
        });
        preparing.await.map_err(of_panic)?
    }
}

/// Rows were judged by the definition of the split. By another one they might be none that it takes,
/// and half an import under each is worse than rows left over: while a definition is rolled out
/// another try may meet a worker that has the same; else they stay unprocessed, and a retry applies
/// them when the definition is back.
fn unchanged(spec: &BatchSpec, dataset: &Dataset) -> Result<(), Failure> {
    let now = dataset.fingerprint();
    match &spec.fingerprint {
        Some(then) if *then != now => {
            let (name, version) = (&dataset.name, &dataset.version);
            let detail = format!(
                "the definition of {name} was changed since the file was read: it was {then} and is \
                 {now}, version {version}; put it back and retry the import, or import the file anew"
            );
            Err(Failure::transient(FailureCode::Internal, detail))
        }
        Some(_) | None => Ok(()),
    }
}

#[async_trait]
impl BizHandler for BatchHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let spec: BatchSpec = read_context(attempt)?;
        let tally = BatchTally::new(&spec.dataset, attempt.claimed().cnt);
        let prepared = self.prepare(attempt, spec).await?;
        let work = Arc::new((prepared, tally));
        Ok(Effects::new(move |tx| {
            let work = work.clone();
            Box::pin(async move {
                let (prepared, tally) = &*work;
                tally.begin();
                let applied = prepared.apply(tx).await;
                tally.end(applied.as_ref().cloned());
                applied.map(drop)
            })
        }))
    }

    /// Nothing: a batch writes to no place but the database, and its objects are the import's.
    async fn clean_up(&self, _: &Attempt) {}
}

/// A batch, ready for the transaction.
struct Prepared {
    spec: BatchSpec,
    rows: Sorted,
    good: ApplyRows,
    target: ApplyTarget,
    messages: RowMessages,
}

impl Prepared {
    fn new(
        dataset: &Dataset,
        spec: BatchSpec,
        rows: Sorted,
        target: ApplyTarget,
    ) -> Result<Self, Failure> {
        let shape = &rows.head.shape;
        let messages = RowMessages::new(
            dataset,
            &shape.columns,
            shape.sheet.as_deref(),
            &spec.locale,
            spec.sees_sensitive,
        );
        let good = ApplyRows::new(rows.numbers.clone(), rows.text.clone());
        Ok(Self {
            good: good.map_err(|error| of_store(&error))?,
            spec,
            target,
            messages,
            rows,
        })
    }

    /// Writes the rows and the ledger. May run more than once, each time in a fresh transaction.
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Counts, StoreError> {
        let applied = self.write(tx).await?;
        let refused = self.told(&applied.refused);
        // as many as the rows of a whole import, when it is all or nothing: not copied for nothing
        let mut errors = Cow::Borrowed(self.rows.errors.as_slice());
        if !refused.is_empty() {
            let all = errors.to_mut();
            all.extend(refused);
            all.sort_by_key(|error| error.row);
        }
        let counts = self.counts(&applied, &errors)?;
        let head = &self.rows.head;
        let entry = LedgerEntry {
            number: self.spec.number,
            first_row: head.first_row,
            last_row: head.last_row,
            done: counts.done,
            inserted: counts.inserted,
            updated: counts.updated,
            failed: counts.failed,
            skipped: counts.skipped,
            errors: &errors,
        };
        tx.record_batch(&entry).await?;
        Ok(counts)
    }

    /// A fault anywhere keeps an import that is all or nothing from writing at all.
    async fn write(&self, tx: &mut Tx<'_>) -> Result<Applied, StoreError> {
        let all_or_nothing = self.spec.on_error == OnError::Abort;
        let given_up = all_or_nothing && self.rows.failed > 0;
        if self.spec.validate_only || given_up || self.good.is_empty() {
            return Ok(Applied::default());
        }
        tx.apply(&self.target, &self.good, all_or_nothing).await
    }

    fn counts(&self, applied: &Applied, errors: &[RowError]) -> Result<Counts, StoreError> {
        let count = |rows: u64| {
            u32::try_from(rows).map_err(|_more| StoreError::Corrupt("a batch of 4 Gi rows".into()))
        };
        let done = if self.spec.validate_only {
            self.good.len() as u64
        } else {
            applied.inserted + applied.updated
        };
        Ok(Counts {
            done: count(done)?,
            inserted: count(applied.inserted)?,
            updated: count(applied.updated)?,
            failed: count((self.rows.failed + applied.refused.len()) as u64)?,
            skipped: self.rows.head.skipped,
            codes: Counts::codes(errors),
        })
    }

    /// What the table refused, as the user is told.
    fn told(&self, refused: &[RefusedRow]) -> Vec<RowError> {
        let places: Vec<(u32, Option<&str>)> = refused
            .iter()
            .map(|row| (row.number, row.field.as_deref()))
            .collect();
        let values = self.rows.values(&places);
        let tell = |(row, value): (&RefusedRow, Option<String>)| {
            let mut params = Map::new();
            if let Some(said) = &row.said {
                params.insert("reason".to_owned(), said.clone().into());
            }
            let (field, value) = (row.field.as_deref(), value.as_deref());
            self.messages
                .error(row.number, row.code, field, value, params)
        };
        refused.iter().zip(values).map(tell).collect()
    }
}
