//! The table of business work and what issue 7 asks for, in markdown. Printed, never asserted.

use std::fmt;

use super::GrantRun;
use super::trouble::TroubleRun;
use crate::bench::Bench;

/// Grants a second from HTTP submit to durable row: what must be, and what is aimed at.
const RATE: f64 = 15_000.0;
const AIM: f64 = 25_000.0;
/// At 70 % of the highest rate.
const P99_MS: f64 = 150.0;
/// Part of the highest rate, with poison, failures that pass, and kills.
const IN_TROUBLE: f64 = 0.8;

/// All that was measured.
pub(crate) struct GrantReport {
    machine: String,
    revision: String,
    pub(crate) runs: Vec<GrantRun>,
    /// Rows that retention removed in the last of these.
    pub(crate) removed: u64,
    pub(crate) trouble: Option<TroubleRun>,
}

impl GrantReport {
    pub(crate) fn new(bench: &Bench) -> Self {
        Self {
            machine: crate::machine::describe(),
            revision: bench.cli.revision.clone(),
            runs: Vec::new(),
            removed: 0,
            trouble: None,
        }
    }

    /// Whether every run counts.
    pub(crate) fn is_whole(&self) -> bool {
        let faults = self.runs.iter().map(|run| &run.fault);
        let trouble = self.trouble.iter().map(|run| &run.fault);
        faults.chain(trouble).all(Option::is_none)
    }

    fn demands(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(top) = self.runs.first() else {
            return Ok(());
        };
        let rate = top.rate();
        writeln!(out, "\n| demand | wanted | measured | |\n|---|---|---|---|")?;
        writeln!(
            out,
            "| grants a second, {:.0} s | at least {RATE}, aim {AIM} | {rate:.0} | {} |",
            top.wall_s,
            if rate >= RATE { "ok" } else { "missed" }
        )?;
        if let [_, large, small, .., beside] = self.runs.as_slice() {
            self.demands_of_others(out, [large, small, beside], rate)?;
        }
        if let Some(trouble) = &self.trouble {
            let part = trouble.rate() / rate;
            writeln!(
                out,
                "| of {} {} poison, {} failed once in {} transactions cut off, the worker killed {} times, {:.0} s: \
                 part of that rate | at least {IN_TROUBLE} | {part:.2} ({:.0} a second; others used {:.2} cores) \
                 | {} |",
                trouble.accepted,
                trouble.poisoned,
                trouble.cut,
                trouble.cuts,
                trouble.kills,
                trouble.wall_s,
                trouble.rate(),
                trouble.other_cpu_s / trouble.wall_s,
                if part >= IN_TROUBLE { "ok" } else { "missed" }
            )?;
        }
        Ok(())
    }

    fn demands_of_others(
        &self,
        out: &mut fmt::Formatter<'_>,
        [large, small, beside]: [&GrantRun; 3],
        rate: f64,
    ) -> fmt::Result {
        for (items, run) in [("1,000", large), ("250", small)] {
            writeln!(
                out,
                "| {items} in a request at 70 %, submit to done, p99 | at most {P99_MS} ms | {:.0} ms | {} |",
                run.p99_ms,
                if run.p99_ms <= P99_MS { "ok" } else { "missed" }
            )?;
        }
        writeln!(
            out,
            "| beside the retention, which removed {:.0} rows a second: part of that rate | | {:.2} | |",
            self.removed as f64 / beside.wall_s,
            beside.rate() / rate
        )
    }
}

impl fmt::Display for GrantReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}; {}", self.machine, self.revision)?;
        writeln!(
            out,
            "\n| grants | s | a second | p50 ms | p99 ms | max ms | mysqld µs each | worker µs | gateway µs \
             | broker µs | bench µs | redo B | binlog B | commits per 1,000 | writes each \
             | deadlocks per million | lock waits | backlog slope | worker MiB | gateway MiB | others' cores |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
        )?;
        for run in &self.runs {
            let each = |value: f64| value / run.accepted as f64;
            writeln!(
                out,
                "| {} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} \
                 | {:.0} | {:.0} | {:.1} | {:.2} | {:.1} | {} | {:+.1} | {:.0} | {:.0} | {:.2} |",
                run.name,
                run.wall_s,
                run.rate(),
                run.p50_ms,
                run.p99_ms,
                run.max_ms,
                each(run.mysqld_cpu_s * 1e6),
                each(run.worker_cpu_s * 1e6),
                each(run.gateway_cpu_s * 1e6),
                each(run.broker_cpu_s * 1e6),
                each(run.bench_cpu_s * 1e6),
                each(run.redo_bytes as f64),
                each(run.binlog_bytes as f64),
                each(run.commits as f64 * 1e3),
                each(run.writes as f64),
                each(run.deadlocks as f64 * 1e6),
                run.lock_waits,
                run.backlog_slope,
                run.worker_peak_mib,
                run.gateway_peak_mib,
                run.other_cpu_s / run.wall_s,
            )?;
        }
        self.demands(out)?;
        let faults = self.runs.iter().map(|run| (run.name, &run.fault));
        let trouble = self.trouble.iter().map(|run| ("in trouble", &run.fault));
        for (name, fault) in faults.chain(trouble) {
            if let Some(fault) = fault {
                writeln!(out, "\nVOID: {name}: {fault}")?;
            }
        }
        Ok(())
    }
}
