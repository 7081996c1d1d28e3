//! A dataset as JSON (api.md, Dataset), and the envelope of every list.

use std::collections::BTreeMap;

use domain::{Column, Dataset, Labels};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// A dataset in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatasetSummary {
    name: String,
    /// One text per locale.
    label: BTreeMap<String, String>,
    may: May,
}

/// What the caller may do with a dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct May {
    export: bool,
    import: bool,
}

/// A dataset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dataset)]
pub(crate) struct DatasetView {
    name: String,
    /// One text per locale.
    label: BTreeMap<String, String>,
    version: String,
    /// The columns by which people know a row.
    key: Vec<String>,
    /// insert, upsert, update.
    import_modes: Vec<&'static str>,
    columns: Vec<ColumnView>,
    filters: Vec<FilterView>,
    queues: Vec<String>,
    limits: LimitsView,
    may: May,
}

/// A column of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Column)]
pub(crate) struct ColumnView {
    name: String,
    /// One text per locale.
    label: BTreeMap<String, String>,
    /// string, integer, decimal, boolean, date, datetime or time.
    r#type: &'static str,
    required: bool,
    #[schema(required)]
    max_length: Option<u32>,
    #[schema(required)]
    pattern: Option<String>,
    /// Inclusive, written as a value of the column's type.
    #[schema(required)]
    min: Option<String>,
    /// Inclusive.
    #[schema(required)]
    max: Option<String>,
    #[schema(required)]
    scale: Option<u8>,
    #[schema(required)]
    allowed: Option<Vec<String>>,
    unique: bool,
    sensitive: bool,
    sortable: bool,
    importable: bool,
    exportable: bool,
}

/// A column that can be filtered by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Filter)]
pub(crate) struct FilterView {
    column: String,
    operators: Vec<&'static str>,
}

/// Bounds of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Limits)]
pub(crate) struct LimitsView {
    max_upload_bytes: u64,
    max_rows: u64,
    max_batch_size: u32,
}

impl DatasetSummary {
    pub(crate) fn new(dataset: &Dataset, caller: &Caller) -> Self {
        Self {
            name: dataset.name.clone(),
            label: labels(&dataset.label),
            may: may(dataset, caller),
        }
    }
}

impl DatasetView {
    pub(crate) fn new(dataset: &Dataset, caller: &Caller) -> Self {
        Self {
            name: dataset.name.clone(),
            label: labels(&dataset.label),
            version: dataset.version.clone(),
            key: dataset.key.clone(),
            import_modes: dataset
                .import_modes
                .iter()
                .map(|mode| mode.as_str())
                .collect(),
            columns: dataset.columns.iter().map(ColumnView::from).collect(),
            filters: dataset
                .filters
                .iter()
                .map(|filter| FilterView {
                    column: filter.column.clone(),
                    operators: filter
                        .operators
                        .iter()
                        .map(|operator| operator.as_str())
                        .collect(),
                })
                .collect(),
            queues: dataset.queues.clone(),
            limits: LimitsView {
                max_upload_bytes: dataset.limits.max_upload_bytes,
                max_rows: dataset.limits.max_rows,
                max_batch_size: dataset.limits.max_batch_size,
            },
            may: may(dataset, caller),
        }
    }
}

impl From<&Column> for ColumnView {
    fn from(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            label: labels(&column.label),
            r#type: column.kind.as_str(),
            required: column.required,
            max_length: column.max_length,
            pattern: column.pattern.clone(),
            min: column.min.clone(),
            max: column.max.clone(),
            scale: column.scale,
            allowed: column.allowed.clone(),
            unique: column.unique,
            sensitive: column.sensitive,
            sortable: column.sortable,
            importable: column.importable,
            exportable: column.exportable,
        }
    }
}

fn may(dataset: &Dataset, caller: &Caller) -> May {
    May {
        export: caller.may_export(dataset),
        import: caller.may_import(dataset),
    }
}

fn labels(labels: &Labels) -> BTreeMap<String, String> {
    labels
        .iter()
        .map(|(locale, text)| (locale.to_owned(), text.to_owned()))
        .collect()
}
