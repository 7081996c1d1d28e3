//! Announcing rows of a queue whose urgent work, and what goes beyond a tenant's share, have lanes of
//! their own: what came by plain SQL, or became due, is moved there by the statement that marks it.
//!
//! A submit over HTTP chooses its lane itself; here it is chosen by what waits. Where one tenant fills
//! the lane, the newest rows are looked at, too, so that the ten of another do not wait until its
//! million has been looked at. Shown by `tests/it/announce/levels.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Lane, Levels, URGENT_FROM};

use super::{Announced, DueRow, SeenRow, WINDOW, lock_silent, mark};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;

/// Of the newest due rows, so many are looked at where older ones fill the window.
const NEWEST: usize = 500;

impl Store {
    /// As [`Store::announce_due`], for rows of a queue's usual lane: urgent ones are moved to their
    /// lane, and those of a tenant that has more than `share` rows due to the rest. Whoever has few
    /// comes first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn announce_due_by_level(
        &self,
        levels: &Levels,
        share: usize,
        limit: usize,
        scan_interval: Duration,
    ) -> Result<Vec<(Lane, Announced)>, StoreError> {
        let levels = levels.clone();
        self.transact(Op::Announce, async move |connection: &mut Connection| {
            let mut chosen = choose(seen(connection, &levels.usual).await?, &levels, share);
            chosen.truncate(limit);
            let mut lanes: BTreeMap<u64, Lane> = BTreeMap::new();
            lanes.extend(chosen.into_iter().map(|(lane, id)| (id, lane.clone())));
            if lanes.is_empty() {
                return Ok(Vec::new());
            }
            let due = lock_silent(connection, &levels.usual, lanes.keys().copied()).await?;
            let mut announced: BTreeMap<Lane, Vec<DueRow>> = BTreeMap::new();
            for row in due {
                if let Some(lane) = lanes.remove(&row.id) {
                    announced.entry(lane).or_default().push(row);
                }
            }
            for (lane, rows) in &announced {
                mark(connection, lane, rows, scan_interval).await?;
            }
            let announced = announced.into_iter().flat_map(|(lane, rows)| {
                rows.into_iter()
                    .map(move |row| (lane.clone(), row.into_announced()))
            });
            Ok(announced.collect())
        })
        .await
    }
}

impl Store {
    /// Moves due rows of a lane that nobody works on to another, the oldest first, at most so many;
    /// they are announced there as if they had just come. Answers how many there were: fewer than
    /// `limit` when no more are due, or somebody is at the others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn move_due(
        &self,
        from: &Lane,
        to: &Lane,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.transact(Op::Announce, async move |connection: &mut Connection| {
            let seen = some(connection, &from, "wake_at", limit).await?;
            let mut ids: Vec<u64> = seen.iter().map(|row| row.seen.id).collect();
            if ids.is_empty() {
                return Ok(0);
            }
            ids.sort_unstable();
            let moved = sql_query(format!(
                "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
                 SET lane = ?, announced = FALSE, wake_at = UTC_TIMESTAMP(6), \
                     updated_at = UTC_TIMESTAMP(6) \
                 WHERE id IN ({}) AND lane = ? AND status = 'WAIT_HANDLE' \
                 AND wake_at <= UTC_TIMESTAMP(6)",
                list(ids)
            ))
            .bind::<Text, _>(to.as_str())
            .bind::<Text, _>(from.as_str());
            Ok(moved.execute(connection).await?)
        })
        .await
    }
}

/// Silent rows with the lanes that they belong to: urgent ones first, then those of tenants that have
/// few.
fn choose(rows: Vec<OwnedRow>, levels: &Levels, share: usize) -> Vec<(&Lane, u64)> {
    let silent: Vec<OwnedRow> = rows
        .into_iter()
        .filter(|row| row.seen.is_silent())
        .collect();
    let mut due: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &silent {
        *due.entry(&row.tenant).or_default() += 1;
    }
    let crowd = share.min(WINDOW / 2);
    let level = |row: &OwnedRow| {
        if row.priority >= u64::from(URGENT_FROM) {
            (0, &levels.urgent)
        } else if due.get(row.tenant.as_str()).is_some_and(|due| *due > crowd) {
            (2, &levels.rest)
        } else {
            (1, &levels.usual)
        }
    };
    let mut chosen: Vec<((u8, &Lane), u64)> =
        silent.iter().map(|row| (level(row), row.seen.id)).collect();
    chosen.sort_by_key(|((level, _), _)| *level);
    chosen
        .into_iter()
        .map(|((_, lane), id)| (lane, id))
        .collect()
}

/// The oldest due rows of the lane, and where there are too many the newest, too.
async fn seen(connection: &mut Connection, lane: &Lane) -> Result<Vec<OwnedRow>, StoreError> {
    let mut rows = some(connection, lane, "wake_at", WINDOW).await?;
    if rows.len() == WINDOW {
        let known: BTreeSet<u64> = rows.iter().map(|row| row.seen.id).collect();
        let newest = some(connection, lane, "wake_at DESC", NEWEST).await?;
        rows.extend(
            newest
                .into_iter()
                .filter(|row| !known.contains(&row.seen.id)),
        );
    }
    Ok(rows)
}

async fn some(
    connection: &mut Connection,
    lane: &Lane,
    order: &str,
    most: usize,
) -> Result<Vec<OwnedRow>, StoreError> {
    let rows = sql_query(format!(
        "SELECT id, status, announced, tenant, CAST(priority AS UNSIGNED) AS priority \
         FROM compensate_biz FORCE INDEX (lane_wake_at) \
         WHERE lane = ? AND wake_at <= UTC_TIMESTAMP(6) ORDER BY {order} LIMIT {most}"
    ))
    .bind::<Text, _>(lane.as_str());
    Ok(rows.load(connection).await?)
}

#[derive(QueryableByName)]
struct OwnedRow {
    #[diesel(embed)]
    seen: SeenRow,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    priority: u64,
}
