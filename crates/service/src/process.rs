//! The `main` of every binary: command line, settings, telemetry, runtime, life, exit code.
//!
//! Exit codes: 0 after an orderly end, 1 when something failed, 2 for a wrong command line or
//! settings, 130 and 143 after a second SIGINT or SIGTERM.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::lifecycle::Lifecycle;
use crate::settings::Settings;
use crate::telemetry::Telemetry;

/// What a binary is given to start with.
#[derive(Clone, Debug)]
pub struct Process {
    /// Name of the binary.
    pub name: &'static str,
    /// The effective settings.
    pub settings: Settings,
    /// The life of the process, on which everything is spawned.
    pub lifecycle: Lifecycle,
    /// Logs, traces and metrics, installed.
    pub telemetry: Telemetry,
}

#[derive(Parser)]
struct CommandLine {
    /// Settings file (TOML); the environment (QUAYSIDE__SECTION__KEY) overrides it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Reads command line and settings, installs telemetry, runs `start` on the main runtime and
/// lives until the process is told to end. `start` spawns what lives on and returns.
pub fn main<S, F>(name: &'static str, version: &'static str, start: S) -> ExitCode
where
    S: FnOnce(Process) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let command = <CommandLine as clap::CommandFactory>::command()
        .name(name)
        .version(version);
    let line = command.get_matches();
    let config = line.get_one::<PathBuf>("config");
    let settings = match Settings::load(config.map(PathBuf::as_path)) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{name}: {:#}", anyhow::Error::from(error));
            return ExitCode::from(2);
        }
    };
    match run(name, version, settings, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run<S, F>(
    name: &'static str,
    version: &'static str,
    settings: Settings,
    start: S,
) -> anyhow::Result<()>
where
    S: FnOnce(Process) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let telemetry = Telemetry::install(name, &settings.telemetry)?;
    #[cfg(feature = "failpoints")]
    crate::kill_points::arm()?;
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(name)
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        let lifecycle = Lifecycle::new(settings.lifecycle.grace());
        lifecycle
            .listen_to_signals()
            .context("cannot listen to signals")?;
        tracing::info!(version, settings = %settings.redacted(), "{name} starts");
        let process = Process {
            name,
            settings,
            lifecycle: lifecycle.clone(),
            telemetry: telemetry.clone(),
        };
        let soft = lifecycle.soft();
        let started = tokio::select! {
            started = start(process) => started,
            // Told to end while still starting.
            () = soft.cancelled() => Ok(()),
        };
        if started.is_err() {
            lifecycle.begin_shutdown();
        }
        let ended = lifecycle.run_to_end().await;
        started.and(ended.map_err(Into::into))
    });
    match &result {
        Ok(()) => tracing::info!("{name} has ended"),
        Err(error) => tracing::error!(error = format!("{error:#}"), "{name} has ended"),
    }
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    telemetry.shutdown();
    result
}
