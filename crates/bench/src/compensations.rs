//! Business work: coupon grants from HTTP submit to a durable row, as many as go, then at 70 % of
//! that for their latency, then one in a request, batched by the house and not at all, then beside
//! the retention; at last as many as go with poison among them, with batches that are cut off and a
//! worker that is killed every minute.
//!
//! The submitters never run further ahead of the worker than [`AHEAD`] grants, so a rate is that of
//! the whole way and not of the door alone: it is counted until the last grant is done. After every
//! run the rows in the table are compared with what was accepted; a run that differs is void.
//! Shown with the others by `tests/it`.

mod counters;
mod flood;
mod grants;
mod report;
mod retention;
mod trouble;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::sleep;

use crate::bench::Bench;
use crate::cli::Part;
use crate::figures::percentile;
use crate::machine;
use crate::record::{Line, keep};
use crate::servers::{Meter, quiet};
use counters::Counters;
use flood::Flood;
use grants::Grants;

pub(crate) use report::GrantReport;
pub(crate) use trouble::TroubleRun;

/// The worker that is measured.
const WORKER: &str = "biz-worker";
/// Grants that may be accepted and not done.
pub(crate) const AHEAD: u64 = 20_000;
/// Part of the highest rate at which latency is measured.
const EASY: f64 = 0.7;
/// Seconds of the runs beside the longest one.
const SHORT_SECONDS: u64 = 20;
/// Longest wait for what was accepted to be done.
const DRAIN_PATIENCE: Duration = Duration::from_secs(120);
const DRAIN_PAUSE: Duration = Duration::from_millis(20);

/// How grants are submitted.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Connections that submit at once.
    pub(crate) clients: usize,
    /// Grants in one request.
    pub(crate) items: usize,
    pub(crate) seconds: u64,
    /// Grants a second; as many as go without it.
    pub(crate) rate: Option<f64>,
    /// Grants that may be accepted and not done.
    pub(crate) ahead: u64,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GrantRun {
    pub(crate) name: &'static str,
    pub(crate) accepted: u64,
    /// From the first submit until the last grant is done.
    pub(crate) wall_s: f64,
    pub(crate) worker_cpu_s: f64,
    pub(crate) gateway_cpu_s: f64,
    pub(crate) mysqld_cpu_s: f64,
    pub(crate) broker_cpu_s: f64,
    pub(crate) bench_cpu_s: f64,
    pub(crate) other_cpu_s: f64,
    pub(crate) worker_peak_mib: f64,
    pub(crate) gateway_peak_mib: f64,
    pub(crate) redo_bytes: u64,
    pub(crate) binlog_bytes: u64,
    pub(crate) commits: u64,
    pub(crate) deadlocks: u64,
    pub(crate) lock_waits: u64,
    pub(crate) writes: u64,
    /// Grants by which the backlog grew in a second, on average.
    pub(crate) backlog_slope: f64,
    /// From the moment that a submit was sent to the grant's finish, in milliseconds.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) fault: Option<String>,
}

/// Returns once the worker hears rings.
pub(crate) async fn warm_up(bench: &Bench) -> Result<()> {
    Grants::new(bench).await?.warm_up().await
}

/// Measures all of it.
pub(crate) async fn measure(bench: &Bench) -> Result<GrantReport> {
    let grants = Grants::new(bench).await?;
    counters::switch_on(&bench.database).await?;
    grants.warm_up().await?;
    let mut report = GrantReport::new(bench);
    let top = Shape {
        name: "1,000 in a request, as many as go",
        clients: 3,
        items: 1_000,
        seconds: bench.cli.seconds,
        rate: None,
        ahead: AHEAD,
    };
    let top = one(bench, &grants, &top).await?;
    let rate = top.rate() * EASY;
    report.runs.push(top);
    if bench.cli.parts.contains(&Part::Trouble) {
        report.trouble = Some(trouble::run(bench, &grants).await?);
        return Ok(report);
    }
    // The same load from callers of both sizes: a call's own INSERT is part of its latency.
    for (name, items) in [
        ("1,000 in a request, at 70 % of that", 1_000),
        ("250 in a request, at 70 % of that", 250),
    ] {
        let easy = Shape {
            name,
            clients: 16,
            items,
            seconds: SHORT_SECONDS,
            rate: Some(rate),
            ahead: AHEAD,
        };
        report.runs.push(one(bench, &grants, &easy).await?);
    }
    let single = Shape {
        name: "one in a request, as many as go",
        clients: 64,
        items: 1,
        seconds: SHORT_SECONDS,
        rate: None,
        ahead: AHEAD,
    };
    report.runs.push(one(bench, &grants, &single).await?);
    let alone = Shape {
        name: "un-batched: one request, message and transaction each, as many as go",
        ..single
    };
    report.runs.push(one(bench, &grants.alone(), &alone).await?);
    let (beside, removed) = retention::run(bench, &grants).await?;
    report.runs.push(beside);
    report.removed = removed;
    report.trouble = Some(trouble::run(bench, &grants).await?);
    Ok(report)
}

/// One run, and whether it did what it said.
async fn one(bench: &Bench, grants: &Grants, shape: &Shape) -> Result<GrantRun> {
    eprint!("  {} for {} s ... ", shape.name, shape.seconds);
    quiet(bench.patience).await?;
    let pids = [
        bench.servers.pid(WORKER)?,
        bench.servers.pid("api-gateway")?,
    ];
    for pid in pids {
        machine::forget_peak(pid)?;
    }
    let before = Counters::read(&bench.database).await?;
    let meter = Meter::of(&bench.servers, &[WORKER])?;
    let flood = Flood::run(grants, shape).await?;
    drain(grants).await?;
    let taken = meter.stop()?;
    let took = Counters::read(&bench.database).await?.since(before);
    let latencies = grants.latencies(&flood.sent).await?;
    let of = |percent| percentile(&latencies, percent).unwrap_or(f64::NAN);
    let peak = |pid| machine::peak_mib(pid).unwrap_or(f64::NAN);
    let run = GrantRun {
        name: shape.name,
        accepted: flood.accepted,
        wall_s: taken.wall_s,
        worker_cpu_s: taken.worker_s,
        gateway_cpu_s: taken.gateway_s,
        mysqld_cpu_s: taken.mysqld_s,
        broker_cpu_s: taken.broker_s,
        bench_cpu_s: taken.bench_s,
        other_cpu_s: taken.other_s,
        worker_peak_mib: peak(pids[0]),
        gateway_peak_mib: peak(pids[1]),
        redo_bytes: took.redo_bytes,
        binlog_bytes: took.binlog_bytes,
        commits: took.commits,
        deadlocks: took.deadlocks,
        lock_waits: took.lock_waits,
        writes: took.writes,
        backlog_slope: flood.backlog_slope,
        p50_ms: of(50),
        p99_ms: of(99),
        max_ms: of(100),
        fault: grants
            .compare()
            .await
            .err()
            .map(|error| format!("{error:#}")),
    };
    eprintln!("{}", run.line());
    keep(&bench.cli.results, &Line::Grants(&run))?;
    Ok(run)
}

/// Waits until all that was accepted is done.
pub(crate) async fn drain(grants: &Grants) -> Result<()> {
    let began = Instant::now();
    while grants.backlog().await? > 0 {
        ensure!(
            began.elapsed() < DRAIN_PATIENCE,
            "{} grants are not done",
            grants.backlog().await?
        );
        sleep(DRAIN_PAUSE).await;
    }
    Ok(())
}

impl GrantRun {
    /// Grants a second, from the first submit until the last is done.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.wall_s
    }

    fn line(&self) -> String {
        match &self.fault {
            Some(fault) => format!("VOID: {fault}"),
            None => format!(
                "{:.0} a second, p99 {:.0} ms, others {:.1} s of CPU",
                self.rate(),
                self.p99_ms,
                self.other_cpu_s
            ),
        }
    }
}
