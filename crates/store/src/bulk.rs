//! The bulk door: rows by the hundred thousand into one table of a tenant, in one transaction.
//!
//! LOAD DATA LOCAL from memory where the server takes it, multi-row INSERT where it does not.
//! LOCAL implies IGNORE: the server stores bad values altered and skips duplicates with an OK, so
//! a load counts only when there were no warnings **and** every row sent was affected; anything
//! else is rolled back. `REPLACE` is never used. Shown by `quay/tests/it/seed.rs`: both ways leave
//! the same rows, and a load with one bad row leaves none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, stream};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Params, Value};
use tokio::sync::mpsc::Receiver;

use crate::error::StoreError;

pub(crate) mod rows;
mod terms;

pub use rows::{BulkChunk, BulkRows, field as bulk_field, lines as bulk_lines};
use terms::BulkFault;
pub use terms::{BulkLoaded, BulkTable, BulkWay, Refill};

/// Rows of one INSERT, at most.
const INSERT_ROWS: usize = 1_000;

/// Placeholders of one statement, at most (MySQL counts them in 16 bits).
const MAX_PLACEHOLDERS: usize = 65_535;

/// Warnings that an error quotes.
const QUOTED_WARNINGS: usize = 3;

/// A begun transaction. Dropped before [`BulkLoad::load`] has ended, it changes nothing.
pub struct BulkLoad {
    connection: Conn,
    table: BulkTable,
    rows_before: u64,
    table_is_empty: bool,
    way: BulkWay,
}

impl BulkLoad {
    /// Begins, and deletes the tenant's rows if they are to be replaced. With `insert_only`, LOAD
    /// DATA is not used even where the server takes it.
    ///
    /// # Errors
    /// [`StoreError`] when the server is away or refuses a statement.
    pub async fn begin(
        url: &str,
        table: BulkTable,
        refill: Refill,
        insert_only: bool,
    ) -> Result<Self, StoreError> {
        let opts = Opts::from_url(url).map_err(mysql_async::Error::from)?;
        let mut connection = Conn::new(opts).await?;
        connection
            .query_drop(
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
                 ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'",
            )
            .await?;
        let tenant = Value::from(table.tenant.as_str());
        connection
            .exec_drop("SET @quayside_tenant = ?", (tenant,))
            .await?;
        let allowed: Option<u8> = connection
            .query_first("SELECT @@GLOBAL.local_infile")
            .await?;
        let load_data = allowed == Some(1) && !insert_only;
        let way = if load_data {
            BulkWay::LoadData
        } else {
            BulkWay::Insert
        };
        connection.query_drop("START TRANSACTION").await?;
        let mut load = Self {
            connection,
            table,
            rows_before: 0,
            table_is_empty: false,
            way,
        };
        load.clear(refill).await?;
        Ok(load)
    }

    async fn clear(&mut self, refill: Refill) -> Result<(), StoreError> {
        let table = quoted(&self.table.table);
        let whose = format!("{} = @quayside_tenant", quoted(&self.table.tenant_column));
        let connection = &mut self.connection;
        match refill {
            Refill::Replace => {
                connection
                    .query_drop(format!("DELETE FROM {table} WHERE {whose}"))
                    .await?;
            }
            Refill::Append => {
                let count = format!("SELECT COUNT(*) FROM {table} WHERE {whose}");
                self.rows_before = connection.query_first(count).await?.unwrap_or(0);
            }
        }
        let any: Option<u8> = connection
            .query_first(format!("SELECT 1 FROM {table} LIMIT 1"))
            .await?;
        self.table_is_empty = any.is_none();
        Ok(())
    }

    /// Rows that the tenant has and keeps.
    #[must_use]
    pub fn rows_before(&self) -> u64 {
        self.rows_before
    }

    /// Whether no tenant has a row in the table now.
    #[must_use]
    pub fn table_is_empty(&self) -> bool {
        self.table_is_empty
    }

    /// How the rows will travel.
    #[must_use]
    pub fn way(&self) -> BulkWay {
        self.way
    }

    /// Takes the rows as they come, checks that all `expected` of them are in the table as they
    /// were sent, and commits. The tenant column is filled in here.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a row is bad or missing, with the server's first warnings;
    /// otherwise what the server says. Nothing is left behind, unless the commit's outcome is
    /// unknown.
    pub async fn load(
        mut self,
        columns: &[&str],
        rows: Receiver<BulkChunk>,
        expected: u64,
    ) -> Result<BulkLoaded, StoreError> {
        let sent = match self.way {
            BulkWay::LoadData => self.load_data(columns, rows).await?,
            BulkWay::Insert => self.insert(columns, rows).await?,
        };
        if sent != expected {
            let fault = BulkFault::NotAllSent { sent, expected };
            return Err(StoreError::Refused(Box::new(fault)));
        }
        self.connection
            .query_drop("COMMIT")
            .await
            .map_err(|error| match error.into() {
                StoreError::Unavailable(cause) => StoreError::UnknownCommit(cause),
                other => other,
            })?;
        let loaded = BulkLoaded {
            rows: sent,
            way: self.way,
        };
        if let Err(error) = self.connection.disconnect().await {
            tracing::debug!(%error, "the connection did not close in order after its commit");
        }
        Ok(loaded)
    }

    async fn load_data(
        &mut self,
        columns: &[&str],
        rows: Receiver<BulkChunk>,
    ) -> Result<u64, StoreError> {
        let statement = format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET utf8mb4 \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' \
             ({}) SET {} = @quayside_tenant",
            quoted(&self.table.table),
            list(columns),
            quoted(&self.table.tenant_column)
        );
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&sent);
        let text = stream::unfold((rows, counted), |(mut rows, counted)| async move {
            let chunk = rows.recv().await?;
            counted.fetch_add(chunk.rows, Ordering::Relaxed);
            Some((Ok(chunk.text), (rows, counted)))
        });
        self.connection
            .set_infile_handler(async move { Ok(text.boxed()) });
        self.connection.query_drop(statement).await?;
        let sent = sent.load(Ordering::Relaxed);
        self.check(sent).await?;
        Ok(sent)
    }

    async fn insert(
        &mut self,
        columns: &[&str],
        mut rows: Receiver<BulkChunk>,
    ) -> Result<u64, StoreError> {
        let row = format!("(@quayside_tenant{})", ", ?".repeat(columns.len()));
        let head = format!(
            "INSERT INTO {} ({}, {}) VALUES ",
            quoted(&self.table.table),
            quoted(&self.table.tenant_column),
            list(columns)
        );
        let most = INSERT_ROWS.min(MAX_PLACEHOLDERS / columns.len().max(1));
        let mut sent = 0;
        while let Some(chunk) = rows.recv().await {
            let lines: Vec<&[u8]> = rows::lines(&chunk.text).collect();
            for batch in lines.chunks(most) {
                let statement = format!("{head}{}", vec![row.as_str(); batch.len()].join(", "));
                let values: Vec<Value> = batch.iter().flat_map(|line| rows::fields(line)).collect();
                self.connection
                    .exec_drop(statement, Params::Positional(values))
                    .await?;
                let in_batch = batch.len() as u64;
                self.check(in_batch).await?;
                sent += in_batch;
            }
        }
        Ok(sent)
    }

    /// Whether the last statement took all it was given, as it was given.
    async fn check(&mut self, sent: u64) -> Result<(), StoreError> {
        let affected = self.connection.affected_rows();
        let warnings = self.connection.get_warnings();
        if warnings == 0 && affected == sent {
            return Ok(());
        }
        let said: Vec<(String, u32, String)> = self
            .connection
            .query(format!("SHOW WARNINGS LIMIT {QUOTED_WARNINGS}"))
            .await?;
        let quoted: Vec<String> = said.into_iter().map(|(_, _, message)| message).collect();
        let quoted = quoted.join("; ");
        let fault = BulkFault::NotAllTaken {
            sent,
            affected,
            warnings,
            quoted,
        };
        Err(StoreError::Refused(Box::new(fault)))
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn list(columns: &[&str]) -> String {
    columns
        .iter()
        .map(|column| quoted(column))
        .collect::<Vec<_>>()
        .join(", ")
}
