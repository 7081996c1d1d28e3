//! `quay notifications`: what one was told, and that one has read it.

use serde::Deserialize;
use serde_json::Value;

use crate::cli::{NotificationsCommand, PageArgs, ReadNotificationArgs};
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::listing::{Columns, Listed};
use crate::print::answer;
use crate::tasks::print_json;
use crate::text::{count, moment};
use crate::webhooks::settings;

/// A notification, as the gateway tells of it.
#[derive(Debug, Deserialize)]
struct Notification {
    id: String,
    kind: String,
    count: u64,
    params: Value,
    read_at: Option<String>,
    updated_at: String,
}

pub(crate) async fn run(command: &NotificationsCommand) -> Result<Exit, Failure> {
    match command {
        NotificationsCommand::List(args) => list(&args.page).await,
        NotificationsCommand::Read(args) => read(args).await,
        NotificationsCommand::Settings(args) => settings(args).await,
    }
}

async fn list(args: &PageArgs) -> Result<Exit, Failure> {
    let columns = Columns {
        header: ["ID", "KIND", "TIMES", "LAST (UTC)", "READ", "ABOUT"],
        right: [true, false, true, false, false, false],
        none: "No notifications.",
    };
    let listed = Listed::of(&["notifications"], &[], args).await?;
    listed.show(args, &columns, |told: Notification| {
        let read = if told.read_at.is_some() { "yes" } else { "no" };
        [
            told.id,
            told.kind,
            count(told.count),
            moment(&told.updated_at),
            read.to_owned(),
            about(&told.params),
        ]
    })
}

/// `internal EXPORT quayside.export.default`, `Export finished: x.xlsx`: the texts, from the shortest
/// on.
fn about(params: &Value) -> String {
    let texts = ["title", "reason", "biz_type", "lane"].map(|name| params[name].as_str());
    let texts: Vec<&str> = texts.into_iter().flatten().collect();
    texts.join(" ")
}

async fn read(args: &ReadNotificationArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let told = gateway.read_notification(args.id).await?;
    if args.out.json {
        print_json(&told);
    } else {
        answer(format_args!("Notification {}: read", args.id));
    }
    Ok(Exit::Done)
}
