//! The words of `quay dead-letters`.

use clap::{Args, Subcommand, ValueEnum};

use super::{GatewayArgs, OutputArgs, PageArgs};
use crate::exit::EXIT_CODES;
use crate::listing::given;

const EXAMPLES: &str = "\
Examples:
  quay dead-letters list --status OPEN
  quay dead-letters list --summary               how many there are of each kind
  quay dead-letters show 42
  quay dead-letters redrive 42
  quay dead-letters redrive --reason database_unavailable --dry-run
  quay dead-letters redrive --reason database_unavailable --rate 10 --yes
  quay dead-letters discard 42
";

#[derive(Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    pub(crate) command: DeadLettersCommand,
}

#[derive(Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List dead letters, newest first
    List(ListLettersArgs),
    /// Show one dead letter and what it holds
    Show(OneLetterArgs),
    /// Put the work of one dead letter back, or of all that a filter holds
    Redrive(RedriveArgs),
    /// Decide that nothing is to be done about a dead letter
    Discard(OneLetterArgs),
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum LetterStatusWord {
    Open,
    Redriven,
    Discarded,
    Parked,
}

/// Which dead letters.
#[derive(Args)]
pub(crate) struct LetterFilterArgs {
    /// Only those that were set aside for this reason, such as database_unavailable
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
    /// Only work of this kind, such as EXPORT or IMPORT_BATCH
    #[arg(long, value_name = "TYPE")]
    pub(crate) biz_type: Option<String>,
    /// Only those set aside then or later, such as 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) created_from: Option<String>,
    /// Only those set aside before then
    #[arg(long, value_name = "TIME")]
    pub(crate) created_to: Option<String>,
}

impl LetterFilterArgs {
    /// What was given, by the names of the API.
    pub(crate) fn given(&self) -> Vec<(&'static str, String)> {
        given([
            ("reason", &self.reason),
            ("biz_type", &self.biz_type),
            ("created_from", &self.created_from),
            ("created_to", &self.created_to),
        ])
    }
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ListLettersArgs {
    /// Only those that stand there
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) status: Option<LetterStatusWord>,
    #[command(flatten)]
    pub(crate) filter: LetterFilterArgs,
    /// Count them by state, lane, type and reason instead; those that wait for a person (OPEN and
    /// PARKED), unless --status says otherwise
    #[arg(long)]
    #[arg(conflicts_with_all = ["reason", "biz_type", "created_from", "created_to", "limit"])]
    pub(crate) summary: bool,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct OneLetterArgs {
    /// The dead letter's id
    #[arg(value_parser = letter_id)]
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = format!("\
With an id that one is put back, else all that are OPEN or PARKED and that the filter holds, the
oldest first; then it asks before it begins, unless --yes or --dry-run says not to.

{EXIT_CODES}"))]
pub(crate) struct RedriveArgs {
    /// The dead letter's id; without it, a filter says which
    #[arg(value_parser = letter_id)]
    #[arg(conflicts_with_all = ["reason", "biz_type", "created_from", "created_to"])]
    #[arg(conflicts_with_all = ["dry_run", "max", "rate", "yes"])]
    pub(crate) id: Option<u64>,
    #[command(flatten)]
    pub(crate) filter: LetterFilterArgs,
    /// Only count them
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// So many at most, up to 10,000; 1,000 when left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max: Option<u32>,
    /// So many are due in a second, 0.01 to 10,000; all at once when left out
    #[arg(long, value_name = "PER-SECOND")]
    pub(crate) rate: Option<f64>,
    /// Do not ask; needed where there is no terminal to ask at
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

fn letter_id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_shape| "an id is a number, as `quay dead-letters list` shows it".to_owned())
}
