//! One piece of work in a call.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{BizId, HandlerDef, HandlerKind, Lane, Notice, OperationNote, URGENT_FROM};
use serde_json::Value;
use serde_json::value::RawValue;
use store::{Due, FollowUp, NewCompensation};

use super::body::{Fields, Terms, shortened, typed, unknown};
use crate::problem::{Code, Problem};

/// The highest priority.
const MAX_PRIORITY: u8 = 9;

/// How far ahead a `run_at` may lie, in days.
const MAX_AHEAD_DAYS: i64 = 365;

/// The delays that there are, in seconds (issue 7).
const DELAY_LEVELS: [(&str, u64); 18] = [
    ("1s", 1),
    ("5s", 5),
    ("10s", 10),
    ("30s", 30),
    ("1m", 60),
    ("2m", 120),
    ("3m", 180),
    ("4m", 240),
    ("5m", 300),
    ("6m", 360),
    ("7m", 420),
    ("8m", 480),
    ("9m", 540),
    ("10m", 600),
    ("20m", 1_200),
    ("30m", 1_800),
    ("1h", 3_600),
    ("2h", 7_200),
];

pub(super) fn read(
    at: &str,
    mut fields: Fields<'_>,
    terms: &Terms<'_>,
) -> Result<NewCompensation, Problem> {
    let (handler, lane, context) = kind(at, &mut fields, terms)?;
    let biz_id = fields.remove("biz_id");
    let (priority, lane) = level(at, &mut fields, handler, lane)?;
    let due = due(at, &mut fields, terms.now)?;
    if let Some(name) = fields.keys().next() {
        return Err(unknown(at, name));
    }
    Ok(NewCompensation {
        biz_type: handler.biz_type.clone(),
        biz_id: self::biz_id(&format!("{at}/biz_id"), biz_id, handler)?,
        lane,
        context,
        priority,
        due,
        scan_interval: handler.scan_interval,
    })
}

/// A piece of work that follows the end of a group. What it is about is the group, so a `biz_id` is
/// taken and changes nothing; a delay begins with the end. It takes none of the tenant's shares.
pub(super) fn follow_up(
    at: &str,
    mut fields: Fields<'_>,
    terms: &Terms<'_>,
) -> Result<FollowUp, Problem> {
    let (handler, lane, context) = kind(at, &mut fields, terms)?;
    fields.remove("biz_id");
    let (priority, lane) = level(at, &mut fields, handler, lane)?;
    let due = due(at, &mut fields, terms.now)?;
    if let Some(name) = fields.keys().next() {
        return Err(unknown(at, name));
    }
    Ok(FollowUp {
        biz_type: handler.biz_type.clone(),
        lane,
        context,
        max_cnt: handler.retry.max_cnt(),
        priority,
        due,
    })
}

/// The priority, and the lane that goes with it.
fn level(
    at: &str,
    fields: &mut Fields<'_>,
    handler: &HandlerDef,
    lane: Lane,
) -> Result<(u8, Lane), Problem> {
    let priority = fields.remove("priority");
    let priority = self::priority(&format!("{at}/priority"), priority)?;
    let lane = match handler.levels_of(&lane) {
        Some(levels) if priority >= URGENT_FROM => levels.urgent.clone(),
        Some(_) | None => lane,
    };
    Ok((priority, lane))
}

/// The definition, the lane and the context: what both have in common.
fn kind<'t>(
    at: &str,
    fields: &mut Fields<'_>,
    terms: &Terms<'t>,
) -> Result<(&'t HandlerDef, Lane, String), Problem> {
    let at_type = format!("{at}/biz_type");
    let needed = || Problem::invalid(&at_type, "biz_type is a text, and needed");
    let biz_type = fields.remove("biz_type").ok_or_else(needed)?;
    let biz_type: String = typed(&at_type, biz_type, "biz_type is a text, and needed")?;
    let handler = terms.handler(&at_type, &biz_type)?;
    let (at_queue, queue) = (format!("{at}/queue"), fields.remove("queue"));
    let named = lane(&at_queue, queue, handler)?;
    let at_context = format!("{at}/context");
    let context = context(
        &at_context,
        fields.remove("context"),
        terms.max_context_bytes,
    )?;
    let told = own_words(&context, handler);
    let told = told.map_err(|message| Problem::invalid(&at_context, message))?;
    // The way of telling is the queue: a slow mail server must not hold up the inbox.
    let lane = match told.and_then(|notice| handler.lane_of(notice.queue())) {
        Some(lane) if queue.is_some() && *lane != named => {
            let message = "the channel says which queue it is, and it is another one";
            return Err(Problem::invalid(&at_queue, message));
        }
        Some(lane) => lane.clone(),
        None => named,
    };
    Ok((handler, lane, context))
}

fn lane(at: &str, raw: Option<&RawValue>, handler: &HandlerDef) -> Result<Lane, Problem> {
    let queue: Option<String> = raw
        .map(|raw| typed(at, raw, "queue is a text"))
        .transpose()?;
    let lane = handler.lane_of(queue.as_deref());
    lane.cloned().ok_or_else(|| {
        let queue = shortened(queue.as_deref().unwrap_or_default());
        let known: Vec<&str> = handler.queue_names().collect();
        let message = format!(
            "there is no queue `{queue}`; known here: {}",
            known.join(", ")
        );
        Problem::at(Code::UnknownQueue, at, message)
    })
}

/// The text as it was sent.
fn context(at: &str, raw: Option<&RawValue>, most_bytes: usize) -> Result<String, Problem> {
    let raw = raw.ok_or_else(|| Problem::invalid(at, "context is any JSON value, and needed"))?;
    let text = raw.get();
    if text.len() > most_bytes {
        let message = format!("a context has at most {most_bytes} bytes");
        return Err(Problem::at(Code::ContextTooLarge, at, message));
    }
    // Deep nesting, numbers beyond all range, halves of surrogate pairs: nobody could work on it.
    match serde_json::from_str::<Value>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Problem::invalid(
            at,
            format!("the context is not usable: {error}"),
        )),
    }
}

/// What only the house may tell of, nobody may submit: acts of its own, ends of tasks, calls that it
/// signs. What follows a group is the house's own row, so its context is looked at here or nowhere.
/// Answers the notice, where it is one.
fn own_words(context: &str, handler: &HandlerDef) -> Result<Option<Notice>, String> {
    let (notice, is_of_the_house) = match &handler.kind {
        HandlerKind::Notify(_) => {
            let notice = Notice::read(context);
            let notice = notice.map_err(|error| format!("the context is no notice: {error}"))?;
            let is_of_the_house = notice.is_of_the_house();
            (Some(notice), is_of_the_house)
        }
        HandlerKind::OperationLog => {
            let note = OperationNote::read(context).map_err(str::to_owned)?;
            (None, note.is_of_the_house())
        }
        HandlerKind::Rows(_) | HandlerKind::Http(_) | HandlerKind::Code(_) => (None, false),
    };
    if is_of_the_house {
        return Err("only the house itself tells of this".to_owned());
    }
    Ok(notice)
}

fn biz_id(at: &str, raw: Option<&RawValue>, handler: &HandlerDef) -> Result<BizId, Problem> {
    let needed = "biz_id is a text, and needed";
    let raw = raw.ok_or_else(|| Problem::invalid(at, needed))?;
    let text: String = typed(at, raw, needed)?;
    if is_reserved(&text) {
        let message = "two numbers with a slash between them are the ids of what follows groups";
        return Err(Problem::invalid(at, message));
    }
    let is_of_the_house = match &handler.kind {
        HandlerKind::Notify(_) => Notice::is_name_of_the_house(&text),
        HandlerKind::OperationLog => OperationNote::is_name_of_the_house(&text),
        HandlerKind::Rows(_) | HandlerKind::Http(_) | HandlerKind::Code(_) => false,
    };
    if is_of_the_house {
        let message = "names of this form are those of the house's own rows";
        return Err(Problem::invalid(at, message));
    }
    BizId::parse(text).map_err(|error| Problem::invalid(at, error.to_string()))
}

/// Whether it looks like `<group>/<generation>`: the id of a follow-up must be free when it is born.
fn is_reserved(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('/')
        .is_some_and(|(group, generation)| is_number(group) && is_number(generation))
}

fn priority(at: &str, raw: Option<&RawValue>) -> Result<u8, Problem> {
    let message = format!("priority is a whole number from 0 to {MAX_PRIORITY}");
    let Some(raw) = raw else { return Ok(0) };
    let priority: u8 = typed(at, raw, &message)?;
    if priority <= MAX_PRIORITY {
        Ok(priority)
    } else {
        Err(Problem::invalid(at, message))
    }
}

fn due(at: &str, fields: &mut Fields<'_>, now: DateTime<Utc>) -> Result<Due, Problem> {
    let (at_level, at_moment) = (format!("{at}/delay_level"), format!("{at}/run_at"));
    match (fields.remove("delay_level"), fields.remove("run_at")) {
        (None, None) => Ok(Due::Now),
        (Some(level), None) => delay(&at_level, level).map(Due::After),
        (None, Some(moment)) => run_at(&at_moment, moment, now).map(Due::At),
        (Some(_), Some(_)) => {
            let message = "delay_level and run_at exclude each other";
            Err(Problem::invalid(&at_moment, message))
        }
    }
}

fn delay(at: &str, raw: &RawValue) -> Result<Duration, Problem> {
    let levels: Vec<&str> = DELAY_LEVELS.iter().map(|(name, _)| *name).collect();
    let message = format!("delay_level is one of {}", levels.join(", "));
    let level: String = typed(at, raw, &message)?;
    let found = DELAY_LEVELS.iter().find(|(name, _)| *name == level);
    let (_, seconds) = found.ok_or_else(|| Problem::invalid(at, message))?;
    Ok(Duration::from_secs(*seconds))
}

fn run_at(at: &str, raw: &RawValue, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    let what = "run_at is a moment such as 2026-01-31T08:00:00Z";
    let text: String = typed(at, raw, what)?;
    let moment = DateTime::parse_from_rfc3339(&text);
    let moment = moment.map_err(|_odd| Problem::invalid(at, what))?.to_utc();
    if moment - now > TimeDelta::days(MAX_AHEAD_DAYS) {
        let message = format!("run_at lies at most {MAX_AHEAD_DAYS} days ahead");
        return Err(Problem::invalid(at, message));
    }
    Ok(moment)
}
