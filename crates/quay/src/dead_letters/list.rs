//! `quay dead-letters list`.

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::Value;

use super::{DeadLetter, read};
use crate::cli::ListLettersArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::{answer, say};
use crate::table::layout;
use crate::tasks::print_json;
use crate::text::{count, moment};

/// Most dead letters of one page (api.md, ground rules).
const MAX_PAGE: u32 = 200;

/// How many there are of a kind.
#[derive(Debug, Deserialize)]
struct Group {
    lane: String,
    biz_type: Option<String>,
    reason: String,
    count: u64,
    first_at: String,
    last_at: String,
}

pub(super) async fn run(args: &ListLettersArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    if args.summary {
        return summary(&gateway, args).await;
    }
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let have = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let wanted = args.limit.saturating_sub(have).min(MAX_PAGE);
        let mut query = args.filter.given();
        query.push(("limit", wanted.to_string()));
        query.extend(status(args));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = gateway.dead_letters(&query).await?;
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
    let rows = items.iter().map(|item| read(item).map(row));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() {
        say("No dead letters.");
        return Ok(Exit::Done);
    }
    let header = [
        "ID",
        "STATUS",
        "TYPE",
        "REASON",
        "TASK",
        "CREATED (UTC)",
        "LANE",
    ];
    let right = [true, false, false, false, true, false, false];
    answer(layout(header, right, &rows).trim_end());
    if cursor.is_some() {
        let more = args.limit.saturating_mul(2).min(10_000);
        say(format_args!("There are more: --limit {more}"));
    }
    Ok(Exit::Done)
}

fn status(args: &ListLettersArgs) -> Option<(&'static str, String)> {
    let word = args.status?.to_possible_value()?;
    Some(("status", word.get_name().to_owned()))
}

async fn summary(gateway: &Gateway, args: &ListLettersArgs) -> Result<Exit, Failure> {
    let query: Vec<_> = status(args).into_iter().collect();
    let page = gateway.dead_letter_groups(&query).await?;
    if args.out.json {
        print_json(&Value::Array(page.items));
        return Ok(Exit::Done);
    }
    let groups = page.items.iter().map(|item| {
        Group::deserialize(item)
            .map(group)
            .map_err(|error| Failure::local("the list is not understood", error))
    });
    let rows = groups.collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() {
        say("No dead letters.");
        return Ok(Exit::Done);
    }
    let header = [
        "COUNT",
        "REASON",
        "TYPE",
        "FIRST (UTC)",
        "LAST (UTC)",
        "LANE",
    ];
    let right = [true, false, false, false, false, false];
    answer(layout(header, right, &rows).trim_end());
    Ok(Exit::Done)
}

fn row(letter: DeadLetter) -> [String; 7] {
    [
        letter.id,
        letter.status,
        letter.biz_type.unwrap_or(letter.source),
        letter.reason,
        letter.task_id.unwrap_or_else(|| "-".to_owned()),
        moment(&letter.created_at),
        letter.lane,
    ]
}

fn group(group: Group) -> [String; 6] {
    [
        count(group.count),
        group.reason,
        group.biz_type.unwrap_or_else(|| "MESSAGE".to_owned()),
        moment(&group.first_at),
        moment(&group.last_at),
        group.lane,
    ]
}
