//! The words of the command line, all given by deploy/local/chaos.sh.

use std::path::PathBuf;

use clap::Parser;

/// Breaks a house of its own and counts what came of it.
#[derive(Parser)]
#[command(name = "chaos", version)]
pub(crate) struct Cli {
    /// How long faults go on
    #[arg(long)]
    pub(crate) seconds: u64,
    /// Decides the faults, their victims and the work
    #[arg(long)]
    pub(crate) seed: u64,
    /// From one fault to the next, on average
    #[arg(long, default_value_t = 3_000)]
    pub(crate) fault_every_ms: u64,
    /// How often each kill point is to be hit at least
    #[arg(long)]
    pub(crate) kill_points_each: u32,
    /// Where the binaries are
    #[arg(long)]
    pub(crate) bin: PathBuf,
    /// Their settings; the database's address and the ports come from here
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// State of the chaos's servers: `run`, `log`, `storage`
    #[arg(long)]
    pub(crate) state: PathBuf,
    /// mysql.sh and kafka.sh
    #[arg(long)]
    pub(crate) scripts: PathBuf,
    /// The definitions
    #[arg(long)]
    pub(crate) datasets: PathBuf,
    /// What is done with business work
    #[arg(long)]
    pub(crate) handlers: PathBuf,
    /// Where the service listens that business work calls
    #[arg(long)]
    pub(crate) service_port: u16,
    /// The database, with its name
    #[arg(long)]
    pub(crate) mysql: String,
    /// Kafka
    #[arg(long)]
    pub(crate) kafka: String,
    /// Rows of `member`
    #[arg(long)]
    pub(crate) members: u64,
    /// Where everything is written down
    #[arg(long)]
    pub(crate) evidence: PathBuf,
    /// Who works
    #[arg(long, env = "CHAOS_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
}
