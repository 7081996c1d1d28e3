//! The chaos, for `./dev chaos`: no part of production.
//!
//! A house of real processes on a real MySQL and a real Kafka of its own (deploy/local/chaos.sh) is
//! worked at by clients that do not give up and broken by a plan that a seed draws; when all is quiet
//! a checker compares what the clients were told with what there is. What it found is printed, its
//! evidence kept. docs/RELIABILITY.md says what the figures mean.

mod bell;
mod book;
mod business;
mod check;
mod cli;
mod client;
mod database;
mod fleet;
mod journal;
mod kill_points;
mod operator;
mod plan;
mod ports;
mod recovery;
mod report;
mod run;
mod scene;
mod servers;
mod service;
mod vandal;
mod weather;
mod wish;
mod workload;

use std::process::ExitCode;

use clap::Parser;

pub use book::{Accepted, AcceptedBusiness};
pub use business::{Business, Kind as Handler, Way};
pub use check::{Checker, Tally};
pub use plan::{Fault, plan};
pub use ports::Ports;
pub use recovery::{End, Figures, Kind, Sum, Times};
pub use wish::{Format, Rows, Wish};

/// The program: 0 when no promise was broken, 1 when one was, 2 when it could not be told.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let ran = match runtime {
        Ok(runtime) => runtime.block_on(run::run(&cli)),
        Err(error) => Err(error.into()),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}; evidence: {}", cli.evidence.display());
            ExitCode::from(2)
        }
    }
}
