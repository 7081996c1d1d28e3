//! The order of things: warm up, interleaved rounds, small exports, twice the rows, submits.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use clap::Parser;
use serde_json::json;

use crate::cli::{Cli, Part};
use crate::database::Database;
use crate::gateway::Gateway;
use crate::machine;
use crate::record::{Line, keep};
use crate::report::Report;
use crate::servers::Servers;
use crate::{compensations, coupons, hostile, imports, load, rounds, small, twice};

/// Rows of a small export.
pub(crate) const SMALL_ROWS: u64 = 10_000;
/// A ring that comes this soon was heard: the worker has joined its group. In seconds.
const PROMPT_S: f64 = 0.5;
/// Longest wait for a started worker to hear rings.
const JOIN_PATIENCE: Duration = Duration::from_secs(60);

/// What all parts share.
pub(crate) struct Bench {
    pub(crate) cli: Cli,
    pub(crate) gateway: Gateway,
    pub(crate) database: Database,
    pub(crate) servers: Servers,
    pub(crate) patience: Duration,
    /// The worker's own zip level, and the one that it runs with.
    pub(crate) own_level: u8,
    level: u8,
}

/// Measures and prints.
///
/// Exit codes: 0 when all was measured, whatever the figures; 1 when a run is void or something
/// could not be measured; 2 for a wrong command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = runtime
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run(cli)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every run counts.
async fn run(cli: Cli) -> Result<bool> {
    let mut bench = Bench::open(cli)?;
    let wants = |part: Part, bench: &Bench| bench.cli.parts.contains(&part);
    if wants(Part::Imports, &bench) {
        let report = imports::measure(&bench).await?;
        println!("{report}");
        return Ok(report.is_whole());
    }
    if wants(Part::Hostile, &bench) {
        println!("{}", hostile::measure(&bench).await?);
        return Ok(true);
    }
    if wants(Part::Coupons, &bench) {
        let run = coupons::measure(&bench).await?;
        println!("\n{}; {}\n{run}", machine::describe(), bench.cli.revision);
        return Ok(run.is_whole());
    }
    if wants(Part::Compensations, &bench) || wants(Part::Trouble, &bench) {
        let report = compensations::measure(&bench).await?;
        println!("{report}");
        return Ok(report.is_whole());
    }
    let machine = machine::describe();
    let mut report = Report::new(&bench, machine.clone());
    let began = bench.hears_rings().await?;
    keep(
        &bench.cli.results,
        &Line::Machine {
            at: began.to_rfc3339(),
            machine: &machine,
            revision: &bench.cli.revision,
            rows: bench.cli.rows,
            runs: bench.cli.runs,
        },
    )?;
    if wants(Part::Exports, &bench) {
        report.runs = rounds::measure(&mut bench).await?;
    }
    if wants(Part::Small, &bench) {
        report.small = Some(small::measure(&mut bench).await?);
    }
    if wants(Part::Twice, &bench) {
        report.twice = twice::measure(&mut bench).await?;
    }
    if wants(Part::Submit, &bench) {
        report.load = Some(load::measure(&mut bench).await?);
    }
    println!("{report}");
    Ok(report.is_whole())
}

impl Bench {
    fn open(cli: Cli) -> Result<Self> {
        let servers = Servers::new(cli.script.clone(), cli.state.clone());
        let own_level = servers.zip_level()?;
        Ok(Self {
            gateway: Gateway::new(&cli.url, &cli.token)?,
            database: Database::new(&cli.mysql)?,
            servers,
            patience: Duration::from_secs(cli.patience),
            own_level,
            level: own_level,
            cli,
        })
    }

    /// Makes sure that the worker runs at a zip level, and hears rings.
    pub(crate) async fn worker_at(&mut self, level: u8) -> Result<()> {
        if level == self.level {
            return Ok(());
        }
        let setting = format!("QUAYSIDE__EXPORT__ZIP_LEVEL={level}");
        self.servers.restart_worker(&[setting]).await?;
        self.level = level;
        self.hears_rings().await?;
        Ok(())
    }

    /// Small exports until one starts promptly: a worker that has just started finds work by its
    /// scan alone until it has joined its group. Gives the time of the last one.
    async fn hears_rings(&self) -> Result<DateTime<Utc>> {
        let began = Instant::now();
        loop {
            let task = self.gateway.submit(&small_export()).await?;
            let pause = Duration::from_millis(20);
            let task = self
                .gateway
                .succeeded(&task.id, pause, JOIN_PATIENCE)
                .await?;
            if task.waited_s() < PROMPT_S {
                return Ok(task.created_at);
            }
            ensure!(
                began.elapsed() < JOIN_PATIENCE,
                "the worker does not hear rings: {:.1} s to its start",
                task.waited_s()
            );
        }
    }
}

/// 10,000 rows, the first ones.
pub(crate) fn small_export() -> serde_json::Value {
    json!({
        "dataset": "member", "locale": "en", "timezone": "UTC", "force": true,
        "filters": {"id": {"lte": SMALL_ROWS}},
    })
}
