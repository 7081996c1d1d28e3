//! The words of `quay notifications` and `quay operation-log`.

use clap::{Args, Subcommand};

use super::{GatewayArgs, NotificationSettingsArgs, OutputArgs, PageArgs};
use crate::exit::EXIT_CODES;

const NOTIFICATIONS: &str = "\
Examples:
  quay notifications list
  quay notifications read 42
  quay notifications settings --in-app on --email me@example.com
";

const OPERATION_LOG: &str = "\
Examples:
  quay operation-log list --action DEAD_LETTER_REDRIVE
  quay operation-log list --actor 7 --from 2026-01-31T08:00:00Z --limit 200
";

#[derive(Args)]
#[command(after_help = NOTIFICATIONS, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct NotificationsArgs {
    #[command(subcommand)]
    pub(crate) command: NotificationsCommand,
}

#[derive(Subcommand)]
pub(crate) enum NotificationsCommand {
    /// List what you and your roles were told, newest first
    List(ListNotificationsArgs),
    /// Note that a notification was read, for all of its role
    Read(ReadNotificationArgs),
    /// Show, and set, by what you want to be told when a task of yours ends
    Settings(NotificationSettingsArgs),
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ListNotificationsArgs {
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ReadNotificationArgs {
    /// The notification's id
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = OPERATION_LOG, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct OperationLogArgs {
    #[command(subcommand)]
    pub(crate) command: OperationLogCommand,
}

#[derive(Subcommand)]
pub(crate) enum OperationLogCommand {
    /// List who did what in your tenant, newest first (OPERATOR)
    List(ListOperationsArgs),
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ListOperationsArgs {
    /// Only what this user did
    #[arg(long, value_name = "USER")]
    pub(crate) actor: Option<String>,
    /// Only this, such as TASK_CANCEL or DEAD_LETTER_REDRIVE
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// Only then or later, such as 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Only before then
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}
