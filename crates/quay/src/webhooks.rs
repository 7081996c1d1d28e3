//! `quay webhooks` and `quay notifications settings`: by what one is told when a task ends.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{
    AddWebhookArgs, DeliveriesArgs, ListWebhooksArgs, NotificationSettingsArgs, RemoveWebhookArgs,
    WebhooksCommand,
};
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::listing::{Columns, Listed};
use crate::print::{answer, say};
use crate::tasks::print_json;
use crate::text::{count, moment};

/// A webhook, as the gateway tells of it.
#[derive(Debug, Deserialize)]
struct Webhook {
    id: String,
    url: String,
    events: Vec<String>,
    created_at: String,
}

/// What became of a call.
#[derive(Debug, Deserialize)]
struct Delivery {
    id: String,
    event: String,
    task_id: String,
    status: String,
    attempts: u64,
    code: Option<u16>,
    error: Option<String>,
    created_at: String,
    attempted_at: Option<String>,
}

pub(crate) async fn run(command: &WebhooksCommand) -> Result<Exit, Failure> {
    match command {
        WebhooksCommand::Add(args) => add(args).await,
        WebhooksCommand::List(args) => list(args).await,
        WebhooksCommand::Deliveries(args) => deliveries(args).await,
        WebhooksCommand::Remove(args) => remove(args).await,
    }
}

async fn add(args: &AddWebhookArgs) -> Result<Exit, Failure> {
    let mut body = json!({"url": args.address});
    if !args.events.is_empty() {
        body["events"] = json!(args.events);
    }
    let gateway = Gateway::new(&args.gateway)?;
    let key = args.idempotency_key.as_deref();
    let made = gateway.add_webhook(&body, key).await?;
    if args.out.json {
        print_json(&made);
    } else {
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        answer(text("secret"));
        say(format_args!(
            "Webhook {} made. Its calls are signed with the secret above, which is not told again.",
            text("id")
        ));
    }
    Ok(Exit::Done)
}

async fn list(args: &ListWebhooksArgs) -> Result<Exit, Failure> {
    let columns = Columns {
        header: ["ID", "SINCE (UTC)", "EVENTS", "ADDRESS"],
        right: [true, false, false, false],
        none: "No webhooks.",
    };
    let listed = Listed::of(&["webhooks"], &[], &args.page).await?;
    listed.show(&args.page, &columns, |webhook: Webhook| {
        let since = moment(&webhook.created_at);
        [webhook.id, since, webhook.events.join(" "), webhook.url]
    })
}

async fn deliveries(args: &DeliveriesArgs) -> Result<Exit, Failure> {
    let columns = Columns {
        header: [
            "ID",
            "ENDED (UTC)",
            "TASK",
            "EVENT",
            "STATUS",
            "TRIES",
            "LAST (UTC)",
            "ANSWER",
        ],
        right: [true, false, true, false, false, true, false, false],
        none: "Nothing has been told there.",
    };
    let id = args.id.to_string();
    let listed = Listed::of(&["webhooks", &id, "deliveries"], &[], &args.page).await?;
    listed.show(&args.page, &columns, |made: Delivery| {
        let code = made.code.map(|code| code.to_string());
        [
            made.id,
            moment(&made.created_at),
            made.task_id,
            made.event,
            made.status,
            count(made.attempts),
            made.attempted_at.as_deref().map_or_else(none, moment),
            code.or(made.error).unwrap_or_else(none),
        ]
    })
}

fn none() -> String {
    "-".to_owned()
}

async fn remove(args: &RemoveWebhookArgs) -> Result<Exit, Failure> {
    Gateway::new(&args.gateway)?.remove_webhook(args.id).await?;
    answer(format_args!("Webhook {}: removed", args.id));
    Ok(Exit::Done)
}

/// Shows the settings, changed where something was given.
pub(crate) async fn settings(args: &NotificationSettingsArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let mut settings = gateway.notification_settings().await?;
    if let Some(in_app) = args.in_app {
        settings["in_app"] = json!(in_app);
    }
    if args.no_email {
        settings["email"] = Value::Null;
    }
    if let Some(email) = &args.email {
        settings["email"] = json!(email);
    }
    if args.in_app.is_some() || args.no_email || args.email.is_some() {
        settings = gateway.set_notification_settings(&settings).await?;
    }
    if args.out.json {
        print_json(&settings);
    } else {
        let in_app = settings["in_app"].as_bool() == Some(true);
        answer(format_args!("inbox  {}", if in_app { "on" } else { "off" }));
        answer(format_args!(
            "mail   {}",
            settings["email"].as_str().unwrap_or("off")
        ));
    }
    Ok(Exit::Done)
}
