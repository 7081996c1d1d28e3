//! What a definition says, after it was found to be whole.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::Labels;
use super::cross::CrossRule;
use crate::closed_set::closed_set;

/// Where in which file something is defined, for messages to whoever wrote the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

/// One typed table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    pub name: String,
    pub label: Labels,
    pub version: String,
    pub table: String,
    /// The table's primary key without the tenant column. It ends every sort, so that rows with
    /// equal values have one order.
    pub primary_key: Vec<String>,
    /// The columns by which people know a row; unique within a tenant.
    pub key: Vec<String>,
    pub tenancy: Tenancy,
    pub soft_delete: Option<SoftDelete>,
    /// Where exports read, such as a replica. Imports never go there.
    pub source: Option<Source>,
    /// The order when a request names none; may be empty.
    pub sort: Vec<SortKey>,
    /// Never empty; the first is the default.
    pub queues: Vec<String>,
    pub export_roles: Vec<String>,
    pub import_roles: Vec<String>,
    /// Who may see sensitive columns.
    pub sensitive_roles: Vec<String>,
    pub import_modes: Vec<ImportMode>,
    pub columns: Vec<Column>,
    pub filters: Vec<Filter>,
    pub limits: Limits,
    /// A whole number that rises with every change of a row. An import that gives it changes a row
    /// only if it still stands there. Without it the last one wins.
    pub version_column: Option<String>,
    /// What must hold between the columns of an imported row.
    pub rules: Vec<CrossRule>,
    pub place: Place,
}

impl Dataset {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What may be asked of that column, if the dataset offers it as a filter.
    pub fn filter(&self, column: &str) -> Option<&Filter> {
        self.filters.iter().find(|filter| filter.column == column)
    }

    /// The queue that a request without one goes to.
    pub fn default_queue(&self) -> &str {
        self.queues.first().map_or("default", String::as_str)
    }

    /// True when one of `roles` is named by the definition. Who stands above the definitions is
    /// the gateway's to know.
    pub fn may_export(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.export_roles.contains(role))
    }

    /// As [`Dataset::may_export`], for imports.
    pub fn may_import(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.import_roles.contains(role))
    }

    /// As [`Dataset::may_export`], for seeing sensitive columns.
    pub fn may_see_sensitive(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.sensitive_roles.contains(role))
    }
}

/// Another MySQL, read instead of the one that holds the tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in the settings (`[sources.NAME]`).
    pub name: String,
    /// Where the definition names it.
    pub place: Place,
}

/// Whose rows these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenancy {
    /// Every read and write binds this column to the caller's tenant.
    Column(String),
    /// All tenants see the same rows.
    Shared,
}

/// How the table marks a row as deleted; such rows are in no export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftDelete {
    pub column: String,
    pub live: LiveValue,
}

/// What the soft-delete column holds in a row that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveValue {
    Null,
    Value(String),
}

/// One column of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    pub column: String,
    pub descending: bool,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Column {
    pub name: String,
    pub label: Labels,
    pub kind: ColumnType,
    pub required: bool,
    /// In characters.
    pub max_length: Option<u32>,
    pub pattern: Option<String>,
    /// Whether an import takes white space and characters of no width off the ends.
    pub trim: bool,
    /// How texts that an import meets group digits; without it grouped digits are ambiguous.
    pub numbers: Option<NumberForm>,
    /// Lower bound, inclusive, written as a value of the column's type.
    pub min: Option<String>,
    /// Upper bound, inclusive.
    pub max: Option<String>,
    /// Digits after the point: of a decimal, or of the seconds of a datetime or time, where an import
    /// cuts what is finer. Without it a decimal keeps all that it has, and a second
    /// [`MAX_SECOND_SCALE`].
    pub scale: Option<u8>,
    pub allowed: Option<Vec<String>>,
    pub unique: bool,
    /// Only for roles that may see such ([`Dataset::may_see_sensitive`]).
    pub sensitive: bool,
    pub sortable: bool,
    pub importable: bool,
    pub exportable: bool,
    /// Width of the column in a sheet, in characters.
    pub width: Option<f64>,
    /// Number format of the cells in a sheet, as Excel writes it.
    pub format: Option<String>,
    /// The zone of the wall-clock times that a datetime column holds.
    pub stored_in: Tz,
    pub place: Place,
}

/// Most digits of a second after the point that MySQL keeps.
pub const MAX_SECOND_SCALE: u8 = 6;

impl Column {
    /// Digits after the point that an import keeps of a second in this column.
    #[must_use]
    pub fn second_scale(&self) -> u8 {
        self.scale.unwrap_or(MAX_SECOND_SCALE)
    }
}

closed_set! {
    /// The type of a column's values.
    ColumnType {
        String = "string",
        Integer = "integer",
        Decimal = "decimal",
        Boolean = "boolean",
        Date = "date",
        Datetime = "datetime",
        Time = "time",
    }
}

/// A column offered as a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    pub column: String,
    pub operators: Vec<Operator>,
}

closed_set! {
    /// What a filter may ask of a column.
    Operator {
        Eq = "eq",
        Ne = "ne",
        Gt = "gt",
        Gte = "gte",
        Lt = "lt",
        Lte = "lte",
        In = "in",
        LikePrefix = "like_prefix",
        IsNull = "is_null",
    }
}

impl Operator {
    /// True when the operator makes sense for values of that type.
    pub fn fits(self, kind: ColumnType) -> bool {
        match self {
            Self::Eq | Self::Ne | Self::In | Self::IsNull => true,
            Self::LikePrefix => kind == ColumnType::String,
            Self::Gt | Self::Gte | Self::Lt | Self::Lte => kind != ColumnType::Boolean,
        }
    }
}

closed_set! {
    /// How a text groups digits and marks the point. Where a column declares one, percent signs,
    /// currency signs and brackets for negative numbers are understood, too.
    NumberForm {
        CommaPoint = "1,234.5",
        PointComma = "1.234,5",
        SpaceComma = "1 234,5",
        QuotePoint = "1'234.5",
    }
}

closed_set! {
    /// How an import may treat rows that exist already.
    ImportMode {
        Insert = "insert",
        Upsert = "upsert",
        Update = "update",
    }
}

/// Bounds of one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub max_upload_bytes: u64,
    pub max_rows: u64,
    pub max_batch_size: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_upload_bytes: 100 << 20,
            max_rows: 1_048_575,
            max_batch_size: 5_000,
        }
    }
}
