//! Whether a definition and its table agree.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Catalog, Column, ColumnType, Dataset, DefinitionError, Place, Tenancy};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::pump::connect;
use crate::error::StoreError;
use crate::pool::Store;

/// The only collation in which two tenants are never taken for one.
const EXACT_COLLATION: &str = "utf8mb4_bin";

impl Store {
    /// Compares every definition with the table that it names and tells all that does not fit;
    /// nothing when all is well. The table of a dataset with a source is looked for there, and in the
    /// house's own MySQL as well when imports may write to it.
    ///
    /// # Errors
    /// [`StoreError`] when the database, or a source, cannot be asked or is not known.
    pub async fn check_datasets(
        &self,
        catalog: &Catalog,
    ) -> Result<Vec<DefinitionError>, StoreError> {
        let mut errors = Vec::new();
        let own = |dataset: &&Dataset| dataset.source.is_none() || !dataset.import_modes.is_empty();
        let datasets = catalog.iter().filter(own).collect();
        self.check_at(None, datasets, &mut errors).await?;
        let mut elsewhere: BTreeMap<&str, Vec<&Dataset>> = BTreeMap::new();
        for dataset in catalog.iter() {
            if let Some(source) = &dataset.source {
                elsewhere.entry(&source.name).or_default().push(dataset);
            }
        }
        for (source, datasets) in elsewhere {
            self.check_at(Some(source), datasets, &mut errors).await?;
        }
        Ok(errors)
    }

    async fn check_at(
        &self,
        source: Option<&str>,
        datasets: Vec<&Dataset>,
        errors: &mut Vec<DefinitionError>,
    ) -> Result<(), StoreError> {
        let mut connection = connect(self.url_of(source)?).await?;
        for dataset in datasets {
            let table = Table::read(&mut connection, &dataset.table).await?;
            Check {
                source,
                dataset,
                table: &table,
                errors,
            }
            .run();
        }
        Ok(connection.disconnect().await?)
    }
}

/// What the database says of a table.
struct Table {
    columns: BTreeMap<String, TableColumn>,
    /// The columns of each unique index; the primary key is `PRIMARY`.
    unique: BTreeMap<String, BTreeSet<String>>,
}

struct TableColumn {
    kind: String,
    collation: Option<String>,
    /// Digits after the point of an exact number, or of a second.
    scale: Option<u64>,
}

impl Table {
    async fn read(connection: &mut Conn, name: &str) -> Result<Self, StoreError> {
        let columns: Vec<(String, String, Option<String>, Option<u64>)> = connection
            .exec(
                "SELECT COLUMN_NAME, DATA_TYPE, COLLATION_NAME, \
                 COALESCE(DATETIME_PRECISION, NUMERIC_SCALE) FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
                (name,),
            )
            .await?;
        // an index over an expression has no column name
        let parts: Vec<(String, Option<String>)> = connection
            .exec(
                "SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND NON_UNIQUE = 0",
                (name,),
            )
            .await?;
        let mut unique: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (index, column) in parts {
            unique
                .entry(index)
                .or_default()
                .insert(column.unwrap_or_default());
        }
        let columns = columns.into_iter().map(|(name, kind, collation, scale)| {
            let column = TableColumn {
                kind,
                collation,
                scale,
            };
            (name, column)
        });
        Ok(Self {
            columns: columns.collect(),
            unique,
        })
    }
}

/// The comparison of one definition.
struct Check<'a> {
    source: Option<&'a str>,
    dataset: &'a Dataset,
    table: &'a Table,
    errors: &'a mut Vec<DefinitionError>,
}

impl Check<'_> {
    fn run(&mut self) {
        let dataset = self.dataset;
        if self.table.columns.is_empty() {
            self.fault(
                &dataset.place,
                format!("there is no table `{}`", dataset.table),
            );
            return;
        }
        for column in &dataset.columns {
            self.column(column);
        }
        self.tenant();
        if let Some(deleted) = &dataset.soft_delete {
            self.exists(&deleted.column);
        }
        self.keys();
    }

    fn column(&mut self, column: &Column) {
        let Some(found) = self.table.columns.get(&column.name) else {
            self.fault(
                &column.place,
                format!("`{}` has no column `{}`", self.dataset.table, column.name),
            );
            return;
        };
        let actual = &found.kind;
        if !fits(column.kind, actual) {
            let reason = format!(
                "column `{}` is {actual} in the table, which is no {}",
                column.name, column.kind
            );
            self.fault(&column.place, reason);
        } else if let Some(held) = found.scale {
            self.scale(column, held);
        }
    }

    /// MySQL rounds what is finer than the table keeps, and says nothing: an import must not give it
    /// such values.
    fn scale(&mut self, column: &Column, held: u64) {
        let imports = self.source.is_none() && !self.dataset.import_modes.is_empty();
        if !imports || !column.importable {
            return;
        }
        let given = match column.kind {
            ColumnType::Decimal => column.scale,
            ColumnType::Datetime | ColumnType::Time => Some(column.second_scale()),
            ColumnType::String | ColumnType::Integer | ColumnType::Boolean | ColumnType::Date => {
                return;
            }
        };
        if given.is_none_or(|given| u64::from(given) > held) {
            let reason = format!(
                "column `{}` keeps {held} digits after the point in the table, so that imports \
                 need a `scale` of at most {held}",
                column.name
            );
            self.fault(&column.place, reason);
        }
    }

    fn tenant(&mut self) {
        let Tenancy::Column(name) = &self.dataset.tenancy else {
            return;
        };
        if !self.exists(name) {
            return;
        }
        let collation = self
            .table
            .columns
            .get(name)
            .and_then(|column| column.collation.as_deref());
        if collation != Some(EXACT_COLLATION) {
            let actual = collation.unwrap_or("no collation");
            let reason =
                format!("tenant column `{name}` has {actual}, it must be {EXACT_COLLATION}");
            self.fault(&self.dataset.place, reason);
        }
    }

    fn keys(&mut self) {
        let dataset = self.dataset;
        let within_tenant = |index: &BTreeSet<String>| -> BTreeSet<String> {
            let tenant = match &dataset.tenancy {
                Tenancy::Column(name) => Some(name),
                Tenancy::Shared => None,
            };
            index
                .iter()
                .filter(|column| Some(*column) != tenant)
                .cloned()
                .collect()
        };
        let primary: BTreeSet<String> = dataset.primary_key.iter().cloned().collect();
        if self.table.unique.get("PRIMARY").map(within_tenant) != Some(primary) {
            let reason = format!(
                "`primary_key` is not the primary key of `{}`",
                dataset.table
            );
            self.fault(&dataset.place, reason);
        }
        let key: BTreeSet<String> = dataset.key.iter().cloned().collect();
        if !self
            .table
            .unique
            .values()
            .any(|index| within_tenant(index).is_subset(&key))
        {
            let reason = format!("no unique index of `{}` makes `key` unique", dataset.table);
            self.fault(&dataset.place, reason);
        }
    }

    fn exists(&mut self, column: &str) -> bool {
        let exists = self.table.columns.contains_key(column);
        if !exists {
            let reason = format!("`{}` has no column `{column}`", self.dataset.table);
            self.fault(&self.dataset.place, reason);
        }
        exists
    }

    fn fault(&mut self, place: &Place, reason: String) {
        let reason = match self.source {
            Some(source) => format!("at source `{source}`: {reason}"),
            None => reason,
        };
        self.errors
            .push(DefinitionError::new(place.clone(), reason));
    }
}

/// Whether values of MySQL's type can be read as the definition's.
fn fits(kind: ColumnType, actual: &str) -> bool {
    let whole = matches!(
        actual,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year"
    );
    match kind {
        ColumnType::String => matches!(
            actual,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set"
        ),
        ColumnType::Integer => whole,
        ColumnType::Decimal => whole || matches!(actual, "decimal" | "float" | "double"),
        ColumnType::Boolean => matches!(actual, "tinyint" | "bit"),
        ColumnType::Date => actual == "date",
        ColumnType::Datetime => matches!(actual, "datetime" | "timestamp"),
        ColumnType::Time => actual == "time",
    }
}
