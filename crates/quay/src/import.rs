//! `quay import`: upload, and if asked wait, tell what became of the rows, save those that failed.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use domain::{FailureCode, TaskStatus};
use serde_json::{Map, Value, json};

use crate::cli::ImportArgs;
use crate::client::{Gateway, UploadRequest};
use crate::download::{self, Saved, Target};
use crate::exit::{Exit, Failure, root};
use crate::print::{answer, say};
use crate::table::layout;
use crate::tasks::{print_json, reason};
use crate::text::{count, plain};
use crate::wait::until_finished;
use crate::wire::{Answered, Task};

pub(crate) async fn run(args: &ImportArgs) -> Result<Exit, Failure> {
    let options = options(args)?;
    let upload = upload(args, &options)?;
    let gateway = Gateway::new(&args.gateway)?;
    let collect = &args.collect;
    let target = collect.output.as_deref();
    let target = target
        .map(|output| Target::prepare(output, collect.overwrite))
        .transpose()
        .map_err(|failure| failure.also("Nothing was imported."))?;
    let submitted = gateway.submit_import(&upload).await?;
    if !collect.wait && target.is_none() && collect.timeout.is_none() {
        if args.out.json {
            print_json(&submitted.json);
        } else {
            answer(&submitted.task.id);
        }
        return Ok(Exit::Done);
    }
    let validate_only = options.get("validate_only") == Some(&json!(true));
    let deed = if validate_only {
        "checking"
    } else {
        "importing"
    };
    say(format_args!(
        "Task {}: {deed} {} into {}",
        submitted.task.id,
        plain(&upload.name),
        plain(&submitted.task.dataset)
    ));
    let timeout = collect.timeout.map(Duration::from_secs);
    let ended = until_finished(&gateway, submitted, timeout).await?;
    finish(&gateway, ended, target.as_ref(), args, validate_only).await
}

/// What is left to do when the task has ended: say so, and save the rows that failed.
async fn finish(
    gateway: &Gateway,
    ended: Answered,
    target: Option<&Target>,
    args: &ImportArgs,
    validate_only: bool,
) -> Result<Exit, Failure> {
    let Answered { task, mut json } = ended;
    let saved = match target {
        Some(target) if task.main_file().is_some() => {
            let saved = download::save(gateway, &task, target).await;
            Some(saved.map_err(|failure| {
                failure.also(format!(
                    "The import itself has ended. Fetch the file: quay tasks download {} -o PATH",
                    task.id
                ))
            })?)
        }
        Some(_) | None => None,
    };
    if args.out.json {
        if let (Some(saved), Some(fields)) = (&saved, json.as_object_mut()) {
            fields.insert("saved_to".to_owned(), json!(saved.path));
        }
        print_json(&json);
    } else if task.progress.total_rows.is_some() {
        answer(summary(&task, saved.as_ref(), validate_only));
    }
    match task.status {
        TaskStatus::Success => Ok(Exit::Done),
        TaskStatus::PartialSuccess => Ok(Exit::Partial),
        TaskStatus::Failed
        | TaskStatus::Cancelled
        | TaskStatus::Pending
        | TaskStatus::Processing => Err(reason(&task)),
    }
}

/// What became of the rows, a table of the faults, and where the failed ones are.
fn summary(task: &Task, saved: Option<&Saved>, validate_only: bool) -> String {
    let progress = &task.progress;
    let done = if validate_only { "valid" } else { "imported" };
    let mut parts = vec![format!("{} {done}", count(progress.done_rows))];
    let others = [
        (progress.failed_rows, "failed"),
        (progress.skipped_rows, "skipped"),
        (progress.unprocessed_rows, "unprocessed"),
    ];
    let others = others.into_iter().filter(|(rows, _)| *rows > 0);
    parts.extend(others.map(|(rows, word)| format!("{} {word}", count(rows))));
    let rows = progress.total_rows.unwrap_or_default();
    let name = task.name.as_deref().map(plain).unwrap_or_default();
    let mut text = format!("{name}: {} rows: {}", count(rows), parts.join(", "));
    if !task.errors_by_code.is_empty() {
        let mut faults: Vec<(&String, &u64)> = task.errors_by_code.iter().collect();
        faults.sort_by_key(|(code, faults)| (u64::MAX - **faults, (*code).clone()));
        let lines: Vec<[String; 2]> = faults
            .into_iter()
            .map(|(code, faults)| [code.clone(), count(*faults)])
            .collect();
        text.push('\n');
        text.push_str(layout(["ERROR", "CELLS"], [false, true], &lines).trim_end());
    }
    for warning in &task.warnings {
        let (times, code) = (count(warning.count), plain(&warning.code));
        text.push_str(&format!("\nNote: {code} ({times})"));
        if !warning.names.is_empty() {
            let names: Vec<String> = warning.names.iter().map(|name| plain(name)).collect();
            text.push_str(&format!(": {}", names.join(", ")));
        }
    }
    let failed = match (saved, task.main_file()) {
        (Some(saved), _) => saved.path.display().to_string(),
        (None, Some(_)) => format!("quay tasks download {} -o .", task.id),
        (None, None) => return text,
    };
    text.push_str(&format!("\nThe rows that failed: {failed}\n"));
    let aborted = FailureCode::Aborted.as_str();
    if validate_only || task.error.as_ref().is_some_and(|it| it.code == aborted) {
        // The failure file lacks the good rows, and they were not written either.
        text.push_str(&format!(
            "Nothing was written: mend them in {name} and import all of it."
        ));
    } else {
        text.push_str("Mend them there and import that file.");
    }
    text
}

fn upload(args: &ImportArgs, options: &Map<String, Value>) -> Result<UploadRequest, Failure> {
    let path = &args.file;
    let cannot = |error: &std::io::Error| {
        Failure::local(format!("cannot read {}", path.display()), root(error))
    };
    let found = path.metadata().map_err(|error| cannot(&error))?;
    if !found.is_file() {
        return Err(Failure::usage(format!("{} is no file", path.display())));
    }
    let name = path.file_name().map(|name| name.to_string_lossy());
    Ok(UploadRequest {
        dataset: args.dataset.clone(),
        path: path.clone(),
        name: name.unwrap_or_default().into_owned(),
        size: found.len(),
        options: (!options.is_empty()).then(|| Value::Object(options.clone()).to_string()),
        idempotency_key: args.task.idempotency_key.clone(),
    })
}

/// Only what was said: the gateway knows what holds otherwise.
fn options(args: &ImportArgs) -> Result<Map<String, Value>, Failure> {
    let mut options = given_options(args.reading.options.as_deref())?;
    let (rows, reading) = (&args.rows, &args.reading);
    let mode = rows.mode.and_then(|mode| mode.to_possible_value());
    let said = [
        ("mode", mode.map(|mode| json!(mode.get_name()))),
        ("validate_only", rows.validate_only.then_some(json!(true))),
        ("on_error", rows.abort_on_error.then_some(json!("abort"))),
        ("empty_means", rows.keep_empty.then_some(json!("keep"))),
        ("batch_size", rows.batch_size.map(|size| json!(size))),
        ("sheet", reading.sheet.as_deref().map(sheet)),
        ("header_row", reading.header_row.map(|row| json!(row))),
        ("numbers", reading.numbers.map(|form| json!(form))),
        ("encoding", reading.encoding.map(|it| json!(it))),
        (
            "stop_after_blank_rows",
            reading.stop_after_blank_rows.map(|rows| json!(rows)),
        ),
        ("locale", reading.locale.as_ref().map(|it| json!(it))),
        ("timezone", reading.timezone.as_ref().map(|it| json!(it))),
        ("queue", args.task.queue.as_ref().map(|it| json!(it))),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            options.insert(name.to_owned(), value);
        }
    }
    if !reading.map.is_empty() {
        options.insert("mapping".to_owned(), Value::Object(mapping(&reading.map)?));
    }
    Ok(options)
}

/// A number is the place of a sheet; a sheet that is called so is named through `--options`.
fn sheet(text: &str) -> Value {
    text.parse::<u32>()
        .map_or_else(|_| json!(text), Value::from)
}

fn mapping(pairs: &[String]) -> Result<Map<String, Value>, Failure> {
    let pair = |text: &String| {
        let parts = text.rsplit_once('=');
        let parts = parts.filter(|(header, column)| !header.is_empty() && !column.is_empty());
        parts
            .map(|(header, column)| (header.to_owned(), json!(column.trim())))
            .ok_or_else(|| {
                Failure::usage(format!("--map {text} is not HEADER=COLUMN"))
                    .advise("It looks like --map '手机=mobile'")
            })
    };
    pairs.iter().map(pair).collect()
}

fn given_options(text: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(text) = text else {
        return Ok(Map::new());
    };
    match serde_json::from_str(text) {
        Ok(Value::Object(options)) => Ok(options),
        Ok(_) => Err(Failure::usage("--options is not a JSON object")
            .advise("It looks like {\"formulas\": \"error\"}")),
        Err(error) => Err(Failure::usage(format!("--options is not JSON: {error}"))
            .advise("Put it in single quotes: --options '{\"formulas\": \"error\"}'")),
    }
}

/// Whether the name of the file to save asks for csv.
pub(crate) fn is_csv(output: &Path) -> bool {
    let file = Some(output).filter(|path| !path.is_dir());
    let ending = file.and_then(Path::extension);
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}
