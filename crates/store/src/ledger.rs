//! The ledger of an import: one row for each batch that was applied, committed with the rows that it
//! counts. The counts of an open import are sums over it, read from an index alone; what a row has
//! against it lies beside them, compressed, in parts of a bounded number: an import that is all or
//! nothing is one batch of up to 100,000 rows. Shown by `tests/it/import/`.

mod packed;
mod sums;

use std::borrow::Cow;
use std::collections::BTreeMap;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{RowCode, RowError, TaskId, Tenant};

use crate::Store;
use crate::door::Op;
use crate::effects::Tx;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::{Id, LockedRow};
use crate::submit::IMPORT_BATCH;

use packed::pack;
pub(crate) use packed::{packed_errors, unpack};
pub(crate) use sums::{Counted, counted, sums};

/// What has become of an import's rows so far, in rows; `by_code` in errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Inserted and updated, or valid where nothing is to be written.
    pub done: u64,
    pub inserted: u64,
    pub updated: u64,
    /// With at least one row error.
    pub failed: u64,
    /// Left out on purpose.
    pub skipped: u64,
    /// Row errors of each kind: a row may have several.
    pub by_code: BTreeMap<RowCode, u64>,
}

impl Ledger {
    /// Rows that something has become of.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.done + self.failed + self.skipped
    }
}

/// What has become of one batch, in rows.
#[derive(Debug, Clone, Copy)]
pub struct LedgerEntry<'a> {
    /// The batch, counted from 1.
    pub number: u32,
    /// Number of its first sheet row.
    pub first_row: u32,
    /// Number of its last sheet row.
    pub last_row: u32,
    /// Inserted and updated, or valid where nothing is to be written.
    pub done: u32,
    pub inserted: u32,
    pub updated: u32,
    /// With at least one error.
    pub failed: u32,
    pub skipped: u32,
    /// All that is wrong with its rows.
    pub errors: &'a [RowError],
}

/// Most row errors of one part.
const PART_ERRORS: usize = 2_000;

/// One part of the row errors of a batch, in sheet order over all batches and parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerPart {
    /// The batch, counted from 1.
    pub batch: u32,
    /// The part, counted from 0.
    pub part: u16,
}

impl LedgerPart {
    pub(crate) const FIRST: Self = Self { batch: 0, part: 0 };

    /// The place behind it.
    pub(crate) fn next(self) -> Self {
        match self.part.checked_add(1) {
            Some(part) => Self { part, ..self },
            None => Self {
                batch: self.batch.saturating_add(1),
                part: 0,
            },
        }
    }
}

impl Tx<'_> {
    /// Writes the ledger's row of a batch, and further ones for errors that it has too many of. Once for each: the task's counts rise with the commit.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the batch stands in the ledger already;
    /// [`StoreError::Corrupt`] when the row has no task.
    pub async fn record_batch(&mut self, entry: &LedgerEntry<'_>) -> Result<(), StoreError> {
        let task = crate::import::task_of(self)?;
        let mut errors = Cow::Borrowed(entry.errors);
        if !errors.is_sorted_by_key(|error| error.row) {
            errors.to_mut().sort_by_key(|error| error.row);
        }
        let mut parts = errors.chunks(PART_ERRORS);
        self.record_part(task, entry, 0, parts.next().unwrap_or_default())
            .await?;
        let rest = LedgerEntry {
            done: 0,
            inserted: 0,
            updated: 0,
            failed: 0,
            skipped: 0,
            ..*entry
        };
        for (number, errors) in (1..).zip(parts) {
            let number = u16::try_from(number).map_err(corrupt)?;
            self.record_part(task, &rest, number, errors).await?;
        }
        Ok(())
    }

    async fn record_part(
        &mut self,
        task: TaskId,
        entry: &LedgerEntry<'_>,
        part: u16,
        errors: &[RowError],
    ) -> Result<(), StoreError> {
        let packed = pack(errors).await?;
        sql_query(
            "INSERT INTO import_batch (tenant, task_id, batch_no, part, first_row, last_row, done, \
             inserted, updated, failed, skipped, by_code, row_errors) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Unsigned<BigInt>, _>(task.0)
        .bind::<Unsigned<Integer>, _>(entry.number)
        .bind::<Unsigned<Integer>, _>(u32::from(part))
        .bind::<Unsigned<Integer>, _>(entry.first_row)
        .bind::<Unsigned<Integer>, _>(entry.last_row)
        .bind::<Unsigned<Integer>, _>(entry.done)
        .bind::<Unsigned<Integer>, _>(entry.inserted)
        .bind::<Unsigned<Integer>, _>(entry.updated)
        .bind::<Unsigned<Integer>, _>(entry.failed)
        .bind::<Unsigned<Integer>, _>(entry.skipped)
        .bind::<Nullable<Text>, _>(by_code(errors)?)
        .bind::<Nullable<Binary>, _>(packed)
        .execute(self.connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The sums of an import's ledger, as committed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ledger(&self, tenant: &Tenant, task: TaskId) -> Result<Ledger, StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::ReadLedger, async move |connection: &mut Connection| {
            sums(connection, &tenant, task).await
        })
        .await
    }

    /// The first part behind `after` of all that have row errors, with its errors in sheet order.
    /// Begun with none and gone on with the part that came, it gives those of the whole import in
    /// sheet order, a few thousand in memory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn batch_errors(
        &self,
        tenant: &Tenant,
        task: TaskId,
        after: Option<LedgerPart>,
    ) -> Result<Option<(LedgerPart, Vec<RowError>)>, StoreError> {
        let tenant = tenant.clone();
        let from = after.map_or(LedgerPart::FIRST, LedgerPart::next);
        let found = self
            .transact(Op::ReadLedger, async move |connection: &mut Connection| {
                packed_errors(connection, &tenant, task, from, None).await
            })
            .await?;
        match found {
            Some((part, packed)) => Ok(Some((part, unpack(packed).await?))),
            None => Ok(None),
        }
    }
}

/// Whether the row is a batch that stands in the ledger: its rows were applied, in a commit of which
/// the row does not tell (it was put back by hand, or restored).
pub(crate) async fn stands(
    connection: &mut Connection,
    row: &LockedRow,
) -> Result<bool, StoreError> {
    let batch = (row.biz_id.as_str().split_once('/')).and_then(|(_, number)| number.parse().ok());
    let (IMPORT_BATCH, Some(task), Some(batch)) = (row.biz_type.as_str(), row.task_id, batch)
    else {
        return Ok(false);
    };
    let found: Vec<Id> = sql_query(
        "SELECT task_id AS id FROM import_batch FORCE INDEX (PRIMARY) \
         WHERE tenant = ? AND task_id = ? AND batch_no = ? AND part = 0",
    )
    .bind::<Text, _>(row.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(task.0)
    .bind::<Unsigned<Integer>, u32>(batch)
    .load(connection)
    .await?;
    Ok(!found.is_empty())
}

fn by_code(errors: &[RowError]) -> Result<Option<String>, StoreError> {
    if errors.is_empty() {
        return Ok(None);
    }
    let mut sums: BTreeMap<RowCode, u64> = BTreeMap::new();
    for error in errors {
        *sums.entry(error.code).or_default() += 1;
    }
    serde_json::to_string(&sums).map(Some).map_err(corrupt)
}

pub(crate) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
