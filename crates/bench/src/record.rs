//! What is measured, as it is kept: one JSON line for each.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::compensations::{GrantRun, TroubleRun};
use crate::coupons::CouponRun;
use crate::hostile::HostileRun;
use crate::imports::ImportRun;
use crate::servers::Taken;

/// Others that used more than this part of one core disturbed a run.
pub(crate) const DISTURBED: f64 = 0.15;

/// One export of many rows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) round: u32,
    pub(crate) rows: u64,
    /// From the submit to SUCCESS as seen by polling, or the life of a peer's process.
    pub(crate) wall_s: f64,
    /// `finished_at - created_at` of our task.
    pub(crate) told_s: Option<f64>,
    /// `started_at - created_at` of our task.
    pub(crate) waited_s: Option<f64>,
    /// The worker's CPU, or the peer's.
    pub(crate) client_cpu_s: f64,
    pub(crate) gateway_cpu_s: f64,
    pub(crate) mysqld_cpu_s: f64,
    pub(crate) broker_cpu_s: f64,
    pub(crate) bench_cpu_s: f64,
    pub(crate) other_cpu_s: f64,
    pub(crate) peak_mib: f64,
    pub(crate) file_bytes: u64,
    /// Why the run does not count.
    pub(crate) fault: Option<String>,
}

impl Run {
    pub(crate) fn new(name: String, round: u32, rows: u64) -> Self {
        Self {
            name,
            round,
            rows,
            wall_s: f64::NAN,
            told_s: None,
            waited_s: None,
            client_cpu_s: f64::NAN,
            gateway_cpu_s: f64::NAN,
            mysqld_cpu_s: f64::NAN,
            broker_cpu_s: f64::NAN,
            bench_cpu_s: f64::NAN,
            other_cpu_s: f64::NAN,
            peak_mib: f64::NAN,
            file_bytes: 0,
            fault: None,
        }
    }

    pub(crate) fn take(&mut self, taken: &Taken, client_cpu_s: f64) {
        self.wall_s = taken.wall_s;
        self.client_cpu_s = client_cpu_s;
        self.gateway_cpu_s = taken.gateway_s;
        self.mysqld_cpu_s = taken.mysqld_s;
        self.broker_cpu_s = taken.broker_s;
        self.bench_cpu_s = taken.bench_s;
        self.other_cpu_s = taken.other_s;
    }

    /// Whether others were busy meanwhile.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.other_cpu_s > DISTURBED * self.wall_s
    }

    /// For the person who waits.
    pub(crate) fn line(&self) -> String {
        match &self.fault {
            Some(fault) => format!("VOID: {fault}"),
            None => format!(
                "{:.2} s, {:.0} MiB, others {:.2} s of CPU",
                self.wall_s, self.peak_mib, self.other_cpu_s
            ),
        }
    }
}

/// The 10,000-row exports, times in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Small {
    pub(crate) rows: u64,
    /// From the submit to SUCCESS as seen by polling.
    pub(crate) seen_ms: Vec<f64>,
    /// `finished_at - created_at`.
    pub(crate) told_ms: Vec<f64>,
    /// `started_at - created_at`: the ring's way and the claim.
    pub(crate) waited_ms: Vec<f64>,
    pub(crate) other_cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) fault: Option<String>,
}

/// The submits at a fixed rate.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Load {
    pub(crate) per_second: u32,
    pub(crate) seconds: u32,
    /// From the moment that a submit was due to its whole answer, of those accepted.
    #[serde(skip)]
    pub(crate) latencies_ms: Vec<f64>,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Answers other than 202, or none, and the first of them.
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<String>,
    /// Exports that had succeeded when the last submit was answered.
    pub(crate) done_at_end: u64,
    /// How many were done in which time after that, and how many were still open then.
    pub(crate) drained: u64,
    pub(crate) drained_s: f64,
    pub(crate) open: u64,
    /// Exports that ended otherwise than in SUCCESS.
    pub(crate) failed: u64,
    pub(crate) gateway_cpu_s: f64,
    pub(crate) worker_cpu_s: f64,
    pub(crate) mysqld_cpu_s: f64,
    pub(crate) other_cpu_s: f64,
}

/// A line of the file of results.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub(crate) enum Line<'a> {
    Machine {
        at: String,
        machine: &'a str,
        revision: &'a str,
        rows: u64,
        runs: u32,
    },
    Export(&'a Run),
    Twice(&'a Run),
    Small(&'a Small),
    Submit(&'a Load),
    Import(&'a ImportRun),
    Grants(&'a GrantRun),
    Trouble(&'a TroubleRun),
    Hostile(&'a HostileRun),
    Coupons(&'a CouponRun),
}

/// Adds a line to the file of results.
pub(crate) fn keep(results: &Path, line: &Line<'_>) -> Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(results)
        .with_context(|| results.display().to_string())?;
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())?;
    Ok(())
}
