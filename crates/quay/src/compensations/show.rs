//! `quay compensations show`: all that is known of one.

use serde_json::Value;

use super::text;
use crate::cli::OneCompensationArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::answer;
use crate::tasks::print_json;
use crate::text::{moment, plain};

pub(super) async fn run(args: &OneCompensationArgs) -> Result<Exit, Failure> {
    let json = Gateway::new(&args.gateway)?.compensation(args.id).await?;
    if args.out.json {
        print_json(&json);
        return Ok(Exit::Done);
    }
    let id = format!("{} ({})", text(&json, "id"), text(&json, "biz_type"));
    lines([("work", id)]);
    let told = [
        ("about", "biz_id"),
        ("status", "status"),
        ("lane", "lane"),
        ("priority", "priority"),
        ("failures", "failures"),
        ("why", "last_failure"),
        ("group", "group_id"),
        ("by", "created_by"),
    ];
    lines(told.map(|(label, name)| (label, text(&json, name))));
    let moments = [
        ("created", "created_at"),
        ("due", "due_at"),
        ("finished", "finished_at"),
    ];
    lines(moments.map(|(label, name)| (label, json[name].as_str().map_or(String::new(), utc))));
    lines([("context", text(&json, "context"))]);
    for attempt in json["attempts"].as_array().into_iter().flatten() {
        lines([("tried", tried(attempt))]);
    }
    Ok(Exit::Done)
}

/// What there is, a line each.
pub(super) fn lines<const N: usize>(lines: [(&str, String); N]) {
    for (label, value) in lines {
        if !value.is_empty() {
            answer(format_args!("{label:<11}{}", plain(&value)));
        }
    }
}

fn utc(time: &str) -> String {
    format!("{} UTC", moment(time))
}

fn tried(attempt: &Value) -> String {
    let at = attempt["finished_at"].as_str().map_or(String::new(), utc);
    let words = [
        text(attempt, "outcome"),
        at,
        text(attempt, "worker"),
        text(attempt, "error_class"),
        text(attempt, "error_text"),
    ];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
