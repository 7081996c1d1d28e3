//! `quay operation-log`: who did what.

use serde::Deserialize;

use crate::cli::{ListOperationsArgs, OperationLogCommand};
use crate::exit::{Exit, Failure};
use crate::listing::{Columns, Listed, given};
use crate::text::moment;

/// An entry, as the gateway tells of it.
#[derive(Debug, Deserialize)]
struct Operation {
    actor: String,
    action: String,
    object_kind: String,
    object_id: String,
    outcome: String,
    request_id: Option<String>,
    created_at: String,
}

pub(crate) async fn run(command: &OperationLogCommand) -> Result<Exit, Failure> {
    let OperationLogCommand::List(args) = command;
    list(args).await
}

async fn list(args: &ListOperationsArgs) -> Result<Exit, Failure> {
    let columns = Columns {
        header: [
            "WHEN (UTC)",
            "WHO",
            "ACTION",
            "OBJECT",
            "OUTCOME",
            "REQUEST",
        ],
        right: [false; 6],
        none: "Nobody has done anything like that.",
    };
    let query = given([
        ("actor", &args.actor),
        ("action", &args.action),
        ("from", &args.from),
        ("to", &args.to),
    ]);
    let listed = Listed::of(&["operation-log"], &query, &args.page).await?;
    listed.show(&args.page, &columns, |done: Operation| {
        [
            moment(&done.created_at),
            done.actor,
            done.action,
            format!("{} {}", done.object_kind, done.object_id),
            done.outcome,
            done.request_id.unwrap_or_else(|| "-".to_owned()),
        ]
    })
}
