//! An export that can be run.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::fault::{FaultCode, FieldFault, body};
use super::file_name::dated;
use super::filter::{Condition, Predicate};
use super::options::ExportOptions;
use crate::closed_set::closed_set;
use crate::{Column, Dataset, SortKey};

closed_set! {
    /// The kinds of file that can be written.
    ExportFormat {
        Xlsx = "xlsx",
        Csv = "csv",
    }
}

impl ExportFormat {
    /// The ending of a file's name, without its point.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        self.as_str()
    }
}

/// A checked export; stored as the row's context, so fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportSpec {
    pub dataset: String,
    /// The definition's version when the request was checked.
    pub dataset_version: String,
    /// In the order of the sheet; never empty.
    pub columns: Vec<String>,
    pub conditions: Vec<Condition>,
    /// A total order: it ends with the primary key.
    pub sort: Vec<SortKey>,
    pub format: ExportFormat,
    pub locale: String,
    pub timezone: Tz,
    pub queue: String,
    pub options: ExportOptions,
    /// The name under which the user gets the file, with its extension, when it is one file.
    pub file_name: String,
}

/// A spec read against its definition: every name is the definition's own.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedExport<'a> {
    /// What to write, in order.
    pub columns: Vec<&'a Column>,
    pub conditions: Vec<(&'a Column, &'a Predicate)>,
    /// Column and whether it descends.
    pub sort: Vec<(&'a str, bool)>,
}

impl ExportSpec {
    /// Reads the spec against the definition as it is now.
    ///
    /// # Errors
    /// `unknown_column` when the definition has lost something since the request was checked.
    pub fn resolve<'a>(&'a self, dataset: &'a Dataset) -> Result<ResolvedExport<'a>, FieldFault> {
        let lost = |field: &str, name: &str| {
            let message = format!("{} no longer offers `{name}` for {field}", dataset.name);
            FieldFault::new(&body(field), FaultCode::UnknownColumn, message)
        };
        let column = |name: &'a String| {
            let found = dataset.column(name).filter(|column| column.exportable);
            found.ok_or_else(|| lost("columns", name))
        };
        let condition = |it: &'a Condition| {
            let found = dataset
                .filter(&it.column)
                .and_then(|_| dataset.column(&it.column));
            found
                .map(|column| (column, &it.predicate))
                .ok_or_else(|| lost("filters", &it.column))
        };
        let sort = |key: &SortKey| {
            let sortable = dataset.columns.iter().filter(|column| column.sortable);
            let mut known = sortable
                .map(|column| &column.name)
                .chain(&dataset.primary_key);
            let found = known.find(|name| **name == key.column);
            found
                .map(|name| (name.as_str(), key.descending))
                .ok_or_else(|| lost("sort", &key.column))
        };
        Ok(ResolvedExport {
            columns: self.columns.iter().map(column).collect::<Result<_, _>>()?,
            conditions: self
                .conditions
                .iter()
                .map(condition)
                .collect::<Result<_, _>>()?,
            sort: self.sort.iter().map(sort).collect::<Result<_, _>>()?,
        })
    }

    /// The same work gives the same text, whenever it is asked for: the JSON of everything but the
    /// file's name, which may carry the time. For telling identical requests.
    pub fn identity(&self) -> String {
        let nameless = Self {
            file_name: String::new(),
            ..self.clone()
        };
        serde_json::to_string(&nameless).unwrap_or_default()
    }

    /// The name of the archive, when it takes more than one file.
    #[must_use]
    pub fn zip_name(&self) -> String {
        format!("{}.zip", self.stem())
    }

    /// The name of a part within the archive, counted from 1: `员工信息_20260101_080000_001.xlsx`.
    /// Three digits at least, so that a thousand parts stand in their order in any listing.
    #[must_use]
    pub fn part_name(&self, number: u64) -> String {
        let (stem, extension) = (self.stem(), self.format.extension());
        format!("{stem}_{number:03}.{extension}")
    }

    /// The file's name without its extension.
    fn stem(&self) -> &str {
        let ending = self.file_name.strip_suffix(self.format.extension());
        let stem = ending.and_then(|name| name.strip_suffix('.'));
        stem.unwrap_or(&self.file_name)
    }

    pub(super) fn name_file(
        dataset: &Dataset,
        (format, options): (ExportFormat, &ExportOptions),
        (locale, zone): (&str, Tz),
        at: DateTime<Utc>,
    ) -> String {
        let stem = options
            .file_name
            .clone()
            .unwrap_or_else(|| dated(dataset.label.get(locale), at, zone));
        format!("{stem}.{}", format.extension())
    }
}
