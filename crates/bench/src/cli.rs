//! The words of the command line, all given by deploy/local/bench.sh.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// All rows to a file, interleaved with the peers.
    Exports,
    /// 10,000 rows, one export after the other.
    Small,
    /// Twice the rows, for the worker's memory.
    Twice,
    /// Submits at a fixed rate.
    Submit,
    /// A workbook into the table; by itself, without the other parts.
    Imports,
    /// Coupon grants from submit to row; by itself, without the other parts.
    Compensations,
    /// Of these, as many as go, and then in trouble; by itself.
    Trouble,
    /// What hostile files cost an import worker; by itself, without the other parts.
    Hostile,
    /// Two coupons for each member, from a csv to the last row and the count; by itself.
    Coupons,
}

/// Measures a running system.
#[derive(Parser)]
#[command(name = "bench", version)]
pub(crate) struct Cli {
    /// Rows of the table
    #[arg(long)]
    pub(crate) rows: u64,
    /// Rounds of the interleaved part
    #[arg(long)]
    pub(crate) runs: u32,
    /// Members who get two coupons each
    #[arg(long, default_value_t = 2_650_000)]
    pub(crate) members: u64,
    /// Seconds of the longest run of compensations
    #[arg(long)]
    pub(crate) seconds: u64,
    /// Zip levels to compare beside the worker's own
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) levels: Vec<u8>,
    /// Longest wait for a quiet machine before a run, in seconds
    #[arg(long)]
    pub(crate) patience: u64,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) parts: Vec<Part>,
    /// Where the peers were built; without it they are left out
    #[arg(long)]
    pub(crate) peers: Option<PathBuf>,
    /// The peers' program that writes a workbook of their table
    #[arg(long)]
    pub(crate) generator: Option<PathBuf>,
    /// The peers' table
    #[arg(long)]
    pub(crate) peer_schema: Option<PathBuf>,
    /// Where the hostile files lie, with their list
    #[arg(long)]
    pub(crate) hostile: Option<PathBuf>,
    /// The gateway
    #[arg(long)]
    pub(crate) url: String,
    /// The database, with its name
    #[arg(long)]
    pub(crate) mysql: String,
    /// The script that seeds and that starts the worker anew
    #[arg(long)]
    pub(crate) script: PathBuf,
    /// State of the bench's servers: `run`, `log`, `tmp`
    #[arg(long)]
    pub(crate) state: PathBuf,
    /// One JSON line for each run is added here
    #[arg(long)]
    pub(crate) results: PathBuf,
    /// What was built
    #[arg(long)]
    pub(crate) revision: String,
    /// Who exports
    #[arg(long, env = "BENCH_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
    /// Who submits at a fixed rate
    #[arg(long, env = "BENCH_LOAD_TOKEN", hide_env_values = true)]
    pub(crate) load_token: String,
}
