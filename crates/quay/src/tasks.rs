//! `quay tasks`: what became of the work.

use serde_json::Value;

use clap::ValueEnum;

use crate::cli::{DownloadArgs, ListArgs, OneTaskArgs, TasksCommand};
use crate::client::Gateway;
use crate::download::{self, Target};
use crate::exit::{Exit, Failure};
use crate::export::summary;
use crate::print::{answer, say};
use crate::table::layout;
use crate::text::{count, moment, plain, size};
use crate::wire::{Answered, Task};

/// Most tasks of one page (api.md, ground rules).
const MAX_PAGE: u32 = 200;

pub(crate) async fn run(command: &TasksCommand) -> Result<Exit, Failure> {
    match command {
        TasksCommand::List(args) => list(args).await,
        TasksCommand::Show(args) => show(args).await,
        TasksCommand::Download(args) => fetch(args).await,
        TasksCommand::Cancel(args) => cancel(args).await,
    }
}

async fn list(args: &ListArgs) -> Result<Exit, Failure> {
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
    query.extend(args.dataset.clone().map(|dataset| ("dataset", dataset)));
    query.extend(args.all.then(|| ("all", "true".to_owned())));
    query.extend(cursor.map(|cursor| ("cursor", cursor)));
    query
}

fn table(tasks: &[Answered]) -> String {
    let rows: Vec<[String; 6]> = tasks
        .iter()
        .map(|Answered { task, .. }| {
            let progress = &task.progress;
            let rows = match progress
                .total_rows
                .filter(|total| *total != progress.done_rows)
            {
                Some(total) => format!("{} of {}", count(progress.done_rows), count(total)),
                None => count(progress.done_rows),
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

async fn show(args: &OneTaskArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let answered = gateway.show(&args.id.to_string()).await?.answered;
    print_task(&answered, args.out.json);
    Ok(Exit::Done)
}

async fn cancel(args: &OneTaskArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let answered = gateway.cancel(&args.id.to_string()).await?;
    if args.out.json {
        print_json(&answered.json);
    } else {
        let Task { id, status, .. } = &answered.task;
        answer(format_args!("Task {id}: {status}"));
    }
    Ok(Exit::Done)
}

async fn fetch(args: &DownloadArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let target = Target::prepare(&args.output, args.overwrite)?;
    let mut answered = gateway.show(&args.id.to_string()).await?.answered;
    let task = &answered.task;
    let saved = download::save(&gateway, task, &target).await;
    let saved = saved.map_err(|failure| match failure.code() {
        "not_ready" if task.status.is_final() => failure.also(format!(
            "It will have none. Why: quay tasks show {}",
            task.id
        )),
        "not_ready" => failure.also(format!("Look again later: quay tasks show {}", task.id)),
        _ => failure,
    })?;
    if args.out.json {
        if let Some(fields) = answered.json.as_object_mut() {
            fields.insert("saved_to".to_owned(), serde_json::json!(saved.path));
        }
        print_json(&answered.json);
    } else {
        answer(summary(&answered.task, Some(&saved)));
    }
    Ok(Exit::Done)
}

/// Why a task that ended without a file did.
pub(crate) fn reason(task: &Task) -> Failure {
    let what = match &task.error {
        Some(error) => format!(
            "task {} is {}: {} [{}]",
            task.id,
            task.status,
            plain(&error.message),
            plain(&error.code)
        ),
        None => format!("task {} is {}", task.id, task.status),
    };
    Failure::new(Exit::Failed, what).advise(format!("More about it: quay tasks show {}", task.id))
}

/// Prints JSON to stdout, indented.
pub(crate) fn print_json(json: &Value) {
    answer(format_args!("{json:#}"));
}

fn print_task(answered: &Answered, as_json: bool) {
    if as_json {
        print_json(&answered.json);
        return;
    }
    let task = &answered.task;
    let progress = &task.progress;
    let mut lines = vec![
        (
            "task",
            format!(
                "{} ({} of {})",
                task.id,
                task.kind.to_lowercase(),
                task.dataset
            ),
        ),
        ("status", task.status.to_string()),
    ];
    let total = progress
        .total_rows
        .map(|total| format!(" of {}", count(total)));
    let mut rows = format!("{}{}", count(progress.done_rows), total.unwrap_or_default());
    if progress.failed_rows > 0 {
        rows.push_str(&format!(", {} failed", count(progress.failed_rows)));
    }
    lines.push(("rows", rows));
    lines.extend(
        task.error
            .iter()
            .map(|e| ("error", format!("{} [{}]", e.message, e.code))),
    );
    lines.extend(
        task.warnings
            .iter()
            .map(|w| ("note", format!("{}: {}", w.code, count(w.count)))),
    );
    for file in &task.files {
        let until = file
            .expires_at
            .as_deref()
            .map(|at| format!(", until {} UTC", moment(at)));
        let until = until.unwrap_or_default();
        lines.push((
            "file",
            format!("{} ({}, {}{until})", file.name, size(file.size), file.state),
        ));
    }
    lines.extend(task.created_by.clone().map(|user| ("by", user)));
    let times = [
        ("created", &task.created_at),
        ("started", &task.started_at),
        ("finished", &task.finished_at),
    ];
    lines.extend(times.into_iter().filter_map(|(label, time)| {
        time.as_deref()
            .map(|time| (label, format!("{} UTC", moment(time))))
    }));
    for (label, value) in lines {
        answer(format_args!("{label:<9}{}", plain(&value)));
    }
}
