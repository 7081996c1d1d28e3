//! The words of `quay webhooks` and `quay notifications settings`.

use clap::{Args, Subcommand};

use super::{GatewayArgs, OutputArgs, PageArgs};
use crate::exit::EXIT_CODES;

const WEBHOOKS: &str = "\
Examples:
  quay webhooks add https://example.com/hook
  quay webhooks add https://example.com/hook --event TASK_FAILED --event TASK_CANCELLED
  quay webhooks list
  quay webhooks deliveries 3
  quay webhooks remove 3
";

const SETTINGS: &str = "\
Examples:
  quay notifications settings
  quay notifications settings --in-app on --email me@example.com
  quay notifications settings --in-app off --no-email
";

#[derive(Args)]
#[command(after_help = WEBHOOKS, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct WebhooksArgs {
    #[command(subcommand)]
    pub(crate) command: WebhooksCommand,
}

#[derive(Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Be called when a task of yours ends; prints the secret that the calls are signed with
    Add(AddWebhookArgs),
    /// List where you are called
    List(ListWebhooksArgs),
    /// List what became of the calls, newest first
    Deliveries(DeliveriesArgs),
    /// Be called there no more
    Remove(RemoveWebhookArgs),
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AddWebhookArgs {
    /// Where: http or https
    pub(crate) address: String,
    /// Only of this: TASK_SUCCESS, TASK_PARTIAL_SUCCESS, TASK_FAILED or TASK_CANCELLED; may be given
    /// several times
    #[arg(long = "event", value_name = "EVENT")]
    pub(crate) events: Vec<String>,
    /// A name of your own for this request: sent again, it makes no second webhook
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ListWebhooksArgs {
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct DeliveriesArgs {
    /// The webhook's id
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RemoveWebhookArgs {
    /// The webhook's id
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = SETTINGS)]
pub(crate) struct NotificationSettingsArgs {
    /// Be told in the inbox
    #[arg(long, value_name = "on|off", hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) in_app: Option<bool>,
    /// Be told by mail to this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_email")]
    pub(crate) email: Option<String>,
    /// Be told by mail no more
    #[arg(long)]
    pub(crate) no_email: bool,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}
