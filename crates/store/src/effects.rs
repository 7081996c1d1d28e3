//! What a handler may write with its finish: visible when the fenced finish commits, never before,
//! never without it.

use std::sync::Arc;
use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, FileRole, Lane, Progress, TaskId, Tenant, Warning};
use futures::future::BoxFuture;

use crate::announce::Announced;
use crate::error::StoreError;
use crate::fragment::after;
use crate::heartbeat::write_progress;
use crate::pool::Connection;

/// Writes that must commit with the finish, and not without it.
#[derive(Clone)]
pub struct Effects(Option<Arc<Writes>>);

pub(crate) type Writes =
    dyn for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<(), StoreError>> + Send + Sync;

impl Effects {
    /// None: the finish alone.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) async fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        match &self.0 {
            Some(writes) => writes(tx).await,
            None => Ok(()),
        }
    }

    /// The given writes. They may run more than once, each time in a fresh transaction.
    pub fn new<F>(writes: F) -> Self
    where
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<(), StoreError>>
            + Send
            + Sync
            + 'static,
    {
        Self(Some(Arc::new(writes)))
    }
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Effects")
    }
}

/// The finishing transaction, as far as effects may use it.
pub struct Tx<'c> {
    pub(crate) connection: &'c mut Connection,
    pub(crate) tenant: Tenant,
    pub(crate) task_id: Option<TaskId>,
    pub(crate) biz_id: BizId,
    /// The span that asked for the row: rows that it bears inherit it.
    pub(crate) trace_context: Option<String>,
    /// When the scan looks at rows that are born here, if no ring brings them.
    pub(crate) scan_interval: Option<Duration>,
    /// Rows that are born here and due now: rung after the commit.
    pub(crate) born: Vec<(Lane, Announced)>,
}

/// A file that becomes visible by the fenced finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArtifact {
    /// What it is to the task.
    pub role: FileRole,
    /// Where it lies in object storage; contains the epoch.
    pub object_key: String,
    /// The name that a person sees.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Data rows.
    pub rows: u64,
    /// How long it is kept.
    pub keep: Duration,
}

impl Tx<'_> {
    /// Makes a file of the row's task visible.
    ///
    /// # Errors
    /// [`StoreError`] from the database; [`StoreError::Corrupt`] when the row has no task.
    pub async fn publish(&mut self, file: &NewArtifact) -> Result<(), StoreError> {
        let task = self.task()?;
        sql_query(format!(
            "INSERT INTO task_file (tenant, task_id, role, state, object_key, name, size, sha256, \
             row_count, expires_at, remove_at) \
             VALUES (?, ?, ?, 'AVAILABLE', ?, ?, ?, ?, ?, {}, expires_at)",
            after(file.keep)
        ))
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Unsigned<BigInt>, _>(task.0)
        .bind::<Text, _>(file.role.as_str())
        .bind::<Text, _>(&file.object_key)
        .bind::<Text, _>(&file.name)
        .bind::<Unsigned<BigInt>, _>(file.size)
        .bind::<Text, _>(&file.sha256)
        .bind::<Unsigned<BigInt>, _>(file.rows)
        .execute(self.connection)
        .await?;
        Ok(())
    }

    /// Calls the task as its file is called, which is known for sure only at the end.
    ///
    /// # Errors
    /// [`StoreError`] from the database; [`StoreError::Corrupt`] when the row has no task.
    pub async fn rename(&mut self, name: &str) -> Result<(), StoreError> {
        let task = self.task()?;
        sql_query("UPDATE task SET name = ? WHERE id = ?")
            .bind::<Text, _>(name)
            .bind::<Unsigned<BigInt>, _>(task.0)
            .execute(self.connection)
            .await?;
        Ok(())
    }

    /// Writes the task's last counts and warnings.
    ///
    /// # Errors
    /// [`StoreError`] from the database; [`StoreError::Corrupt`] when the row has no task.
    pub async fn count(
        &mut self,
        progress: &Progress,
        warnings: &[Warning],
    ) -> Result<(), StoreError> {
        let task = self.task()?;
        write_progress(self.connection, task, progress).await?;
        let warnings = serde_json::to_string(warnings)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        sql_query("UPDATE task SET warnings = ? WHERE id = ?")
            .bind::<Text, _>(warnings)
            .bind::<Unsigned<BigInt>, _>(task.0)
            .execute(self.connection)
            .await?;
        Ok(())
    }

    fn task(&self) -> Result<TaskId, StoreError> {
        self.task_id
            .ok_or_else(|| StoreError::Corrupt("the row belongs to no task".to_owned()))
    }
}
