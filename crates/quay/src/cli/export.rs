//! The words of `quay export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{GatewayArgs, OutputArgs};
use crate::exit::EXIT_CODES;

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
  quay export member -o members.csv                      csv, because the name says so
  quay export member --rows-per-file 500000 -o m.zip     several workbooks in one zip
";

#[derive(Args)]
#[command(after_help = format!("{EXPORT_EXAMPLES}\n{EXIT_CODES}"))]
pub(crate) struct ExportArgs {
    /// The dataset's name, such as employee
    pub(crate) dataset: String,
    #[command(flatten)]
    pub(crate) rows: RowsArgs,
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) task: TaskArgs,
    #[command(flatten)]
    pub(crate) collect: CollectArgs,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

/// Which rows and columns.
#[derive(Args)]
#[command(next_help_heading = "Rows and columns")]
pub(crate) struct RowsArgs {
    /// Columns in this order; all exportable ones when left out
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// A condition, such as 'hire_date>=2020-01-01'; see below
    #[arg(long = "filter", value_name = "CONDITION")]
    pub(crate) filter: Vec<String>,
    /// All conditions as JSON, as the API takes them; - reads them from stdin
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
}

/// What the file is like.
#[derive(Args)]
#[command(next_help_heading = "File")]
pub(crate) struct FileArgs {
    /// xlsx, or csv in UTF-8; left out: csv if the file of --output is named so, else xlsx
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) format: Option<FormatWord>,
    /// The file's name, without its ending
    #[arg(long, value_name = "NAME")]
    pub(crate) file_name: Option<String>,
    /// Language of the headers, such as zh-CN or en
    #[arg(long)]
    pub(crate) locale: Option<String>,
    /// Time zone of date-times, such as Asia/Shanghai
    #[arg(long)]
    pub(crate) timezone: Option<String>,
    /// Leave the first row with the columns' labels out
    #[arg(long)]
    pub(crate) no_header: bool,
    /// What stands for no value; nothing when left out
    #[arg(long, value_name = "TEXT")]
    pub(crate) null_text: Option<String>,
    /// In csv, write text that begins like a formula as it is, without the guard '
    #[arg(long)]
    pub(crate) no_guard_formulas: bool,
    /// Begin a new sheet after so many rows, headers not counted; when a sheet is full if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rows_per_sheet: Option<u64>,
    /// Begin a new file after so many rows; more than one file comes as a zip
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rows_per_file: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum FormatWord {
    Xlsx,
    Csv,
}

/// How the work is asked for.
#[derive(Args)]
#[command(next_help_heading = "Task")]
pub(crate) struct TaskArgs {
    /// One of the dataset's queues; its first when left out
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// The same key never makes a second export within 24 hours
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Export again even if the same export is still open
    #[arg(long)]
    pub(crate) force: bool,
}

/// How the file gets here.
#[derive(Args)]
#[command(next_help_heading = "Collecting")]
pub(crate) struct CollectArgs {
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
}
