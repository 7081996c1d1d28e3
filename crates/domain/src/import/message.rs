//! What is told of a row that cannot be taken: place, sentence in the task's language, value.

use serde_json::{Map, Value, json};

use super::check::KeySet;
use super::sentence::{and_more, sentence};
use crate::{Column, ColumnType, Dataset, RowCode, RowError, column_letters};

/// Most characters of a value that are told.
const MAX_VALUE: usize = 100;
/// Most allowed values that are told.
const MAX_ALLOWED: usize = 20;
/// Most other rows that a duplicate names.
const MAX_RELATED: usize = 10;
/// Told in place of what stood in a sensitive column.
const MASK: &str = "***";

/// Makes the faults of an import's rows. Where a column's own rules say what was expected, they are
/// told as the fault's params.
#[derive(Debug, Clone)]
pub struct RowMessages {
    sheet: Option<String>,
    locale: String,
    sees_sensitive: bool,
    places: Vec<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    field: String,
    label: String,
    letters: Option<String>,
    sensitive: bool,
    kind: ColumnType,
    rules: Map<String, Value>,
}

impl RowMessages {
    /// For a dataset whose columns lie so in the sheet: (column counted from 0, column's name).
    /// Without a sheet, as for rows of a request, places are not told.
    #[must_use]
    pub fn new(
        dataset: &Dataset,
        columns: &[(u16, String)],
        sheet: Option<&str>,
        locale: &str,
        sees_sensitive: bool,
    ) -> Self {
        let place = |column: &Column| Place {
            field: column.name.clone(),
            label: column.label.get(locale).to_owned(),
            letters: columns
                .iter()
                .find(|(_, name)| *name == column.name)
                .map(|(at, _)| column_letters(*at)),
            sensitive: column.sensitive,
            kind: column.kind,
            rules: rules(column),
        };
        Self {
            sheet: sheet.map(str::to_owned),
            locale: locale.to_owned(),
            sees_sensitive,
            places: dataset.columns.iter().map(place).collect(),
        }
    }

    /// One fault. `field` is a column of the dataset, none for the whole row; `value` is what stood
    /// there, in full; `params` are what the column's rules do not say.
    #[must_use]
    pub fn error(
        &self,
        row: u32,
        code: RowCode,
        field: Option<&str>,
        value: Option<&str>,
        mut params: Map<String, Value>,
    ) -> RowError {
        let place = field.and_then(|name| self.places.iter().find(|place| place.field == name));
        for (name, rule) in place.into_iter().flat_map(|place| place.of(code)) {
            params.entry(name).or_insert(rule);
        }
        let masked = place.is_some_and(|place| place.sensitive) && !self.sees_sensitive;
        let told = |value: &str| {
            if masked {
                MASK.to_owned()
            } else {
                shortened(value)
            }
        };
        let label = place.map(|place| place.label.as_str());
        RowError {
            row,
            sheet: self.sheet.clone(),
            column: place.and_then(|place| place.letters.clone()),
            field: field.map(str::to_owned),
            code,
            value: value.filter(|value| !value.is_empty()).map(told),
            message: sentence(&self.locale, code, label, &params),
            params,
            related_rows: Vec::new(),
        }
    }

    /// The fault of a row whose key for `set` stands in other rows, too; of `related` the first 10 are
    /// named.
    #[must_use]
    pub fn duplicate(&self, row: u32, set: &KeySet, related: &[u32]) -> RowError {
        let related = &related[..related.len().min(MAX_RELATED)];
        let mut params = Map::new();
        params.insert("rows".to_owned(), json!(related));
        if set.names.len() > 1 {
            params.insert("columns".to_owned(), json!(set.names));
        }
        let field = set.names.first().map(String::as_str);
        RowError {
            related_rows: related.to_vec(),
            ..self.error(row, RowCode::DuplicateInFile, field, None, params)
        }
    }

    /// Adds that the row has so many further faults.
    pub(super) fn and_more(&self, error: &mut RowError, more: usize) {
        error.message.push_str(&and_more(&self.locale, more));
    }

    /// A fault of a whole row that has its own sentence.
    pub(super) fn of_rule(&self, mut error: RowError, message: &crate::Labels) -> RowError {
        message.get(&self.locale).clone_into(&mut error.message);
        error
    }
}

impl Place {
    /// The rules that a code is about.
    fn of(&self, code: RowCode) -> Vec<(String, Value)> {
        let names: &[&str] = match code {
            RowCode::TypeMismatch | RowCode::DateInvalid => {
                return vec![("expected".to_owned(), json!(self.kind.as_str()))];
            }
            RowCode::PatternMismatch => &["pattern"],
            RowCode::NotInList => &["allowed"],
            RowCode::TooLong => &["max"],
            // who finds a value beyond a bound says which; most that the table cannot hold break none
            RowCode::OutOfRange
            | RowCode::Required
            | RowCode::NumberAmbiguous
            | RowCode::PrecisionLost
            | RowCode::FormulaWithoutValue
            | RowCode::FormulaNotAllowed
            | RowCode::ErrorCell
            | RowCode::MergedCell
            | RowCode::DuplicateInFile
            | RowCode::DuplicateInDb
            | RowCode::NotFound
            | RowCode::IntegrityViolation
            | RowCode::ConflictChanged
            | RowCode::BusinessRule => &[],
        };
        let known = |name: &&str| Some(((*name).to_owned(), self.rules.get(*name)?.clone()));
        names.iter().filter_map(known).collect()
    }
}

/// What a column's rules say; the `max` of a text is its length.
fn rules(column: &Column) -> Map<String, Value> {
    let mut rules = Map::new();
    let mut say = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            rules.insert(name.to_owned(), value);
        }
    };
    say("pattern", column.pattern.clone().map(Value::from));
    say("max", column.max_length.map(Value::from));
    let allowed = column.allowed.as_ref();
    say(
        "allowed",
        allowed.map(|all| all.iter().take(MAX_ALLOWED).cloned().collect()),
    );
    rules
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
