//! `quay tasks`: what became of the work, and what may be done about it.

use serde_json::{Value, json};

use crate::cli::{DeleteArgs, DownloadArgs, OneTaskArgs, TasksCommand};
use crate::client::Gateway;
use crate::confirm::confirmed;
use crate::download::{self, Target};
use crate::exit::{Exit, Failure};
use crate::export::summary;
use crate::print::answer;
use crate::text::plain;
use crate::watch;
use crate::wire::Task;

mod attempts;
mod list;
mod show;

pub(crate) async fn run(command: &TasksCommand) -> Result<Exit, Failure> {
    match command {
        TasksCommand::List(args) => list::run(args).await,
        TasksCommand::Show(args) => show(args).await,
        TasksCommand::Watch(args) => watch::run(args).await,
        TasksCommand::Download(args) => fetch(args).await,
        TasksCommand::Cancel(args) => change(args, "cancel").await,
        TasksCommand::Retry(args) => change(args, "retry").await,
        TasksCommand::Delete(args) => delete(args).await,
        TasksCommand::Attempts(args) => attempts::run(args).await,
    }
}

async fn show(args: &OneTaskArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let answered = gateway.show(&args.id.to_string()).await?.answered;
    if args.out.json {
        print_json(&answered.json);
    } else {
        show::print(&answered.task);
    }
    Ok(Exit::Done)
}

async fn change(args: &OneTaskArgs, verb: &str) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let answered = gateway.change(&args.id.to_string(), verb).await?;
    if args.out.json {
        print_json(&answered.json);
    } else {
        let Task { id, status, .. } = &answered.task;
        answer(format_args!("Task {id}: {status}"));
    }
    Ok(Exit::Done)
}

async fn delete(args: &DeleteArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let id = args.id.to_string();
    if !args.yes {
        let task = gateway.show(&id).await?.answered.task;
        if !confirmed(&what_goes(&task)).await? {
            return Err(Failure::new(Exit::Failed, "nothing was deleted"));
        }
    }
    gateway.delete(&id).await?;
    if args.out.json {
        print_json(&json!({"id": id, "deleted": true}));
    } else {
        answer(format_args!("Task {id}: deleted"));
    }
    Ok(Exit::Done)
}

/// `Delete task 7 (SUCCESS, 员工信息.xlsx) with its file?`
fn what_goes(task: &Task) -> String {
    let name = task.name.as_deref().unwrap_or(&task.dataset);
    let files = match task.files.len() {
        0 => "",
        1 => " with its file",
        _ => " with its files",
    };
    format!(
        "Delete task {} ({}, {}){files}?",
        task.id,
        task.status,
        plain(name)
    )
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
            fields.insert("saved_to".to_owned(), json!(saved.path));
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
