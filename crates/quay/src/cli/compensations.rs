//! The words of `quay compensations`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};

use super::{GatewayArgs, OutputArgs, PageArgs};
use crate::compensations::CompensationFollowUp;
use crate::exit::EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  quay compensations submit grants.csv --biz-type coupon_grant --biz-id '{member}-{coupon}'
  quay compensations submit grants.csv --biz-type coupon_grant --group spring --seal
  quay compensations list --biz-type coupon_grant --status failed
  quay compensations show 42
  quay compensations retry 42
  quay compensations group 7 --wait
";

#[derive(Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct CompensationsArgs {
    #[command(subcommand)]
    pub(crate) command: CompensationsCommand,
}

#[derive(Subcommand)]
pub(crate) enum CompensationsCommand {
    /// Submit a piece of business work for each row of a csv
    Submit(Box<SubmitCompensationsArgs>),
    /// List business work, newest first
    List(ListCompensationsArgs),
    /// Show a piece of business work, its context and what has been tried
    Show(OneCompensationArgs),
    /// Show how far a group has come
    Group(GroupArgs),
    /// Have a piece of business work tried again that was given up or cancelled
    Retry(OneCompensationArgs),
    /// Cancel a piece of business work that is not done
    Cancel(OneCompensationArgs),
}

#[derive(Args)]
#[command(after_help = format!("\
The csv has a header; each row becomes a context with a field for each column. A row whose biz_type
and biz_id are there already is not done twice, so a file may be sent again.

{EXIT_CODES}"))]
pub(crate) struct SubmitCompensationsArgs {
    /// The csv: UTF-8, comma, with a header
    #[arg(value_name = "FILE.csv")]
    pub(crate) file: PathBuf,
    /// The kind of work, as a definition names it
    #[arg(long, value_name = "TYPE")]
    pub(crate) biz_type: String,
    /// What a row is about: a column, or a pattern of columns such as '{member}-{coupon}'
    #[arg(long, value_name = "COLUMN", default_value = "biz_id")]
    pub(crate) biz_id: String,
    /// A column that holds numbers; the others are texts; can be repeated
    #[arg(long = "number", value_name = "COLUMN")]
    pub(crate) numbers: Vec<String>,
    /// Further fields of every context, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub(crate) context: Option<Map<String, Value>>,
    /// 0 to 9; 5 and more are urgent
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) priority: Option<u8>,
    /// One of the definition's queues
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// Due so long after it is accepted: 1s 5s 10s 30s 1m 2m ... 10m 20m 30m 1h 2h
    #[arg(long, value_name = "LEVEL", conflicts_with = "run_at")]
    pub(crate) delay_level: Option<String>,
    /// Due then, such as 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) run_at: Option<String>,
    /// The group that counts the rows; the same key is the same group
    #[arg(long, value_name = "KEY")]
    pub(crate) group: Option<String>,
    /// No more will be added to the group: it ends with its last row
    #[arg(long, requires = "group")]
    pub(crate) seal: bool,
    /// What follows the end of the group, such as '{"biz_type": "callback", "context": {}}'; can be
    /// repeated
    #[arg(long, value_name = "JSON", requires = "group", value_parser = follow_up)]
    pub(crate) on_finished: Vec<CompensationFollowUp>,
    /// Rows of one call
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) chunk: u32,
    /// Calls at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallel: u32,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum CompensationStatusWord {
    WaitHandle,
    Processing,
    Success,
    Failed,
    Cancelled,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ListCompensationsArgs {
    /// Only work of this kind
    #[arg(long, value_name = "TYPE")]
    pub(crate) biz_type: Option<String>,
    /// Only what is about this
    #[arg(long, value_name = "ID")]
    pub(crate) biz_id: Option<String>,
    /// Only what stands there
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) status: Option<CompensationStatusWord>,
    /// Only of this group
    #[arg(long, value_name = "ID")]
    pub(crate) group: Option<u64>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct OneCompensationArgs {
    /// Its id
    #[arg(value_parser = id)]
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct GroupArgs {
    /// Its id
    #[arg(value_parser = id)]
    pub(crate) id: u64,
    /// Wait until it has ended, and show how far it has come; ends with 6 if some of it was not done
    #[arg(long)]
    pub(crate) wait: bool,
    /// Stop waiting after so many seconds, while the work goes on
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    pub(crate) timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

fn id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_shape| "an id is a number, as `quay compensations list` shows it".to_owned())
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON object: {error}"))
}

fn follow_up(text: &str) -> Result<CompensationFollowUp, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no work to follow: {error}"))
}
