//! Whether anybody serves a lane, told by its rows alone: what has been due there for longest, and
//! whether it has moved since. Shown by `tests/it/stray.rs`.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{CompensateBizId, Lane, LeaseEpoch, Rung};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::Id;
use crate::take::epoch_of;

impl Store {
    /// The rows of the lane that wait and have been due for longest, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn longest_due(&self, lane: &Lane, limit: usize) -> Result<Vec<Rung>, StoreError> {
        let lane = lane.clone();
        self.transact(Op::Sweep, async move |connection: &mut Connection| {
            let due: Vec<DueRow> = sql_query(format!(
                "SELECT id, lease_epoch FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? AND wake_at <= UTC_TIMESTAMP(6) AND status = 'WAIT_HANDLE' \
                 ORDER BY wake_at LIMIT {limit}"
            ))
            .bind::<Text, _>(lane.as_str())
            .load(connection)
            .await?;
            Ok(due.into_iter().map(DueRow::into_rung).collect())
        })
        .await
    }

    /// Whether each of these rows still waits as it did, untried since: whoever is to run it is the
    /// same that was to run it then. A row that was rung, or has changed its lane, waits as it did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wait_as_before(&self, rows: &[Rung]) -> Result<bool, StoreError> {
        if rows.is_empty() {
            return Ok(true);
        }
        let rows = rows.to_vec();
        self.transact(Op::Sweep, async move |connection: &mut Connection| {
            let waiting: Vec<Id> = sql_query(format!(
                "SELECT id FROM compensate_biz FORCE INDEX (PRIMARY) \
                 WHERE id IN ({ids}) AND status = 'WAIT_HANDLE' AND lease_epoch = {epoch}",
                ids = list(rows.iter().map(|row| row.id.0)),
                epoch = epoch_of(&rows)
            ))
            .load(connection)
            .await?;
            Ok(waiting.len() == rows.len())
        })
        .await
    }

    /// Whether somebody holds a row of the lane, on a lease that has not ended. Where nobody does, it
    /// reads each row that is due in future: to be asked of lanes that hardly have any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_at_work(&self, lane: &Lane) -> Result<bool, StoreError> {
        let lane = lane.clone();
        self.transact(Op::Sweep, async move |connection: &mut Connection| {
            let held: Vec<Id> = sql_query(
                "SELECT id FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? AND wake_at > UTC_TIMESTAMP(6) AND status = 'PROCESSING' LIMIT 1",
            )
            .bind::<Text, _>(lane.as_str())
            .load(connection)
            .await?;
            Ok(!held.is_empty())
        })
        .await
    }
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
}

impl DueRow {
    fn into_rung(self) -> Rung {
        Rung {
            id: CompensateBizId(self.id),
            epoch: LeaseEpoch(self.lease_epoch),
        }
    }
}
