//! How much work of a lane is open, and how late it is: for the gauges of whoever works on it. Shown
//! by `tests/it/backlog.rs`.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::Lane;

use crate::Store;
use crate::dead_letter::WAITING;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::Id;
use crate::submit::IMPORT_BATCH;

/// Rows that are counted at most: past it a gauge says nothing more by being exact, and everybody
/// asks every few seconds.
const MOST_COUNTED: u64 = 100_000;

/// Open rows of a lane.
const OPEN: &str = "FROM compensate_biz FORCE INDEX (lane_wake_at) \
     WHERE lane = ? AND wake_at IS NOT NULL";

/// What is open on a lane: waiting, for whatever time, or running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Rows; 100,000 means so many or more.
    pub rows: u64,
    /// For how long the row that is latest should have been looked at: it is due and nobody takes it,
    /// its scan has not come, or its lease is over. In seconds; 0 when nothing is late. What is due in
    /// future, as a redrive at a slow rate is, or at work, is not late however old it is.
    pub oldest_seconds: u64,
}

impl Store {
    /// Counts what is open on a lane, up to 100,000 rows, from its index alone: not to be asked more
    /// often than every few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backlog(&self, lane: &Lane) -> Result<Backlog, StoreError> {
        let lane = lane.clone();
        self.transact(Op::Backlog, async move |connection: &mut Connection| {
            let latest: Vec<Late> = sql_query(format!(
                "SELECT TIMESTAMPDIFF(SECOND, wake_at, UTC_TIMESTAMP(6)) AS seconds {OPEN} \
                 ORDER BY wake_at LIMIT 1"
            ))
            .bind::<Text, _>(lane.as_str())
            .load(connection)
            .await?;
            let late = latest.into_iter().next().map_or(0, |latest| latest.seconds);
            Ok(Backlog {
                rows: count(connection, &lane).await?,
                oldest_seconds: u64::try_from(late).unwrap_or(0),
            })
        })
        .await
    }

    /// What is open on a lane of imports, for each of these datasets: of all of them the 100,000 rows
    /// that are to be looked at first. Reads each such row and its task once: not to be asked more
    /// often than every few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backlog_by_dataset(
        &self,
        lane: &Lane,
        datasets: &[String],
    ) -> Result<Vec<Backlog>, StoreError> {
        if datasets.is_empty() {
            return Ok(Vec::new());
        }
        let lane = lane.clone();
        let open: Vec<OfDataset> = self
            .transact(Op::Backlog, async move |connection: &mut Connection| {
                let open = sql_query(format!(
                    "SELECT t.dataset, TIMESTAMPDIFF(SECOND, b.wake_at, UTC_TIMESTAMP(6)) AS seconds \
                     FROM compensate_biz b FORCE INDEX (lane_wake_at) \
                     STRAIGHT_JOIN task t FORCE INDEX (PRIMARY) ON t.id = b.task_id \
                     WHERE b.lane = ? AND b.wake_at IS NOT NULL \
                     ORDER BY b.wake_at LIMIT {MOST_COUNTED}"
                ))
                .bind::<Text, _>(lane.as_str())
                .load(connection)
                .await?;
                Ok(open)
            })
            .await?;
        let backlog = |name: &String| {
            let own = || open.iter().filter(|row| row.dataset == *name);
            let late = own().map(|row| row.seconds).max().unwrap_or(0);
            Backlog {
                rows: own().count() as u64,
                oldest_seconds: u64::try_from(late).unwrap_or(0),
            }
        };
        Ok(datasets.iter().map(backlog).collect())
    }

    /// How many batches of imports on a lane were given up and wait for a person, for each of these
    /// datasets: their dead letters that are OPEN or PARKED, up to 100,000 of each state. Not to be
    /// asked more often than every few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_batches(
        &self,
        lane: &Lane,
        datasets: &[String],
    ) -> Result<Vec<u64>, StoreError> {
        let lane = lane.clone();
        let body = async move |connection: &mut Connection| {
            let mut dead: Vec<DatasetName> = Vec::new();
            for status in WAITING {
                let letters: Vec<DatasetName> = sql_query(format!(
                    "SELECT t.dataset FROM dead_letter l FORCE INDEX (status_kind) \
                     STRAIGHT_JOIN task t FORCE INDEX (PRIMARY) ON t.id = l.task_id \
                     WHERE l.status = ? AND l.lane = ? AND l.biz_type = ? LIMIT {MOST_COUNTED}"
                ))
                .bind::<Text, _>(status.as_str())
                .bind::<Text, _>(lane.as_str())
                .bind::<Text, _>(IMPORT_BATCH)
                .load(connection)
                .await?;
                dead.extend(letters);
            }
            Ok(dead)
        };
        let dead = self.transact(Op::Backlog, body).await?;
        let count = |name: &String| dead.iter().filter(|row| row.dataset == *name).count() as u64;
        Ok(datasets.iter().map(count).collect())
    }
}

#[derive(QueryableByName)]
struct DatasetName {
    #[diesel(sql_type = Text)]
    dataset: String,
}

#[derive(QueryableByName)]
struct OfDataset {
    #[diesel(sql_type = Text)]
    dataset: String,
    #[diesel(sql_type = BigInt)]
    seconds: i64,
}

/// Open rows of the lane, up to [`MOST_COUNTED`].
async fn count(connection: &mut Connection, lane: &Lane) -> Result<u64, StoreError> {
    let last_counted = MOST_COUNTED - 1;
    let last: Vec<Id> = sql_query(format!(
        "SELECT id {OPEN} ORDER BY wake_at LIMIT 1 OFFSET {last_counted}"
    ))
    .bind::<Text, _>(lane.as_str())
    .load(connection)
    .await?;
    if !last.is_empty() {
        return Ok(MOST_COUNTED);
    }
    let counted: Counted = sql_query(format!("SELECT COUNT(*) AS row_count {OPEN}"))
        .bind::<Text, _>(lane.as_str())
        .get_result(connection)
        .await?;
    Ok(counted.row_count.unsigned_abs())
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    row_count: i64,
}

#[derive(QueryableByName)]
struct Late {
    #[diesel(sql_type = BigInt)]
    seconds: i64,
}
