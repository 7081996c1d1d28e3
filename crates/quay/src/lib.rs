//! The command line for users and operators.
//!
//! It owns no rules: the gateway decides about exports and tasks, `store` and `bus` do the
//! operators' work. It promises exit codes for scripts ([`Exit`]), machine-readable output on
//! stdout with `--json`, progress on stderr, and errors that say what to do next. Shown by
//! `tests/it/`: the words in `help.rs` and `errors.rs`, the grammar of filters in `filters.rs`, the
//! generated rows in `rows.rs` and `seed.rs`, what a task can be told in `verbs.rs` and `watch.rs`,
//! broken connections in `network.rs`, and the whole way of an export in `walk.rs`.

#![warn(clippy::print_stdout, clippy::print_stderr)] // all goes through `print`

mod broker;
mod catalog;
mod cli;
mod client;
mod compensations;
mod completion;
mod confirm;
mod dead_letters;
mod download;
mod exit;
mod export;
mod filter;
mod import;
mod lanes;
mod listing;
mod migrate;
mod notifications;
mod operation_log;
mod patience;
mod print;
mod problem;
mod progress;
mod quotas;
mod seed;
mod sse;
mod table;
mod tasks;
mod template;
mod text;
mod token;
mod topics;
mod wait;
mod watch;
mod webhooks;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::print::say;

pub use compensations::{
    ClientError, CompensationCall, CompensationClient, CompensationFollowUp, CompensationGroup,
    CompensationItem, SubmittedCall, SubmittedItem,
};
pub use exit::Exit;
pub use filter::{FilterError, filters_from};
pub use seed::{Sample, SampleRows};

/// What blocking threads may use at the end.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// Runs the command line of this process and says how it ended.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            say(format_args!("quay: cannot start: {error}"));
            return Exit::Failed.into();
        }
    };
    let outcome = runtime.block_on(run_until_interrupted(cli));
    // Time for blocking threads to clean up: a download's temporary file goes with its writer.
    runtime.shutdown_timeout(LAST_MOMENTS);
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            say(format_args!("quay: {failure}"));
            failure.exit().into()
        }
    }
}

async fn run_until_interrupted(cli: Cli) -> Result<Exit, exit::Failure> {
    if let Command::Broker(args) = &cli.command {
        return broker::run(args).await;
    }
    tokio::select! {
        outcome = run(cli) => outcome,
        _ = tokio::signal::ctrl_c() => {
            let failure = exit::Failure::new(Exit::Interrupted, "interrupted");
            Err(failure.advise("What was submitted goes on: quay tasks list"))
        }
    }
}

async fn run(cli: Cli) -> Result<Exit, exit::Failure> {
    match cli.command {
        Command::Export(args) => export::run(&args).await,
        Command::Import(args) => import::run(&args).await,
        Command::Template(args) => template::run(&args).await,
        Command::Tasks(args) => tasks::run(&args.command).await,
        Command::Quotas(args) => quotas::run(&args).await,
        Command::Lanes(args) => lanes::run(&args.command).await,
        Command::Compensations(args) => compensations::run(&args.command).await,
        Command::DeadLetters(args) => dead_letters::run(&args.command).await,
        Command::Notifications(args) => notifications::run(&args.command).await,
        Command::Webhooks(args) => webhooks::run(&args.command).await,
        Command::OperationLog(args) => operation_log::run(&args.command).await,
        Command::Seed(args) => seed::run(args).await,
        Command::Topics(cli::TopicsCommand::Create(args)) => topics::create(&args).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Token(args) => token::run(&args),
        Command::Broker(args) => broker::run(&args).await,
        Command::Completion(args) => completion::run(&args),
    }
}
