//! Conditions as a person types them, turned into the filters of the API.
//!
//! ```text
//! condition = column operator value
//! operator  = "=" | "!=" | ">" | ">=" | "<" | "<=" | "^=" | " in "
//!           | " is null" | " is not null" | " is true" | " is false"
//! ```
//! Spaces around an operator do not count; all else after it is the value, whatever it looks like.
//! Shown by `tests/it/filters.rs`: every value comes out as it went in.

use serde_json::{Map, Value, json};
use thiserror::Error;

/// Why a condition is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// It does not begin with a column's name.
    #[error("the filter {0:?} does not begin with a column's name")]
    NoColumn(String),
    /// No operator follows the column.
    #[error("the filter {0:?} has no operator: use =, !=, >, >=, <, <=, ^=, in, is null, is true")]
    NoOperator(String),
    /// `is` is followed by something else than it may be.
    #[error("the filter {0:?}: after `is` comes null, not null, true or false")]
    IsWhat(String),
    /// The same question twice of one column.
    #[error("two filters ask `{operator}` of the column {column}: use `{column} in A,B`")]
    Twice {
        /// The column.
        column: String,
        /// The operator, as the API calls it.
        operator: &'static str,
    },
}

/// Longest first where one begins like another.
const SIGNS: &[(&str, &str)] = &[
    ("!=", "ne"),
    (">=", "gte"),
    ("<=", "lte"),
    ("^=", "like_prefix"),
    ("=", "eq"),
    (">", "gt"),
    ("<", "lt"),
];

/// The API's `filters` for some conditions, all of which must hold.
///
/// # Errors
/// [`FilterError`] for the first condition that is not understood.
pub fn filters_from<S: AsRef<str>>(conditions: &[S]) -> Result<Map<String, Value>, FilterError> {
    let mut filters: Map<String, Value> = Map::new();
    for condition in conditions {
        let (column, operator, operand) = parse(condition.as_ref())?;
        let asked = filters.entry(column).or_insert_with(|| json!({}));
        let twice = asked
            .as_object_mut()
            .and_then(|asked| asked.insert(operator.into(), operand));
        if twice.is_some() {
            let (column, ..) = parse(condition.as_ref())?;
            return Err(FilterError::Twice { column, operator });
        }
    }
    Ok(filters)
}

fn parse(condition: &str) -> Result<(String, &'static str, Value), FilterError> {
    let text = condition.trim_start();
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (column, rest) = text.split_at(end);
    if column.is_empty() || column.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(FilterError::NoColumn(condition.to_owned()));
    }
    let after_space = rest.trim_start();
    let (operator, operand) = if let Some((operator, value)) = sign(after_space) {
        (operator, Value::from(value.trim_start()))
    } else if let Some(list) = word(rest, "in") {
        ("in", Value::from(split_list(list)))
    } else if let Some(what) = word(rest, "is") {
        let what = what.to_ascii_lowercase();
        let words: Vec<&str> = what.split_whitespace().collect();
        match words.as_slice() {
            ["null"] => ("is_null", Value::from(true)),
            ["not", "null"] => ("is_null", Value::from(false)),
            ["true"] => ("eq", Value::from(true)),
            ["false"] => ("eq", Value::from(false)),
            _ => return Err(FilterError::IsWhat(condition.to_owned())),
        }
    } else {
        return Err(FilterError::NoOperator(condition.to_owned()));
    };
    Ok((column.to_owned(), operator, operand))
}

fn sign(text: &str) -> Option<(&'static str, &str)> {
    SIGNS
        .iter()
        .find_map(|(sign, name)| text.strip_prefix(sign).map(|value| (*name, value)))
}

/// What follows the keyword, which stands alone between spaces.
fn word<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let text = rest.trim_start();
    let stands_apart = text.len() < rest.len();
    let head = text.get(..keyword.len())?;
    let tail = text.get(keyword.len()..)?;
    let ends = tail.is_empty() || tail.starts_with(char::is_whitespace);
    (stands_apart && ends && head.eq_ignore_ascii_case(keyword)).then(|| tail.trim_start())
}

/// Splits at commas; `\,` is a comma and `\\` a backslash within a value. No text, no values.
fn split_list(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut values = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped = letter == '\\' && letters.peek().is_some_and(|next| ",\\".contains(*next));
        match letter {
            ',' => values.push(String::new()),
            _ => {
                let literal = if escaped {
                    letters.next()
                } else {
                    Some(letter)
                };
                if let (Some(value), Some(literal)) = (values.last_mut(), literal) {
                    value.push(literal);
                }
            }
        }
    }
    values
}
