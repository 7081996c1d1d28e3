//! The words of the command line.

use clap::{Args, Parser, Subcommand};

use crate::exit::EXIT_CODES;

mod compensations;
mod dead_letters;
mod export;
mod import;
mod lanes;
mod operate;
mod operators;
mod tasks;
mod webhooks;

pub(crate) use compensations::{
    CompensationsArgs, CompensationsCommand, GroupArgs, ListCompensationsArgs, OneCompensationArgs,
    SubmitCompensationsArgs,
};
pub(crate) use dead_letters::{
    DeadLettersArgs, DeadLettersCommand, ListLettersArgs, OneLetterArgs, RedriveArgs,
};
pub(crate) use export::{ExportArgs, FormatWord, RowsArgs};
pub(crate) use import::{ImportArgs, TemplateArgs};
pub(crate) use lanes::{LanesArgs, LanesCommand, ListLanesArgs};
pub(crate) use operate::{BrokerArgs, MigrateArgs, SeedArgs, TokenArgs, TopicsArgs, TopicsCommand};
pub(crate) use operators::{
    ListOperationsArgs, NotificationsArgs, NotificationsCommand, OperationLogArgs,
    OperationLogCommand, ReadNotificationArgs,
};
pub(crate) use tasks::{
    DeleteArgs, DownloadArgs, ListArgs, OneTaskArgs, QuotasArgs, TasksArgs, TasksCommand, WatchArgs,
};
pub(crate) use webhooks::{
    AddWebhookArgs, DeliveriesArgs, ListWebhooksArgs, NotificationSettingsArgs, RemoveWebhookArgs,
    WebhooksArgs, WebhooksCommand,
};

const ABOUT: &str = "Export and import in bulk, watch tasks, run a Quayside house";

const EXAMPLES: &str = "\
Examples:
  export QUAYSIDE_TOKEN=$(quay token --user 7 --role MANAGER)
  quay export employee --filter 'department=研发部' --sort=-hire_date -o .
  quay import member members.xlsx --wait
  quay tasks list --status PROCESSING
  quay seed employee --rows 100000
";

const COMPLETION: &str = "\
bash    source <(quay completion bash)
        for good: quay completion bash > ~/.local/share/bash-completion/completions/quay
zsh     quay completion zsh > ~/.zfunc/_quay
        with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
fish    quay completion fish > ~/.config/fish/completions/quay.fish
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
    /// Export a dataset to a workbook or to csv
    Export(Box<ExportArgs>),
    /// Import a workbook or csv into a dataset
    Import(Box<ImportArgs>),
    /// Save the empty workbook that an import takes
    Template(TemplateArgs),
    /// List, watch, download, cancel, retry and delete tasks
    Tasks(TasksArgs),
    /// Show your limits and how much of them is used
    Quotas(QuotasArgs),
    /// List, pause, resume and scan lanes: the queues' topics and the work on them
    Lanes(LanesArgs),
    /// Submit business work, list, show, retry and cancel it
    Compensations(CompensationsArgs),
    /// List, show, redrive and discard work that was set aside
    DeadLetters(DeadLettersArgs),
    /// List what you were told, and say by what you want to be told
    Notifications(NotificationsArgs),
    /// Be called when a task of yours ends, and see what became of the calls
    Webhooks(WebhooksArgs),
    /// List who did what
    OperationLog(OperationLogArgs),
    /// Fill an example table with generated rows, always the same ones
    Seed(SeedArgs),
    /// Create the Kafka topics of the datasets' queues
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Bring the database's schema up to date
    Migrate(MigrateArgs),
    /// Sign a token (JWT) and print nothing else
    Token(TokenArgs),
    /// Run the embedded Kafka broker for development until SIGTERM
    Broker(BrokerArgs),
    /// Print a script that lets a shell complete what you type
    Completion(CompletionArgs),
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

/// How much of a list, and how it is shown.
#[derive(Args)]
pub(crate) struct PageArgs {
    /// How many at most, up to 10,000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Args)]
#[command(after_help = COMPLETION)]
pub(crate) struct CompletionArgs {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// What was given, unless it is blank.
pub(crate) fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}
