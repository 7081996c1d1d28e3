//! How much work of a lane is open, and since when: for the gauges of whoever works on it. Shown by
//! `tests/it/backlog.rs`.

use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::Lane;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::ledger::corrupt;
use crate::pool::Connection;

/// What is open on a lane: waiting, for whatever time, or running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Rows.
    pub rows: u64,
    /// Age of the oldest of them, in seconds; 0 when there is none.
    pub oldest_seconds: u64,
}

impl Store {
    /// Counts what is open on a lane. Reads each open row once: not to be asked more often than
    /// every few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backlog(&self, lane: &Lane) -> Result<Backlog, StoreError> {
        let lane = lane.clone();
        self.transact(Op::Backlog, async move |connection: &mut Connection| {
            let counted: Counted = sql_query(
                "SELECT COUNT(*) AS row_count, COALESCE(TIMESTAMPDIFF(SECOND, MIN(created_at), \
                 UTC_TIMESTAMP(6)), 0) AS oldest FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? AND wake_at IS NOT NULL",
            )
            .bind::<Text, _>(lane.as_str())
            .get_result(connection)
            .await?;
            Ok(Backlog {
                rows: counted.row_count.unsigned_abs(),
                oldest_seconds: u64::try_from(counted.oldest).unwrap_or(0),
            })
        })
        .await
    }

    /// How many batches of imports are open on a lane, for each of these datasets. Reads each open
    /// row and its task once: not to be asked more often than every few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_batches(
        &self,
        lane: &Lane,
        datasets: &[String],
    ) -> Result<Vec<u64>, StoreError> {
        if datasets.is_empty() {
            return Ok(Vec::new());
        }
        let (lane, datasets) = (lane.clone(), datasets.to_vec());
        self.transact(Op::Backlog, async move |connection: &mut Connection| {
            let sums = vec!["COALESCE(SUM(t.dataset = ?), 0)"; datasets.len()].join(", ");
            let mut query = sql_query(format!(
                "SELECT CAST(JSON_ARRAY({sums}) AS CHAR) AS counts \
                 FROM compensate_biz b FORCE INDEX (lane_wake_at) \
                 JOIN task t FORCE INDEX (PRIMARY) ON t.id = b.task_id \
                 WHERE b.lane = ? AND b.wake_at IS NOT NULL AND b.biz_type = 'IMPORT_BATCH'"
            ))
            .into_boxed::<Mysql>();
            for dataset in &datasets {
                query = query.bind::<Text, _>(dataset.clone());
            }
            let counted: ByDataset = query
                .bind::<Text, _>(lane.as_str().to_owned())
                .get_result(connection)
                .await?;
            serde_json::from_str(&counted.counts).map_err(corrupt)
        })
        .await
    }
}

#[derive(QueryableByName)]
struct ByDataset {
    #[diesel(sql_type = Text)]
    counts: String,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    row_count: i64,
    #[diesel(sql_type = BigInt)]
    oldest: i64,
}
