//! The words of `quay lanes`.

use clap::{Args, Subcommand};

use super::{GatewayArgs, OutputArgs};
use crate::exit::EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  quay lanes list
  quay lanes pause quayside.export.default --reason 'the disk is being changed'
  quay lanes resume quayside.export.default
  quay lanes scan quayside.biz.coupon_grant
";

#[derive(Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct LanesArgs {
    #[command(subcommand)]
    pub(crate) command: LanesCommand,
}

#[derive(Subcommand)]
pub(crate) enum LanesCommand {
    /// List the lanes, what is open on them, and why one is paused
    List(ListLanesArgs),
    /// Stop a lane until a person lets it go on; what runs goes on
    Pause(PauseArgs),
    /// Let a lane go on, whoever or whatever paused it
    Resume(ResumeArgs),
    /// Have the workers of a lane look for due rows now, not when their scan comes round
    Scan(ResumeArgs),
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ListLanesArgs {
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct PauseArgs {
    /// The lane's name, as `quay lanes list` has it
    pub(crate) lane: String,
    /// Why, for those who wonder: up to 500 characters
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ResumeArgs {
    /// The lane's name, as `quay lanes list` has it
    pub(crate) lane: String,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}
