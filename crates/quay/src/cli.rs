//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::EXIT_CODES;

mod operate;

pub(crate) use operate::{BrokerArgs, MigrateArgs, SeedArgs, TokenArgs, TopicsArgs, TopicsCommand};

const ABOUT: &str = "Export and import in bulk, watch tasks, run a Quayside house";

const EXAMPLES: &str = "\
Examples:
  export QUAYSIDE_TOKEN=$(quay token --user 7 --role MANAGER)
  quay export employee --filter 'department=研发部' --sort=-hire_date -o .
  quay tasks list --status PROCESSING
  quay seed employee --rows 100000
";

const EXPORT_EXAMPLES: &str = "\
Filters (repeat --filter; all of them must hold):
  department=研发部           equals
  status!=LEFT               differs (and is not null)
  hire_date>=2020-01-01      >, >=, <, <= compare
  name^=张                   begins with
  id in 1,2,3                one of; \\, is a comma within a value
  email is null              has no value; also: email is not null
  active is true             for columns that are true or false
Spaces around an operator do not count; all else after it is the value, quotes too.
What the grammar cannot say, --filters can: {\"department\": {\"in\": [\"研发部\"]}}

Examples:
  quay export employee                                   prints the task's id at once
  quay export employee --wait                            waits until the file is ready
  quay export employee --filter 'department=研发部' -o .   waits, then saves the file here
  quay export member --columns id,name --sort=-points,id -o members.xlsx --json
";

/// Everything that can be asked of `quay`.
#[derive(Parser)]
#[command(name = "quay", version, about = ABOUT, max_term_width = 100)]
#[command(after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Export a dataset to a workbook
    Export(ExportArgs),
    /// List, show, download and cancel tasks
    #[command(subcommand)]
    Tasks(TasksCommand),
    /// Fill an example table with generated rows, always the same ones
    Seed(SeedArgs),
    /// Kafka topics of the datasets' queues
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Bring the database's schema up to date
    Migrate(MigrateArgs),
    /// Sign a token (JWT) and print nothing else
    Token(TokenArgs),
    /// Run the embedded Kafka broker for development until SIGTERM
    Broker(BrokerArgs),
}

/// Where the gateway is and who asks.
#[derive(Args)]
pub(crate) struct GatewayArgs {
    /// The gateway's address
    #[arg(
        long,
        env = "QUAYSIDE_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    #[arg(hide_env_values = true, help_heading = "Gateway")]
    pub(crate) url: String,
    /// Who you are: a JWT; `quay token` and `./dev token` make one
    #[arg(
        long,
        env = "QUAYSIDE_TOKEN",
        value_name = "JWT",
        hide_env_values = true
    )]
    #[arg(help_heading = "Gateway")]
    pub(crate) token: Option<String>,
}

/// What is printed.
#[derive(Args, Clone, Copy)]
pub(crate) struct OutputArgs {
    /// Print JSON to stdout, for scripts
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(after_help = format!("{EXPORT_EXAMPLES}\n{EXIT_CODES}"))]
pub(crate) struct ExportArgs {
    /// The dataset's name, such as employee
    pub(crate) dataset: String,
    /// Columns in this order; all exportable ones when left out
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// A condition, such as 'hire_date>=2020-01-01'; see below
    #[arg(long = "filter", value_name = "CONDITION")]
    pub(crate) filter: Vec<String>,
    /// All conditions as JSON, as the API takes them
    #[arg(long, value_name = "JSON", conflicts_with = "filter")]
    pub(crate) filters: Option<String>,
    /// Order; a minus before a column means descending
    #[arg(
        long,
        value_name = "-A,B,…",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) sort: Vec<String>,
    /// Language of the headers, such as zh-CN or en
    #[arg(long)]
    pub(crate) locale: Option<String>,
    /// Time zone of date-times, such as Asia/Shanghai
    #[arg(long)]
    pub(crate) timezone: Option<String>,
    /// The file's name
    #[arg(long, value_name = "NAME")]
    pub(crate) file_name: Option<String>,
    /// The same key never makes a second export within 24 hours
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Export again even if the same export is still open
    #[arg(long)]
    pub(crate) force: bool,
    /// Wait until the file is ready
    #[arg(long)]
    pub(crate) wait: bool,
    /// Save the file here, a file or a directory; implies --wait
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that lies there already
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// Stop waiting after so many seconds, while the work goes on; implies --wait
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Subcommand)]
pub(crate) enum TasksCommand {
    /// List tasks, newest first
    List(ListArgs),
    /// Show one task
    Show(OneTaskArgs),
    /// Download a finished task's file
    Download(DownloadArgs),
    /// Cancel a task that is not finished
    Cancel(OneTaskArgs),
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
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Everybody's tasks (SUPER_ADMIN)
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
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

fn task_id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_shape| "an id is a number, as `quay tasks list` shows it".to_owned())
}

/// What was given, unless it is blank.
pub(crate) fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}
