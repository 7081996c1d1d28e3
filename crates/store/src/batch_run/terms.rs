//! What a batch is asked for, what it sees and what becomes of it.

use std::time::Duration;

use domain::{BizId, BizStatus, BizType, CompensateBizId, Failure, Lane, Rung, Tenant};
use futures::future::BoxFuture;

use crate::announce::Announced;
use crate::apply::{Applied, ApplyRows, ApplyTarget, apply};
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::LockedRow;

/// Which rows are to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Those that rings name, as far as they wait at the ring's epoch.
    Rung(Vec<Rung>),
    /// The oldest that are due, so many at most.
    Due(usize),
}

/// A row of a batch, locked, as whoever writes its effects sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// The row.
    pub id: CompensateBizId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The kind of work.
    pub biz_type: BizType,
    /// What it is about.
    pub biz_id: BizId,
    /// The work itself; JSON, unless a plain SQL client wrote something else.
    pub context: String,
    /// Failures so far.
    pub cnt: u32,
}

/// A row of which nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedItem {
    /// Its place in the batch.
    pub place: usize,
    /// Why; of kind transient, permanent or rejected.
    pub failure: Failure,
    /// When it is tried again, if it is.
    pub delay: Duration,
}

/// The transaction of a batch, as far as effects may use it.
pub struct BatchTx<'c> {
    pub(crate) connection: &'c mut Connection,
}

impl BatchTx<'_> {
    /// Writes rows to a table, as [`Tx::apply`](crate::Tx::apply) does; what the table refuses is told.
    ///
    /// # Errors
    /// As [`Tx::apply`](crate::Tx::apply).
    pub async fn apply(
        &mut self,
        target: &ApplyTarget,
        rows: &ApplyRows,
    ) -> Result<Applied, StoreError> {
        apply(self.connection, target, rows, false).await
    }
}

/// Writes the effects of rows and tells which it refuses, each once. May be called more than once,
/// each time in a fresh transaction; an error takes everything back.
pub type BatchWrites = dyn for<'t> Fn(
        &'t mut BatchTx<'_>,
        &'t [BatchRow],
    ) -> BoxFuture<'t, Result<Vec<RefusedItem>, StoreError>>
    + Send
    + Sync;

/// A row that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedItem {
    /// The row.
    pub id: CompensateBizId,
    /// Where it stands now: it waits for another try, or was given up.
    pub status: BizStatus,
    /// Why.
    pub failure: Failure,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchRan {
    /// Rows that are done.
    pub done: usize,
    /// Those among all that were tried for the first time.
    pub first_tries: usize,
    /// Rows that were refused.
    pub failed: Vec<FailedItem>,
    /// Rows that exist but did not wait at the ring's epoch: doubled or late rings.
    pub duplicates: usize,
    /// Rows that do not exist on this lane: for a dead letter.
    pub orphans: Vec<Rung>,
    /// Rows that were found, and left as they are: the contexts of a batch have their bound.
    pub left: Vec<Rung>,
    /// To be rung right after this.
    pub born: Vec<(Lane, Announced)>,
}

impl BatchRan {
    /// Rows that were tried.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.done + self.failed.len()
    }
}

/// A batch that was not run.
#[derive(Debug, thiserror::Error)]
#[error("a batch of {} rows was not run", rows.len())]
pub struct BatchFault {
    /// Why. Where it is transient, the same may be asked again.
    #[source]
    pub error: StoreError,
    /// The rows that it was about, as far as it had found them.
    pub rows: Vec<Rung>,
}

impl BatchRow {
    pub(super) fn of(row: &LockedRow) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant.clone(),
            biz_type: BizType::stored(row.biz_type.clone()),
            biz_id: row.biz_id.clone(),
            context: row.context.clone(),
            cnt: row.state.cnt,
        }
    }
}
