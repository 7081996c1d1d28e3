//! Filters: what rows must be like. Several mean AND.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::access::Access;
use super::fault::{FaultCode, Faults, FieldFault, Pointer, body};
use super::operand::Operand;
use crate::{Column, Dataset, Operator};

/// Most values of one `in`, well below MySQL's 65,535 placeholders in all.
const MAX_IN: usize = 1_000;
/// Longest prefix, in characters.
const MAX_PREFIX: usize = 255;

/// One test of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub column: String,
    pub predicate: Predicate,
}

/// What is asked of a column. Null passes none of them but `is_null: true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicate {
    Eq(Operand),
    Ne(Operand),
    Gt(Operand),
    Gte(Operand),
    Lt(Operand),
    Lte(Operand),
    /// No value at all matches no row.
    In(Vec<Operand>),
    /// The text begins with exactly these characters; none of them is a wildcard.
    LikePrefix(String),
    IsNull(bool),
}

/// Reads the filters of a request; every fault is added to `faults`.
pub(super) fn read(
    dataset: &Dataset,
    raw: &Map<String, Value>,
    access: Access,
    faults: &mut Faults,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (name, value) in raw {
        let at = body("filters").field(name);
        let offered = dataset.filter(name).zip(dataset.column(name));
        let Some((filter, column)) = offered else {
            let message = format!("`{name}` is not offered as a filter of {}", dataset.name);
            faults.push(FieldFault::new(&at, FaultCode::UnknownColumn, message));
            continue;
        };
        if let Some(message) = access.refusal(column) {
            faults.push(FieldFault::new(&at, FaultCode::Forbidden, message));
            continue;
        }
        for (at, operator, operand) in tests(&at, value, faults) {
            let predicate = if filter.operators.contains(&operator) {
                predicate(column, operator, operand)
            } else {
                Err(format!("`{name}` cannot be filtered by {operator}"))
            };
            match predicate {
                Ok(predicate) => {
                    conditions.push(Condition {
                        column: name.clone(),
                        predicate,
                    });
                }
                Err(message) => {
                    faults.push(FieldFault::new(&at, FaultCode::InvalidFilter, message));
                }
            }
        }
    }
    conditions
}

/// The operators that a filter's value names; a bare value means `eq`.
fn tests<'v>(
    at: &Pointer,
    value: &'v Value,
    faults: &mut Faults,
) -> Vec<(Pointer, Operator, &'v Value)> {
    let Value::Object(named) = value else {
        return vec![(at.clone(), Operator::Eq, value)];
    };
    if named.is_empty() {
        faults.push(FieldFault::new(
            at,
            FaultCode::InvalidFilter,
            "the filter names no operator",
        ));
    }
    let mut tests = Vec::with_capacity(named.len());
    for (name, operand) in named {
        let at = at.field(name);
        match name.parse() {
            Ok(operator) => tests.push((at, operator, operand)),
            Err(_unknown) => {
                let message = format!("there is no operator `{name}`");
                faults.push(FieldFault::new(&at, FaultCode::InvalidFilter, message));
            }
        }
    }
    tests
}

fn predicate(column: &Column, operator: Operator, value: &Value) -> Result<Predicate, String> {
    let operand = || Operand::read(column, value);
    Ok(match operator {
        Operator::Eq => Predicate::Eq(operand()?),
        Operator::Ne => Predicate::Ne(operand()?),
        Operator::Gt => Predicate::Gt(operand()?),
        Operator::Gte => Predicate::Gte(operand()?),
        Operator::Lt => Predicate::Lt(operand()?),
        Operator::Lte => Predicate::Lte(operand()?),
        Operator::In => Predicate::In(list(column, value)?),
        Operator::LikePrefix => Predicate::LikePrefix(prefix(value)?),
        Operator::IsNull => {
            Predicate::IsNull(value.as_bool().ok_or("is_null takes true or false")?)
        }
    })
}

fn list(column: &Column, value: &Value) -> Result<Vec<Operand>, String> {
    match value.as_array() {
        Some(values) if values.len() <= MAX_IN => values
            .iter()
            .map(|value| Operand::read(column, value))
            .collect(),
        Some(_) => Err(format!("in takes at most {MAX_IN} values")),
        None => Err("in takes a list".to_owned()),
    }
}

fn prefix(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some(text) if text.chars().count() <= MAX_PREFIX => Ok(text.to_owned()),
        Some(_) | None => Err(format!(
            "like_prefix takes a text of at most {MAX_PREFIX} characters"
        )),
    }
}
