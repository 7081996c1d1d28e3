//! What a call says, made into work: each field is looked at once, here.
//!
//! Contexts are kept as they were sent, to the last digit: they are read as raw text, and only looked
//! at to be sure that whoever works on them can read them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{HandlerCatalog, HandlerDef};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use store::{FollowUp, NewCompensation, NewGroup};

use super::item;
use crate::auth::Caller;
use crate::problem::{Code, Problem};

/// Most items of a call.
const MAX_ITEMS: usize = 10_000;

/// Most kinds of work that follow the end of a group.
const MAX_FOLLOW_UPS: usize = 10;

/// Longest key of a group, in characters.
const MAX_KEY: usize = 128;

/// Known kinds of work that a refusal names at most.
const KINDS_TOLD: usize = 50;

/// Characters of a field's name that are told back.
const NAME_CHARACTERS: usize = 64;

/// By what a call is judged.
pub(super) struct Terms<'t> {
    pub(super) handlers: &'t HandlerCatalog,
    pub(super) caller: &'t Caller,
    pub(super) now: DateTime<Utc>,
    pub(super) max_context_bytes: usize,
}

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) items: Vec<NewCompensation>,
    pub(super) group: Option<NewGroup>,
}

/// The fields of an object that are not null.
pub(super) type Fields<'b> = BTreeMap<String, &'b RawValue>;

pub(super) fn read(body: &[u8], terms: &Terms<'_>) -> Result<Wanted, Problem> {
    let mut wanted = Wanted {
        items: Vec::new(),
        group: None,
    };
    for (name, value) in whole(body)? {
        match name.as_str() {
            "items" => wanted.items = items(value, terms)?,
            "group" => wanted.group = Some(group(value, terms)?),
            _ => return Err(Problem::unknown_field(&name)),
        }
    }
    if wanted.items.is_empty() && wanted.group.is_none() {
        let message = format!("items is a list of 1 to {MAX_ITEMS} objects");
        return Err(Problem::invalid("items", message));
    }
    Ok(wanted)
}

fn items(raw: &RawValue, terms: &Terms<'_>) -> Result<Vec<NewCompensation>, Problem> {
    let items: Vec<&RawValue> = list("items", raw)?;
    if items.len() > MAX_ITEMS {
        let message =
            format!("at most {MAX_ITEMS} items are taken; send the others in further calls");
        return Err(Problem::invalid("items", message));
    }
    let item = |(index, raw): (usize, &RawValue)| {
        let at = format!("items/{index}");
        item::read(&at, fields(&at, raw)?, terms)
    };
    items.into_iter().enumerate().map(item).collect()
}

fn group(raw: &RawValue, terms: &Terms<'_>) -> Result<NewGroup, Problem> {
    let mut group = NewGroup {
        key: String::new(),
        seal: false,
        of_anyone: terms.caller.is_operator(),
        on_finished: None,
    };
    for (name, value) in fields("group", raw)? {
        let at = format!("group/{name}");
        match name.as_str() {
            "key" => group.key = key(&at, value)?,
            "seal" => group.seal = typed(&at, value, "seal is true or false")?,
            "on_finished" => group.on_finished = Some(follow_ups(&at, value, terms)?),
            _ => return Err(unknown("group", &name)),
        }
    }
    if group.key.is_empty() {
        return Err(Problem::invalid("group/key", "a group has a key"));
    }
    Ok(group)
}

fn key(at: &str, raw: &RawValue) -> Result<String, Problem> {
    let key: String = typed(at, raw, "key is a text")?;
    let length = key.chars().count();
    let fits =
        (1..=MAX_KEY).contains(&length) && key.trim() == key && !key.chars().any(char::is_control);
    fits.then_some(key).ok_or_else(|| {
        let message = format!(
            "key has 1 to {MAX_KEY} characters, none of them a control character, and no space at \
             its ends"
        );
        Problem::invalid(at, message)
    })
}

fn follow_ups(at: &str, raw: &RawValue, terms: &Terms<'_>) -> Result<Vec<FollowUp>, Problem> {
    let items: Vec<&RawValue> = list(at, raw)?;
    if items.len() > MAX_FOLLOW_UPS {
        let message = format!("at most {MAX_FOLLOW_UPS} kinds of work follow the end of a group");
        return Err(Problem::invalid(at, message));
    }
    let mut kinds = BTreeSet::new();
    let mut follow_ups = Vec::with_capacity(items.len());
    for (index, raw) in items.into_iter().enumerate() {
        let at = format!("{at}/{index}");
        let follow_up = item::follow_up(&at, fields(&at, raw)?, terms)?;
        if !kinds.insert(follow_up.biz_type.as_str().to_owned()) {
            let message = "of each biz_type one follows the end of a group at most";
            return Err(Problem::invalid(&format!("{at}/biz_type"), message));
        }
        follow_ups.push(follow_up);
    }
    Ok(follow_ups)
}

impl<'t> Terms<'t> {
    /// The definition of a kind of work that the caller may submit.
    pub(super) fn handler(&self, at: &str, biz_type: &str) -> Result<&'t HandlerDef, Problem> {
        let Some(handler) = self.handlers.get(biz_type) else {
            let known: Vec<&str> = self.handlers.names().take(KINDS_TOLD).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            let message = format!(
                "there is no biz_type `{}`; known here: {known}",
                shortened(biz_type)
            );
            return Err(Problem::at(Code::UnknownBizType, at, message));
        };
        if self.caller.is_super_admin() || handler.may_submit(&self.caller.roles) {
            Ok(handler)
        } else {
            let detail = format!("none of your roles may submit {biz_type}");
            Err(Problem::new(Code::Forbidden, detail))
        }
    }
}

/// The fields of the body.
pub(super) fn whole(body: &[u8]) -> Result<Fields<'_>, Problem> {
    let mut fields: Fields<'_> = serde_json::from_slice(body).map_err(|error| {
        Problem::invalid("", format!("the body must be a JSON object: {error}"))
    })?;
    fields.retain(|_, value| value.get() != "null");
    Ok(fields)
}

/// The fields of an object that are not null.
pub(super) fn fields<'b>(at: &str, raw: &'b RawValue) -> Result<Fields<'b>, Problem> {
    let fields: Result<Fields<'b>, _> = serde_json::from_str(raw.get());
    let mut fields = fields.map_err(|_odd| Problem::invalid(at, "this is a JSON object"))?;
    fields.retain(|_, value| value.get() != "null");
    Ok(fields)
}

pub(super) fn list<'b>(at: &str, raw: &'b RawValue) -> Result<Vec<&'b RawValue>, Problem> {
    serde_json::from_str(raw.get())
        .map_err(|_odd| Problem::invalid(at, "this is a list of JSON objects"))
}

/// A value of a plain type.
pub(super) fn typed<T: DeserializeOwned>(
    at: &str,
    raw: &RawValue,
    what: &str,
) -> Result<T, Problem> {
    serde_json::from_str(raw.get()).map_err(|_odd| Problem::invalid(at, what))
}

/// A field that there is none of, within another.
pub(super) fn unknown(at: &str, name: &str) -> Problem {
    let shown = shortened(name);
    let message = format!("there is no field `{shown}`");
    let pointer = shown.replace('~', "~0").replace('/', "~1");
    Problem::invalid(&format!("{at}/{pointer}"), message)
}

pub(super) fn shortened(name: &str) -> String {
    name.chars().take(NAME_CHARACTERS).collect()
}
