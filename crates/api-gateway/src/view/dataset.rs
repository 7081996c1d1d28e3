//! A dataset as JSON (api.md, Dataset), and the envelope of every list. Each caller is told what
//! they may do: a sensitive column shows to everybody, since a person who fills in an import must
//! know of it, but as one that can be exported, sorted and filtered by only to those who may see it.

use std::collections::BTreeMap;

use domain::{Access, Column, CrossRule, Dataset, Demand, Labels};
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
    /// What must hold between the columns of an imported row.
    rules: Vec<RuleView>,
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
    /// Digits after the point: of a decimal, or of a second, where what is finer is cut by imports;
    /// null for 6 of a second.
    #[schema(required)]
    scale: Option<u8>,
    #[schema(required)]
    allowed: Option<Vec<String>>,
    unique: bool,
    /// Its values are for some roles only.
    sensitive: bool,
    /// Whether the caller may sort by it.
    sortable: bool,
    importable: bool,
    /// Whether the caller may export it.
    exportable: bool,
}

/// A column that can be filtered by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Filter)]
pub(crate) struct FilterView {
    column: String,
    operators: Vec<&'static str>,
}

/// A rule that an imported row must keep, told as `business_rule` with `params.rule`: `left op
/// right` where both have a value, or `required` has one. In mode insert a column that a row is not
/// given counts as null, whatever default the table has for it; in upsert and update a rule counts only
/// as far as the columns that it looks at are given.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
pub(crate) struct RuleView {
    name: String,
    /// Only for rows in which that column has that value.
    #[schema(required)]
    when: Option<WhenView>,
    #[schema(required)]
    left: Option<String>,
    /// eq, ne, gt, gte, lt or lte.
    #[schema(required)]
    op: Option<&'static str>,
    #[schema(required)]
    right: Option<String>,
    /// A column.
    #[schema(required)]
    required: Option<String>,
    /// What a person is told, per locale.
    message: BTreeMap<String, String>,
}

/// The rows that a rule is for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleWhen)]
pub(crate) struct WhenView {
    column: String,
    /// Written as a value of the column's type.
    is: String,
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
        let access = caller.access(dataset);
        let columns = dataset.columns.iter();
        let seen = |name: &str| {
            let column = dataset.column(name);
            column.is_some_and(|column| access.sees(column))
        };
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
            columns: columns.map(|it| ColumnView::new(it, access)).collect(),
            filters: dataset
                .filters
                .iter()
                .filter(|filter| seen(&filter.column))
                .map(|filter| FilterView {
                    column: filter.column.clone(),
                    operators: filter
                        .operators
                        .iter()
                        .map(|operator| operator.as_str())
                        .collect(),
                })
                .collect(),
            rules: dataset.rules.iter().map(RuleView::from).collect(),
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

impl ColumnView {
    fn new(column: &Column, access: Access) -> Self {
        let seen = access.sees(column);
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
            sortable: column.sortable && seen,
            importable: column.importable,
            exportable: column.exportable && seen,
        }
    }
}

impl From<&CrossRule> for RuleView {
    fn from(rule: &CrossRule) -> Self {
        let when = rule.when.as_ref();
        let told = Self {
            name: rule.name.clone(),
            when: when.map(|(column, is)| WhenView {
                column: column.clone(),
                is: is.clone(),
            }),
            left: None,
            op: None,
            right: None,
            required: None,
            message: labels(&rule.message),
        };
        match &rule.demand {
            Demand::Compare { left, op, right } => Self {
                left: Some(left.clone()),
                op: Some(op.as_str()),
                right: Some(right.clone()),
                ..told
            },
            Demand::Required(column) => Self {
                required: Some(column.clone()),
                ..told
            },
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
