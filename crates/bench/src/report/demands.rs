//! What issue 4 asks for, beside what was measured. Printed, never asserted.

use std::fmt;

use super::Report;
use crate::figures::{median, percentile};
use crate::record::Run;

/// Against bare rust_xlsxwriter at the same zip level.
const TIMES_BARE: f64 = 0.95;
/// Against EasyExcel in this issue.
const TIMES_EASYEXCEL: f64 = 1.9;
const PEAK_MIB: f64 = 64.0;
const SMALL_P50_MS: f64 = 150.0;
const SUBMIT_P99_MS: f64 = 20.0;
/// With twice the rows, a peak of so many times the one before still passes for the same.
const SAME: f64 = 1.1;
/// Behind a figure of which every run was disturbed by others on the machine.
const DISTURBED: &str = "~";

impl Report {
    pub(super) fn demands(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n| demand | wanted | measured | |\n|---|---|---|---|")?;
        self.ratios(out)?;
        self.memory(out)?;
        self.small_exports(out)?;
        self.submits(out)
    }

    /// At every zip level: a peer in Java compresses at 6.
    fn ratios(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = |name: &str| name.starts_with("quayside xlsx");
        for name in self.names().into_iter().filter(|name| ours(name)) {
            let level = name.trim_start_matches("quayside xlsx, ");
            let bare = format!("bare rust_xlsxwriter, {level}");
            self.ratio(out, name, &bare, Some(TIMES_BARE))?;
            self.ratio(out, name, "EasyExcel", Some(TIMES_EASYEXCEL))?;
            self.ratio(out, name, "dhatim fastexcel", None)?;
        }
        Ok(())
    }

    /// How many times as fast as a peer: the median of the rounds' own ratios.
    fn ratio(
        &self,
        out: &mut fmt::Formatter<'_>,
        ours: &str,
        peer: &str,
        wanted: Option<f64>,
    ) -> fmt::Result {
        let (ratios, disturbed) = self.pairs(ours, peer);
        let Some(ratio) = median(&ratios) else {
            return Ok(());
        };
        let mark = if disturbed { DISTURBED } else { "" };
        let rounds: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let measured = format!("{ratio:.2}{mark} (rounds: {})", rounds.join(" "));
        let (limit, verdict) = match wanted {
            Some(wanted) => (format!("at least {wanted}x"), verdict(ratio >= wanted)),
            None => (String::new(), ""),
        };
        let mark = if wanted.is_some() { mark } else { "" };
        writeln!(
            out,
            "| {ours} against {peer} | {limit} | {measured} | {verdict}{mark} |"
        )
    }

    /// The ratio of every round in which both count: undisturbed ones, or all when there are none,
    /// and then true.
    fn pairs(&self, ours: &str, peer: &str) -> (Vec<f64>, bool) {
        let whole = |name: &str, run: &&Run| run.name == name && run.fault.is_none();
        let pairs = self.runs.iter().filter(|run| whole(ours, run));
        let pairs = pairs.filter_map(|mine| {
            let of_round = |run: &&Run| run.round == mine.round && whole(peer, run);
            let theirs = self.runs.iter().find(of_round)?;
            let disturbed = mine.is_disturbed() || theirs.is_disturbed();
            Some((theirs.wall_s / mine.wall_s, disturbed))
        });
        let (disturbed, quiet): (Vec<_>, Vec<_>) = pairs.partition(|(_, disturbed)| *disturbed);
        let is_disturbed = quiet.is_empty();
        let chosen = if is_disturbed { disturbed } else { quiet };
        let ratios = chosen.into_iter().map(|(ratio, _)| ratio).collect();
        (ratios, is_disturbed)
    }

    /// The greatest peak of each kind of file, once and with twice the rows. A disturbed run takes
    /// as much memory as any.
    fn memory(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = format!("at most {PEAK_MIB} MiB");
        for name in self.names() {
            let Some(once) = peak(&self.runs, name).filter(|_| name.starts_with("quayside")) else {
                continue;
            };
            let ok = verdict(once <= PEAK_MIB);
            writeln!(
                out,
                "| worker's peak memory, {name} | {limit} | {once:.1} MiB | {ok} |"
            )?;
            let Some(twice) = peak(&self.twice, name) else {
                continue;
            };
            let ok = verdict(twice <= PEAK_MIB && twice <= once * SAME);
            let times = twice / once;
            writeln!(
                out,
                "| the same, twice the rows | {limit}, at most {SAME}x | {twice:.1} MiB ({times:.2}x) \
                 | {ok} |"
            )?;
        }
        Ok(())
    }

    fn small_exports(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(small) = &self.small else {
            return Ok(());
        };
        let of = |values: &[f64], percent| percentile(values, percent).unwrap_or(f64::NAN);
        let p50 = of(&small.seen_ms, 50);
        let rows = small.rows;
        writeln!(
            out,
            "| {rows} rows, submit to SUCCESS, p50 of {} | at most {SMALL_P50_MS} ms | {p50:.0} ms \
             (p99 {:.0}; by the database's clock p50 {:.0}, p99 {:.0}; until started p50 {:.0}, \
             p99 {:.0}; others used {:.2} cores) | {} |",
            small.seen_ms.len(),
            of(&small.seen_ms, 99),
            of(&small.told_ms, 50),
            of(&small.told_ms, 99),
            of(&small.waited_ms, 50),
            of(&small.waited_ms, 99),
            small.other_cpu_s / small.wall_s,
            verdict(p50 <= SMALL_P50_MS),
        )
    }

    fn submits(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(load) = &self.load else {
            return Ok(());
        };
        writeln!(
            out,
            "| submit at {} a second, p99 | at most {SUBMIT_P99_MS} ms | {:.1} ms (p50 {:.1}, max {:.1}; \
             {} of {} refused; {} exports done at the end, {} more in the {:.0} s after it, {} open; \
             CPU of gateway {:.1} s, worker {:.1} s, mysqld {:.1} s in {} s; others used {:.2} \
             cores) | {} |",
            load.per_second,
            load.p99_ms,
            load.p50_ms,
            load.max_ms,
            load.refused,
            load.per_second * load.seconds,
            load.done_at_end,
            load.drained,
            load.drained_s,
            load.open,
            load.gateway_cpu_s,
            load.worker_cpu_s,
            load.mysqld_cpu_s,
            load.seconds,
            load.other_cpu_s / f64::from(load.seconds),
            verdict(load.p99_ms <= SUBMIT_P99_MS && load.refused == 0),
        )
    }

    /// What does not count, and why.
    pub(super) fn voids(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in self.runs.iter().chain(&self.twice) {
            if let Some(fault) = &run.fault {
                let (name, round) = (&run.name, run.round);
                writeln!(
                    out,
                    "\nVOID: {name}, round {round}, {} rows: {fault}",
                    run.rows
                )?;
            }
        }
        if let Some(fault) = self.small.as_ref().and_then(|small| small.fault.as_ref()) {
            writeln!(out, "\nVOID: a small export: {fault}")?;
        }
        if let Some(load) = &self.load {
            if let Some(refusal) = &load.first_refusal {
                writeln!(out, "\nThe first refused submit: {refusal}")?;
            }
            if load.failed > 0 {
                let count = load.failed;
                writeln!(
                    out,
                    "\nVOID: {count} exports of the submits did not succeed"
                )?;
            }
        }
        Ok(())
    }
}

/// The greatest peak of a contender's runs that count.
fn peak(runs: &[Run], name: &str) -> Option<f64> {
    let whole = runs
        .iter()
        .filter(|run| run.name == name && run.fault.is_none());
    whole.map(|run| run.peak_mib).reduce(f64::max)
}

fn verdict(met: bool) -> &'static str {
    if met { "ok" } else { "missed" }
}
