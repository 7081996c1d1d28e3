//! Announcing rows that became due: retry, delay, redrive, hand-back, plain SQL inserts.
//!
//! A row is marked in one transaction and rung after it; a ring that cannot be delivered is
//! retracted, guarded by status **and** epoch, so that a retraction that comes late hides no retry
//! (cases.md C 15c; shown by `tests/it/announce.rs`).

mod levels;

pub use levels::Walk;

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, CompensateBizId, Lane, LeaseEpoch, Rung};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::{after, list};
use crate::pool::Connection;
use crate::take::epoch_of;

/// Due rows that a pass looks at, without locks. Behind so many older ones there is nothing to be
/// won by a ring: the lane is saturated, and the scan serves its oldest.
const WINDOW: usize = 2_000;

/// Rows of one statement that takes announcements back.
const ROWS_PER_RETRACT: usize = 1_000;

/// A row that was marked as announced and must be rung now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The row and its epoch.
    pub rung: Rung,
    /// The span that asked for the work, as W3C `traceparent`.
    pub trace_context: Option<String>,
}

impl Store {
    /// Marks at most `limit` due rows of the lane as announced, oldest first. Their scan comes at
    /// now + `scan_interval`, so a crash before the ring costs that and nothing else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn announce_due(
        &self,
        lane: &Lane,
        limit: usize,
        scan_interval: Duration,
    ) -> Result<Vec<Announced>, StoreError> {
        let lane = lane.clone();
        self.transact(Op::Announce, async move |connection: &mut Connection| {
            let oldest: Vec<SeenRow> = sql_query(format!(
                "SELECT id, status, announced FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? AND wake_at <= UTC_TIMESTAMP(6) \
                 ORDER BY wake_at LIMIT {WINDOW}"
            ))
            .bind::<Text, _>(lane.as_str())
            .load(connection)
            .await?;
            let silent = oldest
                .into_iter()
                .filter(SeenRow::is_silent)
                .map(|row| row.id);
            let silent: Vec<u64> = silent.take(limit).collect();
            if silent.is_empty() {
                return Ok(Vec::new());
            }
            let due = lock_silent(connection, &lane, silent).await?;
            mark(connection, &lane, &due, scan_interval).await?;
            Ok(due.into_iter().map(DueRow::into_announced).collect())
        })
        .await
    }

    /// Takes an announcement back whose ring was not delivered: the row is due again at once.
    /// Touches only a row that still waits at the ring's epoch. Answers how many rows it touched.
    ///
    /// # Errors
    /// [`StoreError`]; the scan finds the rows all the same.
    pub async fn retract(&self, rung: &[Rung]) -> Result<usize, StoreError> {
        let mut rung = rung.to_vec();
        // Of a row's rings only the newest can still be the one that it waits at.
        rung.sort_unstable();
        rung.reverse();
        rung.dedup_by_key(|rung| rung.id);
        rung.reverse();
        self.transact(Op::Retract, async move |connection: &mut Connection| {
            let mut touched = 0;
            for rung in rung.chunks(ROWS_PER_RETRACT) {
                touched += sql_query(format!(
                    "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
                     SET announced = FALSE, wake_at = UTC_TIMESTAMP(6), \
                         updated_at = UTC_TIMESTAMP(6) \
                     WHERE id IN ({ids}) AND status = 'WAIT_HANDLE' AND lease_epoch = {epoch} \
                     AND announced = TRUE",
                    ids = list(rung.iter().map(|rung| rung.id.0)),
                    epoch = epoch_of(rung)
                ))
                .execute(connection)
                .await?;
            }
            Ok(touched)
        })
        .await
    }

    /// Leaves a row that waits at the ring's epoch alone for so long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_off(&self, rung: Rung, delay: Duration) -> Result<(), StoreError> {
        self.transact(Op::Retract, async move |connection: &mut Connection| {
            sql_query(format!(
                "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
                 SET announced = FALSE, wake_at = {}, updated_at = UTC_TIMESTAMP(6) \
                 WHERE id = {} AND status = 'WAIT_HANDLE' AND lease_epoch = {}",
                after(delay),
                rung.id.0,
                rung.epoch.0
            ))
            .execute(connection)
            .await?;
            Ok(())
        })
        .await
    }
}

/// Those of the rows that are still on the lane, due and silent, locked; what another has locked is
/// left alone.
async fn lock_silent(
    connection: &mut Connection,
    lane: &Lane,
    rows: impl IntoIterator<Item = u64>,
) -> Result<Vec<DueRow>, StoreError> {
    let due = sql_query(format!(
        "SELECT id, lease_epoch, trace_context FROM compensate_biz FORCE INDEX (PRIMARY) \
         WHERE id IN ({}) AND lane = ? AND status = 'WAIT_HANDLE' AND announced = FALSE \
         AND wake_at <= UTC_TIMESTAMP(6) FOR UPDATE SKIP LOCKED",
        list(rows)
    ))
    .bind::<Text, _>(lane.as_str());
    Ok(due.load(connection).await?)
}

/// Marks locked rows as announced on a lane, which may be another one than theirs.
async fn mark(
    connection: &mut Connection,
    lane: &Lane,
    rows: &[DueRow],
    scan_interval: Duration,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<u64> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    sql_query(format!(
        "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
         SET lane = ?, announced = TRUE, wake_at = {}, updated_at = UTC_TIMESTAMP(6) \
         WHERE id IN ({}) AND status = 'WAIT_HANDLE' AND announced = FALSE",
        after(scan_interval),
        list(ids)
    ))
    .bind::<Text, _>(lane.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct SeenRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Bool)]
    announced: bool,
}

impl SeenRow {
    fn is_silent(&self) -> bool {
        self.status == BizStatus::WaitHandle.as_str() && !self.announced
    }
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
    #[diesel(sql_type = Nullable<Text>)]
    trace_context: Option<String>,
}

impl DueRow {
    fn into_announced(self) -> Announced {
        Announced {
            rung: Rung {
                id: CompensateBizId(self.id),
                epoch: LeaseEpoch(self.lease_epoch),
            },
            trace_context: self.trace_context,
        }
    }
}
