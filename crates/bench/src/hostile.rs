//! Hostile files: what each costs an import worker that has just started, and what it is told,
//! against what is promised of all of them.
//!
//! The files are those of `crates/tabular/examples/hostile`, written by it with a list of what each
//! must be told. Time runs from the worker's beginning to the task's end, by the database's clock.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::bench::Bench;
use crate::gateway::Answered;
use crate::machine;
use crate::record::{Line, keep};

/// What no file may exceed.
const MOST_SECONDS: f64 = 30.0;
const MOST_MIB: f64 = 256.0;
/// Pause between two looks at a task.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest that one file is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
const WORKER: &str = "import-worker";

/// A file of the list.
struct Hostile {
    path: PathBuf,
    name: String,
    /// None for one that is read like any other.
    code: Option<String>,
}

/// What became of one file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HostileRun {
    name: String,
    wanted: Option<String>,
    told: String,
    /// None where the gateway refused it.
    seconds: Option<f64>,
    /// None where the worker did not outlive it.
    peak_mib: Option<f64>,
}

/// All that was measured.
pub(crate) struct HostileReport {
    machine: String,
    revision: String,
    runs: Vec<HostileRun>,
}

/// Measures every file of the directory, each with a worker of its own.
pub(crate) async fn measure(bench: &Bench) -> Result<HostileReport> {
    let Some(directory) = &bench.cli.hostile else {
        bail!("hostile files need their directory: --hostile");
    };
    let mut report = HostileReport {
        machine: machine::describe(),
        revision: bench.cli.revision.clone(),
        runs: Vec::new(),
    };
    for file in listed(directory)? {
        eprint!("  {} ... ", file.name);
        bench.servers.import_workers(1).await?;
        let run = one(bench, file).await?;
        eprintln!("{}", run.told);
        keep(&bench.cli.results, &Line::Hostile(&run))?;
        report.runs.push(run);
    }
    Ok(report)
}

fn listed(directory: &Path) -> Result<Vec<Hostile>> {
    let list = directory.join("list.tsv");
    let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let files = text.lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, name, code] = fields[..] else {
            bail!("{}: {line}", list.display());
        };
        Ok(Hostile {
            path: directory.join(file),
            name: name.to_owned(),
            code: (!code.is_empty()).then(|| code.to_owned()),
        })
    });
    files.collect()
}

async fn one(bench: &Bench, file: Hostile) -> Result<HostileRun> {
    let worker = bench.servers.pid(WORKER)?;
    let (told, seconds) = match bench.gateway.try_import(&file.path).await? {
        Answered::Refused(code) => (code, None),
        Answered::Accepted(task) => {
            let task = bench.gateway.ended(&task.id, PAUSE, PATIENCE).await?;
            (task.outcome(), Some(task.worked_s()))
        }
    };
    Ok(HostileRun {
        name: file.name,
        wanted: file.code,
        told,
        seconds,
        peak_mib: machine::peak_mib(worker),
    })
}

impl HostileRun {
    fn verdict(&self) -> &'static str {
        let told = self.wanted.as_ref().is_none_or(|code| *code == self.told);
        let quick = self.seconds.is_none_or(|seconds| seconds <= MOST_SECONDS);
        let small = self.peak_mib.is_some_and(|peak| peak <= MOST_MIB);
        if told && quick && small {
            "ok"
        } else {
            "missed"
        }
    }
}

impl fmt::Display for HostileReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}; {}", self.machine, self.revision)?;
        writeln!(out, "Each file in a worker that has just started.\n")?;
        writeln!(
            out,
            "| file | told | wanted | s, at most {MOST_SECONDS} | peak MiB, at most {MOST_MIB} | |\n\
             |---|---|---|---|---|---|"
        )?;
        for run in &self.runs {
            let wanted = run.wanted.as_deref().unwrap_or("nothing special");
            let seconds = run
                .seconds
                .map_or("refused by the gateway".to_owned(), |it| format!("{it:.1}"));
            let peak = run
                .peak_mib
                .map_or("DIED".to_owned(), |it| format!("{it:.0}"));
            writeln!(
                out,
                "| {} | {} | {wanted} | {seconds} | {peak} | {} |",
                run.name,
                run.told,
                run.verdict()
            )?;
        }
        Ok(())
    }
}
