//! Where rows go: what is needed of a definition, owned.

use domain::{ColumnType, Dataset, ImportMode, LiveValue, SoftDelete, Tenancy, Tenant};
use thiserror::Error;

/// Rows of these columns cannot be written to that dataset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("dataset `{dataset}`: {reason}")]
pub struct TargetError {
    dataset: String,
    reason: String,
}

/// One column that rows bring.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: ColumnType,
}

/// Whose rows of which table, and how they get there.
#[derive(Debug, Clone)]
pub struct ApplyTarget {
    pub(super) table: String,
    pub(super) fields: Vec<Field>,
    /// Every column that the definition knows.
    columns: Vec<(String, ColumnType)>,
    /// Positions of the dataset's key among the fields; empty when rows bring only a part of it,
    /// which no mode but insert allows.
    pub(super) key: Vec<usize>,
    /// The table's primary key without the tenant column.
    pub(super) primary_key: Vec<String>,
    /// The tenant column and its value; none for a table that all tenants share.
    pub(super) tenant: Option<(String, Tenant)>,
    pub(super) soft_delete: Option<SoftDelete>,
    /// The column that counts the changes of a row.
    pub(super) version: Option<String>,
    pub(super) mode: ImportMode,
}

impl ApplyTarget {
    /// Rows with `fields`, in this order, for the table of `dataset`, on behalf of `tenant`.
    ///
    /// # Errors
    /// When the dataset has no such importable column; when a column is named twice; when
    /// a mode other than insert is asked for and the dataset's key is not among the fields.
    pub fn new(
        dataset: &Dataset,
        fields: &[String],
        tenant: &Tenant,
        mode: ImportMode,
    ) -> Result<Self, TargetError> {
        let fault = |reason: String| TargetError {
            dataset: dataset.name.clone(),
            reason,
        };
        let mut known: Vec<Field> = Vec::with_capacity(fields.len());
        for name in fields {
            let column = dataset.column(name).filter(|column| column.importable);
            let column =
                column.ok_or_else(|| fault(format!("there is no importable column `{name}`")))?;
            if known.iter().any(|other| other.name == *name) {
                return Err(fault(format!("column `{name}` is named twice")));
            }
            known.push(Field {
                name: column.name.clone(),
                kind: column.kind,
            });
        }
        let position = |name: &String| known.iter().position(|field| field.name == *name);
        let key: Option<Vec<usize>> = dataset.key.iter().map(position).collect();
        let key = match (key, mode) {
            (Some(key), _) => key,
            (None, ImportMode::Insert) => Vec::new(),
            (None, ImportMode::Upsert | ImportMode::Update) => {
                return Err(fault(format!("mode {mode} needs every column of the key")));
            }
        };
        if known.is_empty() {
            return Err(fault("rows without columns".to_owned()));
        }
        let tenant = match &dataset.tenancy {
            Tenancy::Column(column) => Some((column.clone(), tenant.clone())),
            Tenancy::Shared => None,
        };
        Ok(Self {
            table: dataset.table.clone(),
            fields: known,
            columns: dataset
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.kind))
                .collect(),
            key,
            primary_key: dataset.primary_key.clone(),
            tenant,
            soft_delete: dataset.soft_delete.clone(),
            version: dataset.version_column.clone(),
            mode,
        })
    }

    pub(super) fn name(&self, field: usize) -> &str {
        &self.fields[field].name
    }

    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == column)
    }

    pub(super) fn has_column(&self, name: &str) -> bool {
        self.kind_of(name).is_some()
    }

    pub(super) fn kind_of(&self, name: &str) -> Option<ColumnType> {
        let column = self.columns.iter().find(|(column, _)| column == name);
        column.map(|(_, kind)| *kind)
    }

    pub(super) fn tenant_column(&self) -> Option<&str> {
        self.tenant.as_ref().map(|(column, _)| column.as_str())
    }

    pub(super) fn soft_delete_column(&self) -> Option<&str> {
        self.soft_delete
            .as_ref()
            .map(|deleted| deleted.column.as_str())
    }

    /// The soft-delete column, unless rows bring it themselves.
    pub(super) fn live_column(&self) -> Option<&str> {
        self.soft_delete_column()
            .filter(|column| self.position(column).is_none())
    }

    /// What stands in the soft-delete column of a row that is there; none where that is null.
    pub(super) fn live_value(&self) -> Option<&str> {
        match &self.soft_delete.as_ref()?.live {
            LiveValue::Null => None,
            LiveValue::Value(live) => Some(live),
        }
    }

    /// The field that names the version a row was read at.
    pub(super) fn version_field(&self) -> Option<usize> {
        self.position(self.version.as_deref()?)
    }

    /// How the column takes a value that travels as text: a BIT would take the letter's bits.
    pub(super) fn taken(&self, field: usize, value: &str) -> String {
        match self.fields[field].kind {
            ColumnType::Boolean => format!("CAST({value} AS UNSIGNED)"),
            ColumnType::String
            | ColumnType::Integer
            | ColumnType::Decimal
            | ColumnType::Date
            | ColumnType::Datetime
            | ColumnType::Time => value.to_owned(),
        }
    }
}
