//! The words of operators: database, topics, tokens, the development broker.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{OutputArgs, given};
use crate::exit::Failure;
use crate::seed::Sample;

/// Which database.
#[derive(Args)]
pub(crate) struct MysqlArgs {
    /// The database: mysql://user:password@host:port/name
    #[arg(
        long,
        env = "QUAYSIDE_MYSQL",
        value_name = "URL",
        hide_env_values = true
    )]
    mysql: Option<String>,
}

impl MysqlArgs {
    /// The database's address.
    pub(crate) fn url(&self) -> Result<&str, Failure> {
        let url = given(self.mysql.as_deref()).ok_or_else(|| {
            Failure::usage("no database: which MySQL?").advise(
                "Set QUAYSIDE_MYSQL or give --mysql mysql://user:password@host:port/name\n\
                         On your own machine: eval \"$(./dev env)\"",
            )
        })?;
        let names_one = url::Url::parse(url).is_ok_and(|url| url.path().len() > 1);
        if !url.starts_with("mysql://") || !names_one {
            return Err(Failure::usage("the MySQL address is not understood")
                .advise("It looks like mysql://user:password@host:port/name, the name included."));
        }
        Ok(url)
    }
}

/// Which definitions.
#[derive(Args)]
pub(crate) struct DatasetsArgs {
    /// Directory of the dataset definitions
    #[arg(
        long,
        env = "QUAYSIDE_DATASETS",
        value_name = "DIR",
        default_value = "deploy/datasets"
    )]
    pub(crate) datasets: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Afterwards the tenant has exactly N rows, always the same ones; --append goes on where the rows end.
Make the tables first: quay migrate --examples

Examples:
  quay seed employee --rows 100000
  quay seed member --rows 1000000 --tenant acme
")]
pub(crate) struct SeedArgs {
    /// Which table
    #[arg(value_enum)]
    pub(crate) dataset: Sample,
    /// How many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) rows: u64,
    /// Whose rows
    #[arg(long, default_value = "acme")]
    pub(crate) tenant: String,
    /// Add to the tenant's rows instead of replacing them
    #[arg(long)]
    pub(crate) append: bool,
    /// So many percent of the rows are marked as deleted, which no export shows
    #[arg(long, value_name = "0-100", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) deleted_percent: u8,
    /// Use INSERT even where the server takes LOAD DATA LOCAL
    #[arg(long, hide = true)]
    pub(crate) insert: bool,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) mysql: MysqlArgs,
}

#[derive(Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create the topics of the datasets' queues and of the handlers, and of their dead letters
    Create(TopicsArgs),
}

#[derive(Args)]
pub(crate) struct TopicsArgs {
    /// The brokers: host:port,host:port
    #[arg(long, env = "QUAYSIDE_KAFKA", value_name = "BROKERS")]
    pub(crate) kafka: Option<String>,
    /// Partitions of each topic: at least as many as the most workers
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(crate) partitions: i32,
    /// Copies of each partition: 3 in production, 1 on a single broker
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=15))]
    pub(crate) replication: i32,
    #[command(flatten)]
    pub(crate) datasets: DatasetsArgs,
    /// Directory of the handler definitions; without one, no topics for business work
    #[arg(long, env = "QUAYSIDE_HANDLERS", value_name = "DIR")]
    pub(crate) handlers: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
}

#[derive(Args)]
pub(crate) struct MigrateArgs {
    /// Also create the tables of the example datasets (the .sql files beside the definitions)
    #[arg(long)]
    pub(crate) examples: bool,
    #[command(flatten)]
    pub(crate) datasets: DatasetsArgs,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) mysql: MysqlArgs,
}

#[derive(Args)]
#[command(after_help = "Example:\n  export QUAYSIDE_TOKEN=$(quay token --user 7 --role MANAGER)\n")]
pub(crate) struct TokenArgs {
    /// Who: the token's `sub`
    #[arg(long)]
    pub(crate) user: String,
    /// What they may do, such as MANAGER or SUPER_ADMIN; can be repeated
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub(crate) roles: Vec<String>,
    /// Whose data they see
    #[arg(long, default_value = "acme")]
    pub(crate) tenant: String,
    /// How long the token holds, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 28_800)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) expires_in: u64,
    /// The gateway's secret (HS256)
    #[arg(long, env = "QUAYSIDE_JWT_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// The issuer, where the gateway checks it
    #[arg(long)]
    pub(crate) issuer: Option<String>,
    /// The audience, where the gateway checks it
    #[arg(long)]
    pub(crate) audience: Option<String>,
}

#[derive(Args)]
pub(crate) struct BrokerArgs {
    /// Write host:port into this file once the broker listens
    #[arg(long, value_name = "FILE")]
    pub(crate) address_file: PathBuf,
    #[command(flatten)]
    pub(crate) datasets: DatasetsArgs,
    /// Directory of the handler definitions; without one, no topics for business work
    #[arg(long, env = "QUAYSIDE_HANDLERS", value_name = "DIR")]
    pub(crate) handlers: Option<PathBuf>,
}
