//! Rows of an import into their table, within the transaction that counts them.
//!
//! Owns [`Tx::apply`]: one batch of checked rows, by insert, upsert or update, for one tenant. Promises
//! that a row either stands in the table as it was given or is told with a code, that the bad rows of
//! a batch never keep the good ones out, that nothing is altered on the way (strict mode; a LOAD DATA
//! counts only without warnings), and that no row but the one with the dataset's own key is ever
//! updated. Deadlocks, lock waits and a server that is away go up as [`StoreError`], so that the door
//! repeats the whole transaction. Shown by `tests/it/apply*`.

mod batch;
mod fault;
pub(crate) mod infile;
mod job;
mod load;
mod request;
mod search;
mod sieve;
mod statement;
mod table;
mod target;

use diesel_async::SimpleAsyncConnection;
use domain::RowCode;

use crate::effects::Tx;
use crate::error::StoreError;
use crate::pool::Connection;

use batch::Batch;
use job::Job;

pub use batch::ApplyRows;
pub use request::{KeyedRows, RowsOnce, RowsReply};
pub use target::{ApplyTarget, TargetError};

/// What became of the rows of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that were there, also where nothing about them changed.
    pub updated: u64,
    /// The numbers of the rows that were there, rising.
    pub updated_rows: Vec<u32>,
    /// The others, by rising number. Nothing of them is in the table.
    pub refused: Vec<RefusedRow>,
}

/// A row that the table does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its number, as [`ApplyRows`] gave it.
    pub number: u32,
    /// Why.
    pub code: RowCode,
    /// The column of the table, where one alone is to blame.
    pub field: Option<String>,
    /// What a trigger of the table says (SQLSTATE 45000), at most 200 characters; written by whoever
    /// made the table, for whoever fills it. None for every other code.
    pub said: Option<String>,
}

impl Tx<'_> {
    /// Writes the rows to the table. With `all_or_nothing`, a single refused row leaves nothing of
    /// them there, both counts are 0, and `refused` holds the first 1,000 or more.
    ///
    /// Keeps row locks until the transaction ends. Meant for batches of up to 5,000 rows; up to
    /// 100,000 with `all_or_nothing`.
    ///
    /// # Errors
    /// [`StoreError::Contended`] and [`StoreError::Unavailable`] end the transaction, which must be
    /// repeated whole; [`StoreError::Refused`] and [`StoreError::Corrupt`] when table and definition
    /// do not fit together.
    pub async fn apply(
        &mut self,
        target: &ApplyTarget,
        rows: &ApplyRows,
        all_or_nothing: bool,
    ) -> Result<Applied, StoreError> {
        apply(self.connection, target, rows, all_or_nothing).await
    }
}

pub(crate) async fn apply(
    connection: &mut Connection,
    target: &ApplyTarget,
    rows: &ApplyRows,
    all_or_nothing: bool,
) -> Result<Applied, StoreError> {
    if all_or_nothing {
        connection.batch_execute("SAVEPOINT quayside_apply").await?;
    }
    let batch = Batch::new(rows, target.fields.len());
    let job = Job::begin(connection, target, &batch, all_or_nothing).await?;
    let applied = job.run((0..rows.len()).collect()).await?;
    if !all_or_nothing || applied.refused.is_empty() {
        return Ok(applied);
    }
    connection
        .batch_execute("ROLLBACK TO SAVEPOINT quayside_apply")
        .await?;
    Ok(Applied {
        refused: applied.refused,
        ..Applied::default()
    })
}
