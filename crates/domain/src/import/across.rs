//! Rules between the columns of a row, compiled for the columns that an import has.
//!
//! What an insert does not give is null. Of an upsert or an update nobody knows what the row that may
//! be there has, so a rule that needs what is not given is left out.

use std::cmp::Ordering;

use super::fields::{Field, Fields};
use super::reader::compare;
use crate::{ColumnType, CrossRule, Dataset, Demand, ImportMode, Labels, Operator};

/// The rules of a dataset, for the columns at hand.
#[derive(Debug, Default)]
pub(super) struct Across {
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    name: String,
    message: Labels,
    /// The column that it is told of.
    column: String,
    when: Option<(usize, String)>,
    demand: CompiledDemand,
}

#[derive(Debug)]
enum CompiledDemand {
    Compare {
        left: usize,
        op: Operator,
        right: usize,
        kind: ColumnType,
    },
    Required {
        /// None where the import does not have the column.
        place: Option<usize>,
        /// Whether a value that is kept is none: a new row has nothing to keep.
        insert: bool,
    },
}

/// A rule that a row breaks.
pub(super) struct Broken<'a> {
    pub(super) name: &'a str,
    pub(super) message: &'a Labels,
    /// The column that it is told of.
    pub(super) column: &'a str,
    /// What that has.
    pub(super) value: Option<&'a str>,
}

impl Across {
    /// The rules that a row of these columns can break.
    pub(super) fn new(dataset: &Dataset, fields: &[String], mode: ImportMode) -> Self {
        let insert = mode == ImportMode::Insert;
        let rules = dataset.rules.iter();
        let compiled = rules.filter_map(|rule| compile(dataset, rule, fields, insert));
        Self {
            rules: compiled.collect(),
        }
    }

    /// The rules that a row breaks.
    pub(super) fn broken<'a>(&'a self, fields: &'a Fields) -> impl Iterator<Item = Broken<'a>> {
        let broken = self.rules.iter().filter(|rule| rule.is_broken(fields));
        broken.map(|rule| Broken {
            name: &rule.name,
            message: &rule.message,
            column: &rule.column,
            value: match rule.demand {
                CompiledDemand::Compare { left, .. } => text(fields, left),
                CompiledDemand::Required { .. } => None,
            },
        })
    }
}

fn text(fields: &Fields, place: usize) -> Option<&str> {
    match fields.get(place) {
        Field::Text(text) => Some(text),
        Field::Missing | Field::Null | Field::Keep => None,
    }
}

/// None for a rule that no row of the import can be seen to break.
fn compile(
    dataset: &Dataset,
    rule: &CrossRule,
    fields: &[String],
    insert: bool,
) -> Option<Compiled> {
    let place = |name: &str| fields.iter().position(|field| field == name);
    let when = match &rule.when {
        Some((column, value)) => Some((place(column)?, value.clone())),
        None => None,
    };
    let (column, demand) = match &rule.demand {
        Demand::Compare { left, op, right } => {
            let demand = CompiledDemand::Compare {
                left: place(left)?,
                op: *op,
                right: place(right)?,
                kind: dataset.column(left)?.kind,
            };
            (left, demand)
        }
        Demand::Required(column) => {
            let place = place(column);
            if place.is_none() && !insert {
                return None;
            }
            (column, CompiledDemand::Required { place, insert })
        }
    };
    Some(Compiled {
        name: rule.name.clone(),
        message: rule.message.clone(),
        column: column.clone(),
        when,
        demand,
    })
}

impl Compiled {
    fn is_broken(&self, fields: &Fields) -> bool {
        let applies = self
            .when
            .as_ref()
            .is_none_or(|(place, value)| text(fields, *place) == Some(value));
        applies
            && match self.demand {
                CompiledDemand::Required { place, insert } => {
                    match place.map_or(Field::Null, |place| fields.get(place)) {
                        Field::Null | Field::Text("") => true,
                        Field::Keep => insert,
                        Field::Missing | Field::Text(_) => false,
                    }
                }
                CompiledDemand::Compare {
                    left,
                    op,
                    right,
                    kind,
                } => match (text(fields, left), text(fields, right)) {
                    (Some(left), Some(right)) => !holds(op, compare(kind, left, right)),
                    _ => false,
                },
            }
    }
}

fn holds(op: Operator, order: Ordering) -> bool {
    match op {
        Operator::Eq => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Gt => order.is_gt(),
        Operator::Gte => order.is_ge(),
        Operator::Lt => order.is_lt(),
        Operator::Lte => order.is_le(),
        // no definition has them here
        Operator::In | Operator::LikePrefix | Operator::IsNull => true,
    }
}
