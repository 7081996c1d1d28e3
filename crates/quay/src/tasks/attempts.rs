//! `quay tasks attempts`: each try at a task, and how it ended.

use serde_json::Value;

use super::print_json;
use crate::cli::OneTaskArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::{answer, say};
use crate::table::layout;
use crate::text::moment;
use crate::wire::Attempt;

/// Pages that are read, at most: far more than a task is ever tried.
const MAX_PAGES: usize = 50;

pub(super) async fn run(args: &OneTaskArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let id = args.id.to_string();
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let page = gateway.attempts(&id, cursor.as_deref()).await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if args.out.json {
        print_json(&Value::Array(items));
    } else if items.is_empty() {
        say(format_args!("Nobody has tried task {id} yet."));
    } else {
        answer(table(&items)?.trim_end());
    }
    if cursor.is_some() {
        say("There are more.");
    }
    Ok(Exit::Done)
}

fn table(items: &[Value]) -> Result<String, Failure> {
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        let attempt = serde::Deserialize::deserialize(item);
        let Attempt {
            epoch,
            worker,
            started_at,
            finished_at,
            outcome,
            error_class,
            error_text,
        } = attempt.map_err(|error| Failure::local("the list is not understood", error))?;
        let when = |time: Option<String>| time.as_deref().map(moment).unwrap_or_default();
        let why = [error_class, error_text].into_iter().flatten();
        rows.push([
            epoch.to_string(),
            outcome.unwrap_or_default(),
            when(started_at),
            when(finished_at),
            worker.unwrap_or_default(),
            why.collect::<Vec<_>>().join(": "),
        ]);
    }
    let header = [
        "EPOCH",
        "OUTCOME",
        "STARTED (UTC)",
        "FINISHED (UTC)",
        "WORKER",
        "WHY",
    ];
    let right = [true, false, false, false, false, false];
    Ok(layout(header, right, &rows))
}
