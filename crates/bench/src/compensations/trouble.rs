//! As many grants as go, one in a thousand of them poison and one in a hundred failing once for a
//! reason that passes, while the worker is killed every minute and started anew. Nothing may be lost or
//! doubled, and little of the rate.
//!
//! Rows that are written in this database fail for a passing reason together with all of their batch:
//! a batch's connection is killed in mid-transaction, so that the server takes back what it has written.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mysql_async::prelude::Queryable;
use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::flood::Flood;
use super::grants::Grants;
use super::{DRAIN_PATIENCE, Shape, WORKER};
use crate::bench::Bench;
use crate::record::{Line, keep};
use crate::servers::{Meter, quiet};

/// From one kill to the next, in seconds; the first comes after half of it.
const KILL_EVERY: u64 = 60;

/// Grants that may wait for the worker: what comes in while it is away is done when it is back.
const AHEAD: u64 = 400_000;

/// One grant in so many fails once.
const CUT_EVERY: u64 = 100;
/// Between two looks for a batch that is to fail.
const CUT_LOOK: Duration = Duration::from_millis(100);

/// The run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TroubleRun {
    pub(crate) accepted: u64,
    /// Of them, those that can never be done.
    pub(crate) poisoned: u64,
    /// And those whose transaction was cut off, some more than once.
    pub(crate) cut: u64,
    /// Such transactions.
    pub(crate) cuts: u32,
    pub(crate) kills: u32,
    /// From the first submit until the last grant is done or dead.
    pub(crate) wall_s: f64,
    pub(crate) other_cpu_s: f64,
    pub(crate) fault: Option<String>,
}

impl TroubleRun {
    /// Grants a second, until the last is done or dead.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.wall_s
    }
}

pub(super) async fn run(bench: &Bench, grants: &Grants) -> Result<TroubleRun> {
    let shape = Shape {
        name: "1,000 in a request, as many as go, with poison, batches cut off, the worker killed every minute",
        clients: 3,
        items: 1_000,
        seconds: bench.cli.seconds,
        rate: None,
        ahead: AHEAD,
    };
    eprint!("  {} for {} s ... ", shape.name, shape.seconds);
    quiet(bench.patience).await?;
    let grants = grants.in_trouble();
    // The worker is another process after each kill: its time is not measured.
    let meter = Meter::of(&bench.servers, &[])?;
    let over = CancellationToken::new();
    let flood = async {
        let flooded = flooded(&grants, &shape).await;
        over.cancel();
        flooded
    };
    let (flood, cut, kills) = tokio::join!(
        flood,
        cut(bench, &grants, &over),
        kill(bench, shape.seconds)
    );
    let (flood, (cut, cuts), taken) = (flood?, cut?, meter.stop()?);
    let run = TroubleRun {
        accepted: flood.accepted,
        poisoned: grants.poisoned(),
        cut,
        cuts,
        kills: kills?,
        wall_s: taken.wall_s,
        other_cpu_s: taken.other_s,
        fault: grants
            .compare()
            .await
            .err()
            .map(|error| format!("{error:#}")),
    };
    eprintln!(
        "{:.0} a second, {} kills, {} cut off in {} transactions",
        run.rate(),
        run.kills,
        run.cut,
        run.cuts
    );
    keep(&bench.cli.results, &Line::Trouble(&run))?;
    Ok(run)
}

async fn flooded(grants: &Grants, shape: &Shape) -> Result<Flood> {
    let flood = Flood::run(grants, shape).await?;
    drained(grants).await?;
    Ok(flood)
}

/// Waits until no row is open: some of what killed workers have done nobody has counted.
async fn drained(grants: &Grants) -> Result<()> {
    let began = Instant::now();
    loop {
        let open = grants.open_rows().await?;
        if open == 0 {
            return Ok(());
        }
        ensure!(
            began.elapsed() < DRAIN_PATIENCE,
            "{open} grants are not done"
        );
        sleep(CUT_LOOK).await;
    }
}

/// Has one grant in [`CUT_EVERY`] fail once; how many did, in how many transactions.
async fn cut(bench: &Bench, grants: &Grants, over: &CancellationToken) -> Result<(u64, u32)> {
    let (mut rows, mut cuts, first) = (0, 0, grants.done().await?);
    while !over.is_cancelled() {
        let done = grants.done().await? - first;
        if rows * CUT_EVERY < done {
            let cut = cut_one(bench).await?;
            cuts += u32::from(cut > 0);
            rows += cut;
        }
        sleep(CUT_LOOK).await;
    }
    Ok((rows, cuts))
}

/// Kills the connection of a batch that is writing; how many rows it held, none where none is.
async fn cut_one(bench: &Bench) -> Result<u64> {
    let mut conn = bench.database.connect().await?;
    let writing = "SELECT trx_mysql_thread_id, trx_rows_locked FROM information_schema.INNODB_TRX \
                   WHERE trx_query LIKE 'LOAD DATA%' AND trx_rows_locked > 0 LIMIT 1";
    let Some((thread, rows)) = conn.query_first::<(u64, u64), _>(writing).await? else {
        conn.disconnect().await?;
        return Ok(0);
    };
    // It may have ended by now.
    let killed = conn.query_drop(format!("KILL {thread}")).await.is_ok();
    conn.disconnect().await?;
    Ok(if killed { rows } else { 0 })
}

/// How often it was killed.
async fn kill(bench: &Bench, seconds: u64) -> Result<u32> {
    let began = Instant::now();
    let mut kills = 0;
    loop {
        let next = KILL_EVERY / 2 + KILL_EVERY * u64::from(kills);
        if next >= seconds {
            return Ok(kills);
        }
        sleep(Duration::from_secs(next).saturating_sub(began.elapsed())).await;
        bench.servers.kill_worker(WORKER).await?;
        kills += 1;
    }
}
