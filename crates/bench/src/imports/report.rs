//! The table of imports and what issue 5 asks for, in markdown. Printed, never asserted.

use std::fmt;

use super::ImportRun;
use crate::bench::Bench;
use crate::figures::{median, percentile};

/// Against the rate of LOAD DATA.
const SHARE_OF_LOAD_DATA: f64 = 0.4;
/// Against EasyExcel in this issue.
const TIMES_EASYEXCEL: f64 = 3.2;
const PEAK_MIB: f64 = 160.0;
const SMALL_P50_MS: f64 = 250.0;

/// All that was measured.
pub(crate) struct ImportReport {
    machine: String,
    revision: String,
    workbook_bytes: u64,
    pub(crate) runs: Vec<ImportRun>,
    /// From the submit to SUCCESS as seen by polling.
    pub(crate) small_ms: Vec<f64>,
    pub(crate) checked: Option<Checked>,
}

/// A workbook that was read and checked alone.
pub(crate) struct Checked {
    pub(crate) wall_s: f64,
    /// Of the worker.
    pub(crate) cpu_s: f64,
}

impl ImportReport {
    pub(crate) fn new(bench: &Bench, workbook_bytes: u64) -> Self {
        Self {
            machine: crate::machine::describe(),
            revision: bench.cli.revision.clone(),
            workbook_bytes,
            runs: Vec::new(),
            small_ms: Vec::new(),
            checked: None,
        }
    }

    /// Whether every run counts.
    pub(crate) fn is_whole(&self) -> bool {
        self.runs.iter().all(|run| run.fault.is_none())
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !names.contains(&run.name.as_str()) {
                names.push(&run.name);
            }
        }
        names
    }

    /// The runs that count: undisturbed ones, or all when there are none.
    fn counted(&self, name: &str) -> Vec<&ImportRun> {
        let whole = |run: &&ImportRun| run.name == name && run.fault.is_none();
        let whole: Vec<&ImportRun> = self.runs.iter().filter(whole).collect();
        let quiet: Vec<&ImportRun> = whole
            .iter()
            .copied()
            .filter(|run| !run.is_disturbed())
            .collect();
        if quiet.is_empty() { whole } else { quiet }
    }

    fn of(&self, name: &str, value: fn(&ImportRun) -> f64) -> Option<f64> {
        let values: Vec<f64> = self.counted(name).into_iter().map(value).collect();
        median(&values)
    }

    fn line(&self, name: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value| self.of(name, value).unwrap_or(f64::NAN);
        let wall = figure(|run| run.wall_s);
        let rows = self.runs.first().map_or(0, |run| run.rows);
        let upload = figure(|run| run.upload_s.unwrap_or(f64::NAN));
        let upload = if upload.is_nan() {
            String::new()
        } else {
            format!("{upload:.2}")
        };
        let runs: Vec<String> = self
            .runs
            .iter()
            .filter(|run| run.name == name)
            .map(|run| match (&run.fault, run.is_disturbed()) {
                (Some(_), _) => "void".to_owned(),
                (None, true) => format!("{:.2}~", run.wall_s),
                (None, false) => format!("{:.2}", run.wall_s),
            })
            .collect();
        writeln!(
            out,
            "| {name} | {wall:.2} | {:.0} | {upload} | {:.2} | {:.2} | {:.2} | {:.0} | {} |",
            rows as f64 / wall,
            figure(|run| run.client_cpu_s),
            figure(|run| run.gateway_cpu_s),
            figure(|run| run.mysqld_cpu_s),
            figure(|run| run.peak_mib),
            runs.join(" ")
        )
    }

    fn demands(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n| demand | wanted | measured | |\n|---|---|---|---|")?;
        let wall = |name: &str| self.of(name, |run| run.wall_s);
        let ours = self
            .names()
            .into_iter()
            .filter(|name| name.starts_with("quayside"));
        for name in ours {
            let Some(mine) = wall(name) else { continue };
            if let Some(floor) = wall("LOAD DATA of the text") {
                let share = floor / mine;
                writeln!(
                    out,
                    "| {name} against LOAD DATA's rate | at least {SHARE_OF_LOAD_DATA} | {share:.2} | {} |",
                    verdict(share >= SHARE_OF_LOAD_DATA)
                )?;
            }
            if let Some(easy) = wall("EasyExcel") {
                let times = easy / mine;
                writeln!(
                    out,
                    "| {name} against EasyExcel | at least {TIMES_EASYEXCEL}x | {times:.2}x | {} |",
                    verdict(times >= TIMES_EASYEXCEL)
                )?;
            }
            if let Some(dhatim) = wall("dhatim fastexcel-reader") {
                writeln!(
                    out,
                    "| {name} against dhatim fastexcel-reader | | {:.2}x | |",
                    dhatim / mine
                )?;
            }
            let peak = self
                .runs
                .iter()
                .filter(|run| run.name == name && run.fault.is_none());
            let peak = peak.map(|run| run.peak_mib).fold(0.0, f64::max);
            writeln!(
                out,
                "| worker's peak memory, {name} | at most {PEAK_MIB} MiB | {peak:.1} MiB | {} |",
                verdict(peak <= PEAK_MIB)
            )?;
        }
        if let Some(p50) = percentile(&self.small_ms, 50) {
            writeln!(
                out,
                "| 1,000 rows, submit to SUCCESS, p50 of {} | at most {SMALL_P50_MS} ms | {p50:.0} ms (p99 {:.0}) | {} |",
                self.small_ms.len(),
                percentile(&self.small_ms, 99).unwrap_or(f64::NAN),
                verdict(p50 <= SMALL_P50_MS)
            )?;
        }
        if let Some(checked) = &self.checked {
            let busy = checked.cpu_s / checked.wall_s;
            writeln!(
                out,
                "| inflating, parsing and checking overlap: the worker's CPU seconds in a second of \
                 reading, nothing of it written | above 1 | {busy:.2} ({:.2} of {:.2} s) | {} |",
                checked.cpu_s,
                checked.wall_s,
                verdict(busy > 1.0)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}; {}", self.machine, self.revision)?;
        let rows = self.runs.first().map_or(0, |run| run.rows);
        let megabytes = self.workbook_bytes as f64 / 1e6;
        writeln!(
            out,
            "{rows} rows of 11 columns, a workbook of {megabytes:.1} MB with shared strings."
        )?;
        writeln!(
            out,
            "\n| import | s | rows/s | upload s | CPU s | gateway CPU s | mysqld CPU s | peak MiB | runs s |\n\
             |---|---|---|---|---|---|---|---|---|"
        )?;
        for name in self.names() {
            self.line(name, out)?;
        }
        self.demands(out)?;
        writeln!(out, "\n~: others on the machine were busy in that run.")?;
        for run in &self.runs {
            if let Some(fault) = &run.fault {
                writeln!(out, "\nVOID: {}, round {}: {fault}", run.name, run.round)?;
            }
        }
        Ok(())
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "ok" } else { "missed" }
}
