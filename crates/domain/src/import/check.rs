//! From a row of a sheet to values of the columns' types, or to what is wrong with it.

use chrono_tz::Tz;

use super::across::Across;
use super::fault::Fault;
use super::fields::{Field, Fields};
use super::mapping::Mapping;
use super::message::RowMessages;
use super::reader::Reader;
use super::rule::{ColumnRule, Policy};
use crate::{
    Calendar, Column, Dataset, Empty, Failure, FailureCode, ImportMode, ImportSpec, NumberForm,
    PlacedCell, RowCode, RowError, SheetCell, SheetRow,
};

/// Most faults that are told of one row.
pub(super) const MAX_ERRORS: usize = 20;

/// Columns whose values together are unique in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Places in [`RowCheck::fields`].
    pub columns: Vec<usize>,
    /// Names of the columns.
    pub names: Vec<String>,
}

impl KeySet {
    /// The dataset's key first, then every other unique column, as far as the fields have them.
    pub(super) fn of(dataset: &Dataset, fields: &[String]) -> Vec<Self> {
        let unique = dataset.columns.iter().filter(|column| column.unique);
        let single = unique.map(|column| vec![column.name.clone()]);
        let others = single.filter(|names| *names != dataset.key);
        let set = |names: Vec<String>| {
            let place = |name| fields.iter().position(|field| field == name);
            let columns = names.iter().map(place).collect::<Option<Vec<usize>>>()?;
            Some(Self { columns, names })
        };
        let all = std::iter::once(dataset.key.clone()).chain(others);
        all.filter_map(set).collect()
    }

    /// The texts of a row's key, if all of it is there.
    #[must_use]
    pub fn key<'f>(&self, fields: &'f Fields) -> Option<Vec<&'f str>> {
        let part = |at: &usize| match fields.get(*at) {
            Field::Text(text) => Some(text),
            Field::Missing | Field::Null | Field::Keep => None,
        };
        self.columns.iter().map(part).collect()
    }
}

/// The rules of a dataset's columns, compiled for one sheet.
#[derive(Debug)]
pub struct RowCheck {
    fields: Vec<String>,
    keys: Vec<KeySet>,
    columns: Vec<(u16, ColumnRule)>,
    across: Across,
    policy: Policy,
    messages: RowMessages,
}

impl RowCheck {
    /// Compiles the rules. `sheet` is told with every fault.
    ///
    /// # Errors
    /// `unknown_column` when the definition no longer has a column that the mapping names.
    pub fn new(
        dataset: &Dataset,
        mapping: &Mapping,
        spec: &ImportSpec,
        sheet: Option<&str>,
        calendar: Calendar,
    ) -> Result<Self, Failure> {
        let terms = Terms {
            mode: spec.options.mode,
            empty: spec.options.empty_means,
            zone: spec.timezone,
            calendar,
            numbers: Numbers::AsDeclared(spec.options.numbers),
        };
        let mut columns = Vec::with_capacity(mapping.columns().len());
        let mut fields = Vec::with_capacity(mapping.columns().len());
        for (at, name) in mapping.columns() {
            let rule = terms.rule(dataset, name).ok_or_else(|| {
                let detail = format!("{} no longer has `{name}`", dataset.name);
                Failure::rejected(FailureCode::UnknownColumn, detail)
            })?;
            columns.push((*at, rule));
            fields.push(name.clone());
        }
        let (locale, sees) = (&spec.locale, spec.sees_sensitive);
        Ok(Self {
            keys: KeySet::of(dataset, &fields),
            across: Across::new(dataset, &fields, spec.options.mode),
            policy: Policy {
                formulas: spec.options.formulas,
                merged: spec.options.merged,
            },
            messages: RowMessages::new(dataset, mapping.columns(), sheet, locale, sees),
            columns,
            fields,
        })
    }

    /// The table's columns, in the order of [`Fields`].
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// What must be unique: the dataset's key first, then each `unique` column that the sheet has.
    /// A set of which a value is not [`Field::Text`] is no duplicate of anything.
    #[must_use]
    pub fn key_sets(&self) -> &[KeySet] {
        &self.keys
    }

    /// Checks one row. `fields` is cleared first and then filled as far as the values are good,
    /// even when others are bad.
    ///
    /// # Errors
    /// Every fault of the row: by column, then the rules between columns. At most 20, of which the last
    /// says how many more there are.
    pub fn check(&self, row: SheetRow<'_>, fields: &mut Fields) -> Result<(), Vec<RowError>> {
        let mut finding = Finding::new(&self.messages, &self.fields, row.number);
        fields.clear();
        let mut cells = row.cells();
        let mut next = cells.next();
        for (at, (column, rule)) in self.columns.iter().enumerate() {
            while next.is_some_and(|placed| placed.column < *column) {
                next = cells.next();
            }
            let placed = match next {
                Some(placed) if placed.column == *column => placed,
                _ => PlacedCell {
                    column: *column,
                    formula: false,
                    cell: SheetCell::Blank,
                },
            };
            if let Err(fault) = rule.take(placed, self.policy, fields) {
                fields.push(Field::Missing);
                finding.cell(at, fault, shown(placed.cell));
            }
        }
        finding.rules(&self.across, fields);
        finding.end()
    }

    /// The fault of a row whose key stands in other rows, too. `set` is a place in
    /// [`RowCheck::key_sets`]; of `related` the first 10 are named.
    ///
    /// # Panics
    /// When there is no such set.
    #[must_use]
    pub fn duplicate(&self, row: u32, set: usize, related: &[u32]) -> RowError {
        self.messages.duplicate(row, &self.keys[set], related)
    }
}

/// What a cell said, for its fault.
fn shown(cell: SheetCell<'_>) -> Option<&str> {
    match cell {
        SheetCell::Text(text)
        | SheetCell::Number(text, _)
        | SheetCell::IsoDate(text)
        | SheetCell::Error(text) => Some(text),
        SheetCell::Bool(true) => Some("TRUE"),
        SheetCell::Bool(false) => Some("FALSE"),
        SheetCell::Blank | SheetCell::FormulaWithoutValue | SheetCell::Merged { .. } => None,
    }
}

/// What an import says of all its columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) mode: ImportMode,
    pub(super) empty: Empty,
    pub(super) zone: Tz,
    pub(super) calendar: Calendar,
    pub(super) numbers: Numbers,
}

/// How texts may write numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numbers {
    /// In this form; without one in that of their column, if it has one.
    AsDeclared(Option<NumberForm>),
    /// Without grouped digits: programs wrote them.
    Plain,
}

impl Numbers {
    fn of(self, column: &Column) -> Option<NumberForm> {
        match self {
            Self::AsDeclared(form) => form.or(column.numbers),
            Self::Plain => None,
        }
    }
}

impl Terms {
    /// The rule of an importable column; none if the definition has no such column.
    pub(super) fn rule(&self, dataset: &Dataset, name: &str) -> Option<ColumnRule> {
        let column = dataset.column(name).filter(|column| column.importable)?;
        let reader = Reader::of(column, self.numbers.of(column), self.zone, self.calendar);
        let is_key = dataset.key.contains(&column.name);
        Some(ColumnRule::new(
            column,
            reader,
            is_key,
            (self.mode, self.empty),
        ))
    }
}

/// The faults of one row, as they are found.
pub(super) struct Finding<'a> {
    messages: &'a RowMessages,
    fields: &'a [String],
    row: u32,
    errors: Vec<RowError>,
    /// Faults that are not told.
    more: usize,
}

impl<'a> Finding<'a> {
    pub(super) fn new(messages: &'a RowMessages, fields: &'a [String], row: u32) -> Self {
        Self {
            messages,
            fields,
            row,
            errors: Vec::new(),
            more: 0,
        }
    }

    pub(super) fn cell(&mut self, field: usize, fault: Fault, value: Option<&str>) {
        let field = self.fields.get(field).map(String::as_str);
        if let Some(error) = self.error(field, fault, value) {
            self.errors.push(error);
        }
    }

    pub(super) fn rules(&mut self, across: &Across, values: &Fields) {
        for broken in across.broken(values) {
            let fault = Fault::with(RowCode::BusinessRule, "rule", broken.name);
            if let Some(error) = self.error(Some(broken.column), fault, broken.value) {
                self.errors
                    .push(self.messages.of_rule(error, broken.message));
            }
        }
    }

    /// A fault of a column; none when no more are told.
    fn error(
        &mut self,
        field: Option<&str>,
        fault: Fault,
        value: Option<&str>,
    ) -> Option<RowError> {
        if self.errors.len() >= MAX_ERRORS {
            self.more += 1;
            return None;
        }
        let Fault { code, params } = fault;
        Some(self.messages.error(self.row, code, field, value, params))
    }

    pub(super) fn end(mut self) -> Result<(), Vec<RowError>> {
        if self.more > 0
            && let Some(last) = self.errors.last_mut()
        {
            self.messages.and_more(last, self.more);
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }
}
