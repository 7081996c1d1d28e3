//! The words of `quay tasks` and `quay quotas`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{GatewayArgs, OutputArgs, PageArgs};
use crate::exit::EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  quay tasks list --status FAILED
  quay tasks watch                     a line per change, until Ctrl-C
  quay tasks watch 42 && quay tasks download 42 -o .
  quay tasks attempts 42               how often it was tried, and how that ended
";

#[derive(Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct TasksArgs {
    #[command(subcommand)]
    pub(crate) command: TasksCommand,
}

#[derive(Subcommand)]
pub(crate) enum TasksCommand {
    /// List tasks, newest first
    List(ListArgs),
    /// Show one task
    Show(OneTaskArgs),
    /// Follow one task to its end, or all of yours
    Watch(WatchArgs),
    /// Download a finished task's file
    Download(DownloadArgs),
    /// Cancel a task that is not finished
    Cancel(OneTaskArgs),
    /// Run a failed or cancelled task again
    Retry(OneTaskArgs),
    /// Delete a finished task and its files
    Delete(DeleteArgs),
    /// List how often a task was tried, and how each try ended
    Attempts(OneTaskArgs),
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StatusWord {
    Pending,
    Processing,
    Success,
    PartialSuccess,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum KindWord {
    Export,
    Import,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ListArgs {
    /// Only tasks that stand there
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) status: Option<StatusWord>,
    /// Only exports or only imports
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) kind: Option<KindWord>,
    /// Only tasks of this dataset
    #[arg(long)]
    pub(crate) dataset: Option<String>,
    /// Only tasks whose name holds this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Only tasks made then or later, such as 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) created_from: Option<String>,
    /// Only tasks made before then
    #[arg(long, value_name = "TIME")]
    pub(crate) created_to: Option<String>,
    /// Everybody's tasks (SUPER_ADMIN)
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct OneTaskArgs {
    /// The task's id
    #[arg(value_parser = task_id)]
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = format!("\
With an id it ends when the task does: with 0 if there is a file to fetch, else with 1.
Without one it prints a line for each change of any of your tasks, until Ctrl-C or --timeout.

{EXIT_CODES}"))]
pub(crate) struct WatchArgs {
    /// The task's id; all of your tasks when left out
    #[arg(value_parser = task_id)]
    pub(crate) id: Option<u64>,
    /// Stop watching after so many seconds, while the work goes on
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Print each change to stdout as one line of JSON, for scripts
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct DeleteArgs {
    /// The task's id
    #[arg(value_parser = task_id)]
    pub(crate) id: u64,
    /// Do not ask; needed where there is no terminal to ask at
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct DownloadArgs {
    /// The task's id
    #[arg(value_parser = task_id)]
    pub(crate) id: u64,
    /// A file or a directory
    #[arg(short, long, value_name = "PATH", default_value = ".")]
    pub(crate) output: PathBuf,
    /// Replace a file that lies there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct QuotasArgs {
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

fn task_id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_shape| "an id is a number, as `quay tasks list` shows it".to_owned())
}
