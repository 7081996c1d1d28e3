//! The tables, in markdown.

mod demands;

use std::fmt;

use crate::bench::Bench;
use crate::figures::median;
use crate::record::{Load, Run, Small};

/// All that was measured.
pub(crate) struct Report {
    machine: String,
    revision: String,
    pub(crate) runs: Vec<Run>,
    pub(crate) small: Option<Small>,
    pub(crate) twice: Vec<Run>,
    pub(crate) load: Option<Load>,
}

impl Report {
    pub(crate) fn new(bench: &Bench, machine: String) -> Self {
        Self {
            machine,
            revision: bench.cli.revision.clone(),
            runs: Vec::new(),
            small: None,
            twice: Vec::new(),
            load: None,
        }
    }

    /// Whether every run counts.
    pub(crate) fn is_whole(&self) -> bool {
        let runs = self.runs.iter().chain(&self.twice);
        let small = self.small.as_ref().and_then(|small| small.fault.as_ref());
        let load = self.load.as_ref();
        runs.clone().all(|run| run.fault.is_none())
            && small.is_none()
            && load.is_none_or(|load| load.refused == 0 && load.failed == 0)
    }

    /// The names of all contenders, in order of their first run.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !names.contains(&run.name.as_str()) {
                names.push(&run.name);
            }
        }
        names
    }

    /// The runs of a contender that count: undisturbed ones, or all when there are none.
    fn counted(&self, name: &str) -> Vec<&Run> {
        counted(self.runs.iter().filter(|run| run.name == name))
    }
}

fn counted<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<&'a Run> {
    let whole: Vec<&Run> = runs.filter(|run| run.fault.is_none()).collect();
    if whole.iter().all(|run| run.is_disturbed()) {
        return whole;
    }
    whole
        .into_iter()
        .filter(|run| !run.is_disturbed())
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}; {}", self.machine, self.revision)?;
        let sum = |runs: &mut dyn Iterator<Item = &Run>| {
            runs.fold((0.0, 0.0), |(other, wall), run| {
                (other + run.other_cpu_s, wall + run.wall_s)
            })
        };
        let (other, wall) = sum(&mut self.runs.iter().filter(|run| run.fault.is_none()));
        if wall > 0.0 {
            let share = other / wall;
            writeln!(
                out,
                "Others on the machine used {share:.2} cores meanwhile."
            )?;
        }
        if !self.runs.is_empty() {
            writeln!(out, "\n{HEAD}\n{RULE}")?;
            for name in self.names() {
                let all = self.runs.iter().filter(|run| run.name == name);
                writeln!(
                    out,
                    "{}",
                    line(name, &all.collect::<Vec<_>>(), &self.counted(name))
                )?;
            }
            for run in &self.twice {
                let name = format!("{}, twice the rows", run.name);
                let counts: &[&Run] = if run.fault.is_none() { &[run] } else { &[] };
                writeln!(out, "{}", line(&name, &[run], counts))?;
            }
        }
        self.demands(out)?;
        writeln!(
            out,
            "\n~: others on the machine were busy in every such run; no figure to quote."
        )?;
        self.voids(out)
    }
}

const HEAD: &str = "| export | rows | s | rows/s | CPU s | gateway CPU s | mysqld CPU s | peak MiB | file MB | started after ms | runs s |";
const RULE: &str = "|---|---|---|---|---|---|---|---|---|---|---|";

fn line(name: &str, all: &[&Run], counted: &[&Run]) -> String {
    let of = |value: fn(&Run) -> f64| {
        let values: Vec<f64> = counted.iter().map(|run| value(run)).collect();
        median(&values).unwrap_or(f64::NAN)
    };
    let wall = of(|run| run.wall_s);
    let rows = all.first().map_or(0, |run| run.rows);
    let waited = of(|run| run.waited_s.unwrap_or(f64::NAN) * 1e3);
    let waited = if waited.is_nan() {
        String::new()
    } else {
        format!("{waited:.0}")
    };
    let runs: Vec<String> = all.iter().map(|run| time(run)).collect();
    format!(
        "| {name} | {rows} | {wall:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {waited} | {} |",
        rows as f64 / wall,
        of(|run| run.client_cpu_s),
        of(|run| run.gateway_cpu_s),
        of(|run| run.mysqld_cpu_s),
        of(|run| run.peak_mib),
        of(|run| run.file_bytes as f64 / 1e6),
        runs.join(" "),
    )
}

/// `4.31`, `4.31~` when others were busy, `void` when it does not count.
fn time(run: &Run) -> String {
    match (&run.fault, run.is_disturbed()) {
        (Some(_), _) => "void".to_owned(),
        (None, true) => format!("{:.2}~", run.wall_s),
        (None, false) => format!("{:.2}", run.wall_s),
    }
}
