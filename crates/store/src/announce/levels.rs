//! Announcing rows of a queue whose urgent work, and what goes beyond a tenant's share, have lanes of
//! their own: what came by plain SQL, or became due, is moved there by the statement that marks it.
//!
//! A submit over HTTP chooses its lane itself; here it is chosen by what waits. Where one tenant fills
//! the lane, the newest rows are looked at, too, and a stretch of those in between, further on with each
//! pass: so the ten of another, wherever they lie in its million, do not wait until all of it has been
//! announced. Shown by `tests/it/announce/levels.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::NaiveDateTime;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Lane, Levels, URGENT_FROM};

use super::{Announced, DueRow, SeenRow, WINDOW, lock_silent, mark};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;

/// Of the newest due rows, so many are looked at where older ones fill the window.
const NEWEST: usize = 500;

/// And of those in between, so many further on with each pass: a million is walked in 500 passes.
const STRETCH: usize = 2_000;

/// How far a relay has looked at a lane that one tenant fills; begins behind the oldest rows, and begins
/// there again at the end.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    last: Option<(NaiveDateTime, u64)>,
}

impl Store {
    /// As [`Store::announce_due`], for rows of a queue's usual lane: urgent ones are moved to their
    /// lane, and those of a tenant that has more than `share` such rows due, urgent or usual, to the rest.
    /// Whoever has few comes first. Where older rows fill the window, the `walk` goes on by a stretch.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn announce_due_by_level(
        &self,
        levels: &Levels,
        share: usize,
        limit: usize,
        scan_interval: Duration,
        walk: &mut Walk,
    ) -> Result<Vec<(Lane, Announced)>, StoreError> {
        let (levels, from) = (levels.clone(), walk.clone());
        let announced = self.transact(Op::Announce, async move |connection: &mut Connection| {
            let (seen, walked) = seen(connection, &levels.usual, &from).await?;
            let mut chosen = choose(seen, &levels, share);
            chosen.truncate(limit);
            let mut lanes: BTreeMap<u64, Lane> = BTreeMap::new();
            lanes.extend(chosen.into_iter().map(|(lane, id)| (id, lane.clone())));
            if lanes.is_empty() {
                return Ok((Vec::new(), walked));
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
            let announced: Vec<(Lane, Announced)> = announced.collect();
            Ok((announced, walked))
        });
        let (announced, walked) = announced.await?;
        *walk = walked;
        Ok(announced)
    }
}

/// Silent rows with the lanes that they belong to: urgent ones first, then others, and last those of
/// tenants that have many of their kind, urgent or not.
fn choose(rows: Vec<OwnedRow>, levels: &Levels, share: usize) -> Vec<(&Lane, u64)> {
    let silent: Vec<OwnedRow> = rows
        .into_iter()
        .filter(|row| row.seen.is_silent())
        .collect();
    let mut due: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for row in &silent {
        *due.entry((&row.tenant, row.is_urgent())).or_default() += 1;
    }
    let crowd = share.min(WINDOW / 2);
    let level = |row: &OwnedRow| {
        let is_urgent = row.is_urgent();
        match due.get(&(row.tenant.as_str(), is_urgent)) {
            Some(due) if *due > crowd => (2, &levels.rest),
            _ if is_urgent => (0, &levels.urgent),
            _ => (1, &levels.usual),
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

/// The oldest due rows of the lane, and where there are too many the newest and a stretch, too; with
/// where the walk is then.
async fn seen(
    connection: &mut Connection,
    lane: &Lane,
    from: &Walk,
) -> Result<(Vec<OwnedRow>, Walk), StoreError> {
    let mut rows = some(connection, lane, "wake_at", WINDOW).await?;
    if rows.len() < WINDOW {
        return Ok((rows, Walk::default()));
    }
    let mut known: BTreeSet<u64> = rows.iter().map(|row| row.seen.id).collect();
    let newest = some(connection, lane, "wake_at DESC", NEWEST).await?;
    let stretch = match from.last.or(rows.last().map(OwnedRow::place)) {
        Some(last) => stretch(connection, lane, last).await?,
        None => Vec::new(),
    };
    let last = stretch.get(STRETCH - 1).map(OwnedRow::place);
    let further = newest.into_iter().chain(stretch);
    rows.extend(further.filter(|row| known.insert(row.seen.id)));
    Ok((rows, Walk { last }))
}

/// Due rows of the lane that come after this one, in the order of the index. Many may be due since the
/// same moment: those of one statement are.
async fn stretch(
    connection: &mut Connection,
    lane: &Lane,
    (moment, id): (NaiveDateTime, u64),
) -> Result<Vec<OwnedRow>, StoreError> {
    let of_the_moment = sql_query(format!(
        "{OWNED} WHERE lane = ? AND wake_at = ? AND id > {id} ORDER BY id LIMIT {STRETCH}"
    ))
    .bind::<Text, _>(lane.as_str())
    .bind::<Datetime, _>(moment);
    let mut rows: Vec<OwnedRow> = of_the_moment.load(connection).await?;
    if rows.len() < STRETCH {
        let later = sql_query(format!(
            "{OWNED} WHERE lane = ? AND wake_at > ? AND wake_at <= UTC_TIMESTAMP(6) \
             ORDER BY wake_at, id LIMIT {}",
            STRETCH - rows.len()
        ))
        .bind::<Text, _>(lane.as_str())
        .bind::<Datetime, _>(moment);
        let later: Vec<OwnedRow> = later.load(connection).await?;
        rows.extend(later);
    }
    Ok(rows)
}

/// What is read of a row to be placed.
const OWNED: &str = "SELECT id, status, announced, tenant, wake_at, \
     CAST(priority AS UNSIGNED) AS priority FROM compensate_biz FORCE INDEX (lane_wake_at)";

async fn some(
    connection: &mut Connection,
    lane: &Lane,
    order: &str,
    most: usize,
) -> Result<Vec<OwnedRow>, StoreError> {
    let rows = sql_query(format!(
        "{OWNED} WHERE lane = ? AND wake_at <= UTC_TIMESTAMP(6) ORDER BY {order} LIMIT {most}"
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
    #[diesel(sql_type = Datetime)]
    wake_at: NaiveDateTime,
    #[diesel(sql_type = Unsigned<BigInt>)]
    priority: u64,
}

impl OwnedRow {
    fn is_urgent(&self) -> bool {
        self.priority >= u64::from(URGENT_FROM)
    }

    /// Where it stands in the index of the timer.
    fn place(&self) -> (NaiveDateTime, u64) {
        (self.wake_at, self.seen.id)
    }
}
