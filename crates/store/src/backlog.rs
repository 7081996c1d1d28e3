//! How much work of a lane is open, and since when: for the gauges of whoever works on it. Shown by
//! `tests/it/backlog.rs`.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::Lane;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
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
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    row_count: i64,
    #[diesel(sql_type = BigInt)]
    oldest: i64,
}
