//! As many grants as go, one in a thousand of them poison, while the worker is killed every minute and
//! started anew. Nothing may be lost or doubled, and little of the rate.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use tokio::time::sleep;

use super::flood::Flood;
use super::grants::Grants;
use super::{Shape, WORKER, drain};
use crate::bench::Bench;
use crate::record::{Line, keep};
use crate::servers::{Meter, quiet};

/// From one kill to the next, in seconds; the first comes after half of it.
const KILL_EVERY: u64 = 60;

/// Grants that may wait for the worker: what comes in while it is away is done when it is back.
const AHEAD: u64 = 400_000;

/// The run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TroubleRun {
    pub(crate) accepted: u64,
    /// Of them, those that can never be done.
    pub(crate) poisoned: u64,
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
        name: "1,000 in a request, as many as go, with poison, the worker killed every minute",
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
    let flood = async {
        let flood = Flood::run(&grants, &shape).await?;
        drain(&grants).await?;
        anyhow::Ok(flood)
    };
    let (flood, kills) = tokio::join!(flood, kill(bench, shape.seconds));
    let (flood, taken) = (flood?, meter.stop()?);
    let run = TroubleRun {
        accepted: flood.accepted,
        poisoned: grants.poisoned(),
        kills: kills?,
        wall_s: taken.wall_s,
        other_cpu_s: taken.other_s,
        fault: grants
            .compare()
            .await
            .err()
            .map(|error| format!("{error:#}")),
    };
    eprintln!("{:.0} a second, {} kills", run.rate(), run.kills);
    keep(&bench.cli.results, &Line::Trouble(&run))?;
    Ok(run)
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
