//! `quay export`: submit, and if asked wait and save.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use domain::ExportRequest;
use serde_json::{Map, Value, json};

use crate::cli::{ExportArgs, FormatWord, RowsArgs};
use crate::client::Gateway;
use crate::download::{self, Saved, Target};
use crate::exit::{Exit, Failure};
use crate::filter::filters_from;
use crate::print::{answer, say};
use crate::tasks::{print_json, reason};
use crate::text::{count, plain, size};
use crate::wait::until_finished;
use crate::wire::{Answered, Task};

pub(crate) async fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    let request = request(args)?;
    let gateway = Gateway::new(&args.gateway)?;
    let collect = &args.collect;
    let target = collect.output.as_deref();
    let target = target
        .map(|output| Target::prepare(output, collect.overwrite))
        .transpose()
        .map_err(|failure| failure.also("Nothing was exported."))?;
    let submitted = gateway
        .submit_export(&request, args.task.idempotency_key.as_deref())
        .await
        .map_err(|failure| what_there_is(failure, &args.dataset))?;
    let id = &submitted.task.id;
    if submitted.task.deduplicated {
        say(format_args!(
            "This export is already under way (task {id}); --force makes another."
        ));
    }
    if !collect.wait && target.is_none() && collect.timeout.is_none() {
        if args.out.json {
            print_json(&submitted.json);
        } else {
            answer(id);
        }
        return Ok(Exit::Done);
    }
    let dataset = plain(&submitted.task.dataset);
    say(format_args!("Task {id}: exporting {dataset}"));
    let timeout = collect.timeout.map(Duration::from_secs);
    let ended = until_finished(&gateway, submitted, timeout).await?;
    finish(&gateway, ended, target.as_ref(), args.out.json).await
}

/// Says where a refused word can be looked up.
fn what_there_is(failure: Failure, dataset: &str) -> Failure {
    match failure.code() {
        "unknown_column" | "invalid_filter" | "unknown_queue" => failure.also(format!(
            "GET /api/v1/datasets/{} tells its columns, filters and queues.",
            plain(dataset)
        )),
        _ => failure,
    }
}

/// What is left to do when a task has ended: say so, and save its file.
async fn finish(
    gateway: &Gateway,
    ended: Answered,
    target: Option<&Target>,
    as_json: bool,
) -> Result<Exit, Failure> {
    let Answered { task, mut json } = ended;
    if !task.came_to_a_file() {
        if as_json {
            print_json(&json);
        }
        return Err(reason(&task));
    }
    let saved = match target {
        Some(target) => {
            let saved = download::save(gateway, &task, target).await;
            Some(saved.map_err(|failure| {
                let id = &task.id;
                failure.also(format!(
                    "The export itself is done. Fetch it: quay tasks download {id} -o PATH"
                ))
            })?)
        }
        None => None,
    };
    if as_json {
        if let (Some(saved), Some(fields)) = (&saved, json.as_object_mut()) {
            fields.insert("saved_to".to_owned(), json!(saved.path));
        }
        print_json(&json);
    } else {
        answer(summary(&task, saved.as_ref()));
    }
    Ok(Exit::Done)
}

/// Two lines about a file: what it is and where.
pub(crate) fn summary(task: &Task, saved: Option<&Saved>) -> String {
    let file = task.main_file();
    let name = file
        .map(|file| plain(&file.name))
        .or_else(|| task.name.as_deref().map(plain));
    let name = name.unwrap_or_else(|| format!("task {}", task.id));
    let rows = file
        .and_then(|file| file.rows)
        .unwrap_or(task.progress.done_rows);
    let bytes = saved
        .map(|saved| saved.size)
        .or(file.map(|file| file.size))
        .unwrap_or_default();
    let mut lines = vec![format!("{name}: {} rows, {}", count(rows), size(bytes))];
    lines.extend(task.warnings.iter().map(|warning| {
        format!(
            "Note: {} cells: {}",
            count(warning.count),
            plain(&warning.code)
        )
    }));
    lines.push(match saved {
        Some(saved) => format!("Saved to {}", saved.path.display()),
        None => format!("Fetch it with: quay tasks download {}", task.id),
    });
    lines.join("\n")
}

fn request(args: &ExportArgs) -> Result<ExportRequest, Failure> {
    let listed = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let options = options(args);
    Ok(ExportRequest {
        dataset: args.dataset.clone(),
        columns: listed(&args.rows.columns),
        filters: filters(&args.rows)?,
        sort: listed(&args.rows.sort),
        format: format(args).map(|word| word.get_name().to_owned()),
        locale: args.file.locale.clone(),
        timezone: args.file.timezone.clone(),
        queue: args.task.queue.clone(),
        options: (!options.is_empty()).then_some(options),
        force: args.task.force.then_some(true),
    })
}

/// The format that was asked for, or that the name of the file to save asks for.
fn format(args: &ExportArgs) -> Option<clap::builder::PossibleValue> {
    let file = args.collect.output.as_deref();
    let file = file.filter(|path| !path.is_dir());
    let ending = file.and_then(Path::extension);
    let is_csv = ending.is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let word = args.file.format.or(is_csv.then_some(FormatWord::Csv));
    word.and_then(|word| word.to_possible_value())
}

/// Only what was said: the gateway knows what holds otherwise.
fn options(args: &ExportArgs) -> Map<String, Value> {
    let file = &args.file;
    let said = [
        ("file_name", file.file_name.as_ref().map(|name| json!(name))),
        ("null_text", file.null_text.as_ref().map(|text| json!(text))),
        ("header", file.no_header.then_some(json!(false))),
        (
            "guard_formulas",
            file.no_guard_formulas.then_some(json!(false)),
        ),
        (
            "rows_per_sheet",
            file.rows_per_sheet.map(|rows| json!(rows)),
        ),
        ("rows_per_file", file.rows_per_file.map(|rows| json!(rows))),
    ];
    said.into_iter()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
        .collect()
}

fn filters(args: &RowsArgs) -> Result<Option<Map<String, Value>>, Failure> {
    let Some(text) = &args.filters else {
        let filters = filters_from(&args.filter).map_err(|wrong| {
            Failure::usage(wrong.to_string()).advise("Examples: quay export --help")
        })?;
        return Ok((!filters.is_empty()).then_some(filters));
    };
    let text = if text == "-" {
        read_stdin()?
    } else {
        text.clone()
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(filters)) => Ok(Some(filters)),
        Ok(_) => Err(Failure::usage("--filters is not a JSON object")
            .advise("It looks like {\"department\": \"研发部\", \"salary\": {\"gte\": 10000}}")),
        Err(error) => Err(Failure::usage(format!("--filters is not JSON: {error}"))
            .advise("Put it in single quotes: --filters '{\"department\": \"研发部\"}'")),
    }
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::local("cannot read the filters from stdin", error))?;
    Ok(text)
}
