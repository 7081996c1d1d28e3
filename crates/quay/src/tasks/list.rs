//! `quay tasks list`.

use clap::ValueEnum;
use serde_json::Value;

use super::print_json;
use crate::cli::ListArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::{answer, say};
use crate::progress::done_of_total;
use crate::table::layout;
use crate::text::{count, moment};
use crate::wire::Answered;

/// Most tasks of one page (api.md, ground rules).
const MAX_PAGE: u32 = 200;

pub(super) async fn run(args: &ListArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let have = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let wanted = args.limit.saturating_sub(have).min(MAX_PAGE);
        let page = gateway.list(&query(args, wanted, cursor)).await?;
        let came_empty = page.items.is_empty();
        items.extend(page.items);
        cursor = page.next_cursor;
        if came_empty || cursor.is_none() || items.len() >= args.limit as usize {
            break;
        }
    }
    items.truncate(args.limit as usize);
    if args.out.json {
        print_json(&Value::Array(items));
        return Ok(Exit::Done);
    }
    let tasks = items
        .into_iter()
        .map(Answered::read)
        .collect::<Result<Vec<_>, _>>();
    let tasks = tasks.map_err(|error| Failure::local("the list is not understood", error))?;
    if tasks.is_empty() {
        say("No tasks.");
    } else {
        answer(table(&tasks).trim_end());
    }
    if cursor.is_some() {
        let more = args.limit.saturating_mul(2).min(10_000);
        say(format_args!("There are more: --limit {more}"));
    }
    Ok(Exit::Done)
}

fn query(args: &ListArgs, limit: u32, cursor: Option<String>) -> Vec<(&'static str, String)> {
    let word = |name, value: Option<clap::builder::PossibleValue>| {
        value.map(|value| (name, value.get_name().to_owned()))
    };
    let mut query = vec![("limit", limit.to_string())];
    query.extend(word(
        "status",
        args.status.and_then(|status| status.to_possible_value()),
    ));
    query.extend(word(
        "kind",
        args.kind.and_then(|kind| kind.to_possible_value()),
    ));
    let texts = [
        ("dataset", &args.dataset),
        ("q", &args.search),
        ("created_from", &args.created_from),
        ("created_to", &args.created_to),
    ];
    query.extend(
        texts
            .map(|(name, text)| text.clone().map(|text| (name, text)))
            .into_iter()
            .flatten(),
    );
    query.extend(args.all.then(|| ("all", "true".to_owned())));
    query.extend(cursor.map(|cursor| ("cursor", cursor)));
    query
}

fn table(tasks: &[Answered]) -> String {
    let rows: Vec<[String; 6]> = tasks
        .iter()
        .map(|Answered { task, .. }| {
            let progress = &task.progress;
            let rows = if progress.total_rows == Some(progress.done_rows) {
                count(progress.done_rows)
            } else {
                done_of_total(progress)
            };
            let created = task.created_at.as_deref().map(moment).unwrap_or_default();
            let name = task.name.clone().unwrap_or_default();
            [
                task.id.clone(),
                task.status.to_string(),
                task.dataset.clone(),
                rows,
                created,
                name,
            ]
        })
        .collect();
    let header = ["ID", "STATUS", "DATASET", "ROWS", "CREATED (UTC)", "NAME"];
    layout(header, [true, false, false, true, false, false], &rows)
}
