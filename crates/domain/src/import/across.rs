//! Rules between the columns of a row, compiled for the columns that an import has.

use std::cmp::Ordering;

use super::fields::{Field, Fields};
use super::reader::compare;
use crate::{ColumnType, CrossRule, Dataset, Demand, Labels, Operator};

/// The rules of a dataset that can be told from the columns at hand.
#[derive(Debug, Default)]
pub(super) struct Across {
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    name: String,
    message: Labels,
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
    Required(usize),
}

/// A rule that a row breaks.
pub(super) struct Broken<'a> {
    pub(super) name: &'a str,
    pub(super) message: &'a Labels,
    /// Place among the fields of the column that it is told of.
    pub(super) field: usize,
}

impl Across {
    /// A rule that looks at a column which the import does not have is left to the table.
    pub(super) fn new(dataset: &Dataset, fields: &[String]) -> Self {
        let rules = dataset.rules.iter();
        let compiled = rules.filter_map(|rule| compile(dataset, rule, fields));
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
            field: match rule.demand {
                CompiledDemand::Compare { left, .. } => left,
                CompiledDemand::Required(column) => column,
            },
        })
    }
}

fn compile(dataset: &Dataset, rule: &CrossRule, fields: &[String]) -> Option<Compiled> {
    let place = |name: &str| fields.iter().position(|field| field == name);
    let when = match &rule.when {
        Some((column, value)) => Some((place(column)?, value.clone())),
        None => None,
    };
    let demand = match &rule.demand {
        Demand::Compare { left, op, right } => CompiledDemand::Compare {
            left: place(left)?,
            op: *op,
            right: place(right)?,
            kind: dataset.column(left)?.kind,
        },
        Demand::Required(column) => CompiledDemand::Required(place(column)?),
    };
    Some(Compiled {
        name: rule.name.clone(),
        message: rule.message.clone(),
        when,
        demand,
    })
}

impl Compiled {
    fn is_broken(&self, fields: &Fields) -> bool {
        let applies = self
            .when
            .as_ref()
            .is_none_or(|(place, value)| fields.get(*place) == Field::Text(value));
        applies
            && match self.demand {
                CompiledDemand::Required(place) => {
                    matches!(fields.get(place), Field::Null | Field::Text(""))
                }
                CompiledDemand::Compare {
                    left,
                    op,
                    right,
                    kind,
                } => match (fields.get(left), fields.get(right)) {
                    (Field::Text(left), Field::Text(right)) => {
                        !holds(op, compare(kind, left, right))
                    }
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
