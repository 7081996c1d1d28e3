//! Rules between the columns of a row.

use serde::Deserialize;
use toml::Spanned;

use super::label::Labels;
use super::types::{Column, ColumnType, Operator};

/// A rule that a row must keep, told as `business_rule`.
///
/// It judges what is given. A new row (mode insert) has null in a column that it is not given,
/// whatever default the table would put there. Of an upsert or an update a rule counts only as far as
/// what it looks at is given: what the table has already is not asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossRule {
    /// For programs: the error's `params.rule`.
    pub name: String,
    /// Only for rows whose column holds that value, written as MySQL takes it.
    pub when: Option<(String, String)>,
    pub demand: Demand,
    /// What a person is told, per locale.
    pub message: Labels,
}

/// What a rule demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// `left op right`, if both have a value. `op` is eq, ne, gt, gte, lt or lte.
    Compare {
        left: String,
        op: Operator,
        right: String,
    },
    /// The column has a value.
    Required(String),
}

impl CrossRule {
    /// Every column that the rule looks at.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let demanded = match &self.demand {
            Demand::Compare { left, right, .. } => [Some(left), Some(right)],
            Demand::Required(column) => [Some(column), None],
        };
        let when = self.when.as_ref().map(|(column, _)| column);
        demanded
            .into_iter()
            .chain([when])
            .flatten()
            .map(String::as_str)
    }
}

/// As a definition writes it: `{ name, message, when?, left, op, right }` or
/// `{ name, message, when?, required }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) name: Spanned<String>,
    pub(super) message: Spanned<std::collections::BTreeMap<String, String>>,
    pub(super) when: Option<RawWhen>,
    pub(super) left: Option<String>,
    pub(super) op: Option<Operator>,
    pub(super) right: Option<String>,
    pub(super) required: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWhen {
    column: String,
    is: toml::Value,
}

impl RawRule {
    /// Puts the rule together; `message` was checked before.
    pub(super) fn read(self, message: Labels, columns: &[Column]) -> Result<CrossRule, String> {
        let demand = match (self.left, self.op, self.right, self.required) {
            (Some(left), Some(op), Some(right), None) => Demand::Compare { left, op, right },
            (None, None, None, Some(column)) => Demand::Required(column),
            _ => return Err("a rule has `left`, `op` and `right`, or `required`".to_owned()),
        };
        let when = self.when.map(|when| when.read(columns)).transpose()?;
        let rule = CrossRule {
            name: self.name.into_inner(),
            when,
            demand,
            message,
        };
        for name in rule.columns() {
            importable(columns, name)?;
        }
        if let Demand::Compare { left, op, right } = &rule.demand {
            comparable(importable(columns, left)?, *op, importable(columns, right)?)?;
        }
        Ok(rule)
    }
}

impl RawWhen {
    fn read(self, columns: &[Column]) -> Result<(String, String), String> {
        let column = importable(columns, &self.column)?;
        let text = match &self.is {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let value = crate::import::canonical(column, &text);
        let value = value.ok_or_else(|| format!("`{text}` is no value of `{}`", column.name))?;
        Ok((self.column, value))
    }
}

fn importable<'c>(columns: &'c [Column], name: &str) -> Result<&'c Column, String> {
    let found = columns.iter().find(|it| it.name == name && it.importable);
    found.ok_or_else(|| format!("there is no importable column `{name}`"))
}

fn comparable(left: &Column, op: Operator, right: &Column) -> Result<(), String> {
    use ColumnType::{Boolean, Decimal, Integer, String};
    let number = |kind| matches!(kind, Integer | Decimal);
    if left.kind != right.kind && !(number(left.kind) && number(right.kind)) {
        let (left, right) = (&left.name, &right.name);
        return Err(format!("`{left}` and `{right}` are of different types"));
    }
    match op {
        Operator::Eq | Operator::Ne => Ok(()),
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => {
            let ordered = !matches!(left.kind, String | Boolean);
            ordered.then_some(()).ok_or_else(|| {
                let (op, kind) = (op.as_str(), left.kind.as_str());
                format!("`{op}` is not for columns of type {kind}")
            })
        }
        Operator::In | Operator::LikePrefix | Operator::IsNull => {
            Err(format!("`{}` does not compare two columns", op.as_str()))
        }
    }
}
