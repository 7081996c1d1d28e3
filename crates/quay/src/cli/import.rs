//! The words of `quay import` and `quay template`.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use domain::{NumberForm, TextEncoding};

use super::{FormatWord, GatewayArgs, OutputArgs};
use crate::exit::EXIT_CODES;

const IMPORT_EXAMPLES: &str = "\
Examples:
  quay import member members.xlsx                     uploads, prints the task's id
  quay import member members.xlsx --wait              waits, then tells what became of the rows
  quay import member members.xlsx --validate-only --wait
                                                      checks every row and writes none
  quay import member members.csv --mode upsert -o .   waits, saves the rows that failed here
  quay import member members_failed.xlsx --wait       the same file, mended, once more
  quay import member export.csv --encoding gb18030 --numbers '1.234,5' --wait
                                                      a csv of another program
";

const TEMPLATE_EXAMPLES: &str = "\
Examples:
  quay template member -o .                   会员_导入模板.xlsx, in the deployment's language
  quay template member --locale en -o m.xlsx
  quay template member -o members.csv         csv, because the name says so
";

#[derive(Args)]
#[command(after_help = format!("{IMPORT_EXAMPLES}\n{EXIT_CODES}"))]
pub(crate) struct ImportArgs {
    /// The dataset's name, such as member
    pub(crate) dataset: String,
    /// The file: .xlsx or .csv
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) rows: RowTreatmentArgs,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) task: ImportTaskArgs,
    #[command(flatten)]
    pub(crate) collect: CollectFailuresArgs,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

/// What becomes of the rows.
#[derive(Args)]
#[command(next_help_heading = "Rows")]
pub(crate) struct RowTreatmentArgs {
    /// How rows are treated whose key exists already: refused (insert), changed (upsert), or changed
    /// and all others refused (update); insert if left out, and what held for the first file if this
    /// is what failed of it
    #[arg(long, value_enum)]
    pub(crate) mode: Option<ModeWord>,
    /// Check every row and write none
    #[arg(long)]
    pub(crate) validate_only: bool,
    /// All or nothing: one faulty row, and none goes in (100,000 rows at most)
    #[arg(long)]
    pub(crate) abort_on_error: bool,
    /// An empty cell leaves what an existing row has, instead of making it null
    #[arg(long)]
    pub(crate) keep_empty: bool,
    /// Rows of one batch, 1 to 5000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) batch_size: Option<u32>,
}

/// How the file is read.
#[derive(Args)]
#[command(next_help_heading = "File")]
pub(crate) struct ReadingArgs {
    /// The sheet, by its name or its number from 1; the first visible one with rows if left out
    #[arg(long)]
    pub(crate) sheet: Option<String>,
    /// The row of the header, from 1; the first row that is not blank if left out
    #[arg(long, value_name = "ROW", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) header_row: Option<u32>,
    /// A header that the dataset does not know, and the column that it means; may be repeated
    #[arg(long = "map", value_name = "HEADER=COLUMN")]
    pub(crate) map: Vec<String>,
    /// How texts write numbers, in place of what the columns say: "1,234.5", "1.234,5", "1 234,5" or
    /// "1'234.5"
    #[arg(long, value_name = "FORM", value_parser = number_form)]
    pub(crate) numbers: Option<NumberForm>,
    /// Encoding of a csv that does not tell it by its first bytes, such as gb18030 or big5; guessed if
    /// left out
    #[arg(long, value_parser = encoding)]
    pub(crate) encoding: Option<TextEncoding>,
    /// So many blank rows on end are the end of the data; only the end of the sheet is if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(crate) stop_after_blank_rows: Option<u32>,
    /// Further options as JSON, as the API takes them, such as {"formulas": "error"}
    #[arg(long, value_name = "JSON")]
    pub(crate) options: Option<String>,
    /// Language of messages and of the failure workbook, such as zh-CN or en
    #[arg(long)]
    pub(crate) locale: Option<String>,
    /// Time zone of date-times in the file, such as Asia/Shanghai
    #[arg(long)]
    pub(crate) timezone: Option<String>,
}

fn number_form(text: &str) -> Result<NumberForm, String> {
    one_of(text, NumberForm::ALL)
}

fn encoding(text: &str) -> Result<TextEncoding, String> {
    one_of(&text.to_ascii_lowercase(), TextEncoding::ALL)
}

fn one_of<T: FromStr + Display>(text: &str, all: &[T]) -> Result<T, String> {
    text.parse().map_err(|_unknown| {
        let words: Vec<String> = all.iter().map(|word| format!("\"{word}\"")).collect();
        format!("it is one of {}", words.join(", "))
    })
}

/// How the work is asked for.
#[derive(Args)]
#[command(next_help_heading = "Task")]
pub(crate) struct ImportTaskArgs {
    /// One of the dataset's queues; its first when left out
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// The same key never makes a second import within 24 hours
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

/// What is waited for.
#[derive(Args)]
#[command(next_help_heading = "Collecting")]
pub(crate) struct CollectFailuresArgs {
    /// Wait until every row is in or refused
    #[arg(long)]
    pub(crate) wait: bool,
    /// Save the rows that failed here, a file or a directory, if there are any; implies --wait
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that lies there already
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// Stop waiting after so many seconds, while the work goes on; implies --wait
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeWord {
    Insert,
    Upsert,
    Update,
}

#[derive(Args)]
#[command(after_help = format!("{TEMPLATE_EXAMPLES}\n{EXIT_CODES}"))]
pub(crate) struct TemplateArgs {
    /// The dataset's name, such as member
    pub(crate) dataset: String,
    /// Save the template here, a file or a directory
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: PathBuf,
    /// Replace a file that lies there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// xlsx or csv; left out: csv if the file of --output is named so, else xlsx
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) format: Option<FormatWord>,
    /// Language of the headers and notes, such as zh-CN or en
    #[arg(long)]
    pub(crate) locale: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}
