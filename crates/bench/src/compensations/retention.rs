//! As many grants as go while retention removes ended ones, as it does in a house that has stood for
//! longer than its rows are kept.

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;

use super::grants::Grants;
use super::{AHEAD, GrantRun, Shape, one};
use crate::bench::Bench;

/// Long enough for several passes.
const SECONDS: u64 = 60;
/// Rows that have had their time: more than go in that time.
const AGED: u64 = 1_000_000;
/// Rows that grow old in one statement.
const STEP: usize = 10_000;

/// The run, and how many rows went meanwhile.
pub(super) async fn run(bench: &Bench, grants: &Grants) -> Result<(GrantRun, u64)> {
    let last = age(bench).await?;
    let shape = Shape {
        name: "1,000 in a request, as many as go, while retention removes rows",
        clients: 3,
        items: 1_000,
        seconds: bench.cli.seconds.min(SECONDS),
        rate: None,
        ahead: AHEAD,
    };
    let before = left(bench, last).await?;
    let run = one(bench, grants, &shape).await?;
    Ok((run, before.saturating_sub(left(bench, last).await?)))
}

/// Lets 40 days pass for the first rows; the last of them.
async fn age(bench: &Bench) -> Result<u64> {
    let mut conn = bench.database.connect().await?;
    let ends: Option<(u64, u64)> = conn
        .query_first("SELECT MIN(id), MAX(id) FROM compensate_biz")
        .await?;
    let (first, last) = ends.context("there are no rows")?;
    let last = last.min(first + AGED);
    for from in (first..=last).step_by(STEP) {
        let to = last.min(from + STEP as u64 - 1);
        conn.exec_drop(
            "UPDATE compensate_biz SET created_at = created_at - INTERVAL 40 DAY, \
             finished_at = finished_at - INTERVAL 40 DAY \
             WHERE id BETWEEN ? AND ? AND status = 'SUCCESS'",
            (from, to),
        )
        .await?;
    }
    conn.disconnect().await?;
    Ok(last)
}

async fn left(bench: &Bench, last: u64) -> Result<u64> {
    let mut conn = bench.database.connect().await?;
    let left = "SELECT COUNT(*) FROM compensate_biz FORCE INDEX (PRIMARY) WHERE id <= ?";
    let left: Option<u64> = conn.exec_first(left, (last,)).await?;
    conn.disconnect().await?;
    left.context("no count")
}
