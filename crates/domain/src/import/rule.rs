//! The rules of one column, compiled.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::fields::{Field, Fields};
use super::padding::{is_blank, trimmed};
use super::reader::{Reader, canonical, compare};
use crate::dataset::compile_pattern;
use crate::{
    Column, ColumnType, Empty, Formulas, ImportMode, Merged, PlacedCell, RowCode, SheetCell,
};

/// What becomes of a blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    Refused,
    Null,
    Keep,
}

/// What cells of one column may hold, and what they are taken for.
#[derive(Debug)]
pub(super) struct ColumnRule {
    pub(super) reader: Reader,
    pub(super) blank: Blank,
    kind: ColumnType,
    required: bool,
    trim: bool,
    max_length: Option<usize>,
    pattern: Option<Regex>,
    bounds: Option<Bounds>,
    allowed: Option<Vec<String>>,
}

/// The least and the greatest value, as MySQL takes them.
#[derive(Debug)]
struct Bounds {
    min: Option<String>,
    max: Option<String>,
    /// Both as integers, if they are: values of 64 bits are compared so.
    small: Option<(i64, i64)>,
    /// As the definition says them, for whoever is told of a value beyond.
    told: Map<String, Value>,
}

impl Bounds {
    fn of(column: &Column) -> Option<Self> {
        let value = |text: &String| canonical(column, text);
        let (min, max) = (
            column.min.as_ref().and_then(value),
            column.max.as_ref().and_then(value),
        );
        let number =
            |bound: &Option<String>, none| bound.as_ref().map_or(Some(none), |it| it.parse().ok());
        let small = number(&min, i64::MIN).zip(number(&max, i64::MAX));
        let bounded = min.is_some() || max.is_some();
        let said = [("min", &column.min), ("max", &column.max)].into_iter();
        let told = said.filter_map(|(name, bound)| Some((name.to_owned(), bound.clone()?.into())));
        bounded.then(|| Self {
            small,
            min,
            max,
            told: told.collect(),
        })
    }

    fn hold(&self, kind: ColumnType, value: &str) -> bool {
        if kind == ColumnType::Integer
            && let Some((min, max)) = self.small
            && let Ok(value) = value.parse::<i64>()
        {
            return (min..=max).contains(&value);
        }
        let beyond = |bound: &Option<String>, side| {
            let bound = bound.as_deref();
            bound.is_some_and(|bound| compare(kind, value, bound) == side)
        };
        !beyond(&self.min, Ordering::Less) && !beyond(&self.max, Ordering::Greater)
    }
}

/// What an import says of all its cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) formulas: Formulas,
    pub(super) merged: Merged,
}

impl ColumnRule {
    /// Compiles a column. A key column is always required. A blank that keeps what an existing row
    /// has is refused where there can be none: a new row's required column has a value.
    pub(super) fn new(
        column: &Column,
        reader: Reader,
        is_key: bool,
        (mode, empty): (ImportMode, Empty),
    ) -> Self {
        let value = |text: &String| canonical(column, text).unwrap_or_else(|| text.clone());
        let may_keep = empty == Empty::Keep && mode != ImportMode::Insert;
        Self {
            reader,
            blank: match empty {
                _ if is_key || column.required && !may_keep => Blank::Refused,
                Empty::Null => Blank::Null,
                Empty::Keep => Blank::Keep,
            },
            kind: column.kind,
            required: is_key || column.required,
            trim: column.trim,
            max_length: column.max_length.map(|most| most as usize),
            // the definition was refused if it does not compile
            pattern: column
                .pattern
                .as_deref()
                .and_then(|it| compile_pattern(it).ok()),
            bounds: Bounds::of(column),
            allowed: column
                .allowed
                .as_ref()
                .map(|all| all.iter().map(value).collect()),
        }
    }

    /// Takes a cell: adds one value to `fields` if it is good, and none if it is not.
    #[inline]
    pub(super) fn take(
        &self,
        placed: PlacedCell<'_>,
        policy: Policy,
        fields: &mut Fields,
    ) -> Result<(), Fault> {
        if placed.formula && policy.formulas == Formulas::Error {
            return Err(RowCode::FormulaNotAllowed.into());
        }
        match placed.cell {
            SheetCell::Blank => return self.nothing(fields),
            SheetCell::Merged { .. } if policy.merged == Merged::FirstOnly => {
                return self.nothing(fields);
            }
            SheetCell::Text(text) if self.kind == ColumnType::String => {
                self.text(if self.trim { trimmed(text) } else { text }, fields)?;
            }
            SheetCell::Text(text) if is_blank(text) => return self.nothing(fields),
            cell => {
                self.reader.read(cell, fields)?;
                self.bounded(fields.begun())?;
            }
        }
        fields.end();
        Ok(())
    }

    fn nothing(&self, fields: &mut Fields) -> Result<(), Fault> {
        match self.blank {
            Blank::Refused => return Err(RowCode::Required.into()),
            Blank::Null => fields.push(Field::Null),
            Blank::Keep => fields.push(Field::Keep),
        }
        Ok(())
    }

    /// A text of a text column: the way that most cells go.
    fn text(&self, text: &str, fields: &mut Fields) -> Result<(), Fault> {
        if self.required && is_blank(text) {
            return Err(RowCode::Required.into());
        }
        self.bounded(text)?;
        fields.write(text);
        Ok(())
    }

    fn bounded(&self, value: &str) -> Result<(), Fault> {
        if let Some(most) = self.max_length
            && value.len() > most
            && value.chars().count() > most
        {
            return Err(RowCode::TooLong.into());
        }
        if let Some(pattern) = &self.pattern
            && !pattern.is_match(value)
        {
            return Err(RowCode::PatternMismatch.into());
        }
        if let Some(bounds) = &self.bounds
            && !bounds.hold(self.kind, value)
        {
            return Err(Fault {
                code: RowCode::OutOfRange,
                params: bounds.told.clone(),
            });
        }
        match &self.allowed {
            Some(allowed) if !allowed.iter().any(|it| it == value) => {
                Err(RowCode::NotInList.into())
            }
            _ => Ok(()),
        }
    }
}
