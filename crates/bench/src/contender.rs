//! Who runs: the worker in one of its ways, or a peer.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::json;

use crate::bench::Bench;
use crate::gateway::Task;
use crate::machine;
use crate::peer::Peer;
use crate::record::Run;
use crate::servers::{Meter, quiet};

/// Pause between two looks at a task that takes seconds: about 3 % of a core for the gateway.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest that an export may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// What kind of file comes out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Xlsx,
    Csv,
}

impl Format {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
        }
    }
}

/// One line of the table.
pub(crate) enum Contender {
    /// The running worker at a zip level.
    Ours(Format, u8),
    /// A program that exports the same rows by itself.
    Peer(Peer),
}

impl Contender {
    /// What the table calls it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Ours(Format::Csv, _) => "quayside csv".to_owned(),
            Self::Ours(Format::Xlsx, level) => format!("quayside xlsx, level {level}"),
            Self::Peer(peer) => peer.name.clone(),
        }
    }

    /// One run of `rows` rows: measured, then its file compared with the table. What goes wrong
    /// voids the run and is told in it.
    pub(crate) async fn run(&self, bench: &mut Bench, round: u32, rows: u64) -> Result<Run> {
        eprint!("  round {round}: {} ... ", self.name());
        if let Self::Ours(_, level) = self {
            bench.worker_at(*level).await?;
        }
        quiet(bench.patience).await?;
        let mut run = Run::new(self.name(), round, rows);
        let file = match self {
            Self::Ours(format, _) => export(bench, *format, &mut run).await,
            Self::Peer(peer) => peer.run(bench, &mut run).await,
        };
        let checked = match file {
            Ok(file) => check(bench, &file, rows).await,
            Err(error) => Err(error),
        };
        run.fault = checked.err().map(|error| format!("{error:#}"));
        eprintln!("{}", run.line());
        Ok(run)
    }
}

/// From the submit to SUCCESS, as a client sees it; then the download, which is not measured.
async fn export(bench: &Bench, format: Format, run: &mut Run) -> Result<PathBuf> {
    let worker = bench.servers.pid("export-worker")?;
    let body = json!({
        "dataset": "member", "format": format.word(), "locale": "en", "timezone": "UTC",
        "force": true,
    });
    machine::forget_peak(worker)?;
    let meter = Meter::start(&bench.servers)?;
    let task = finished(bench, &body).await?;
    let taken = meter.stop()?;
    run.take(&taken, taken.worker_s);
    run.peak_mib = machine::peak_mib(worker).ok_or_else(|| anyhow!("the worker has ended"))?;
    run.told_s = Some(task.told_s());
    run.waited_s = Some(task.waited_s());
    let file = bench
        .servers
        .temp_dir()
        .join(format!("ours.{}", format.word()));
    bench.gateway.download(&task.id, &file).await?;
    run.file_bytes = std::fs::metadata(&file)?.len();
    Ok(file)
}

async fn finished(bench: &Bench, body: &serde_json::Value) -> Result<Task> {
    let task = bench.gateway.submit(body).await?;
    bench.gateway.succeeded(&task.id, PAUSE, PATIENCE).await
}

/// Compares the file with the table and removes it.
pub(crate) async fn check(bench: &Bench, file: &std::path::Path, rows: u64) -> Result<()> {
    let (to, mut from) = crate::database::channel();
    let path = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let expected = std::iter::from_fn(|| from.blocking_recv()).flatten();
        if path.extension().is_some_and(|ending| ending == "csv") {
            crate::check::check_csv(&path, expected)
        } else {
            crate::check::check_workbook(&path, expected)
        }
    });
    let (read, queried) = tokio::join!(reading, bench.database.rows(rows, to));
    queried?;
    let found = read??;
    anyhow::ensure!(found == rows, "{found} rows instead of {rows}");
    std::fs::remove_file(file)?;
    Ok(())
}
