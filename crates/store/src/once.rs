//! One request, however often it comes: what makes a submit the same as an earlier one is a unique
//! key in its transaction, so of many that arrive at once, one is accepted. Shown by
//! `tests/it/submit.rs`.

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Task, TaskId, Tenant, UserId};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::new_task::{NewExport, NewImport, NewTask};
use crate::pool::Connection;
use crate::quota::{OpenTaskLimits, Quota};
use crate::row::Id;
use crate::submit::Accepted;
use crate::task::load;

/// Which earlier request makes this one a repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// None: a second task is wanted.
    Always,
    /// One with the client's key, within [`KEEP_KEYS_SECONDS`].
    Key {
        /// The client's key, at most 128 characters.
        key: String,
        /// Hash of the request's fields, 64 characters: another request may not use the key again.
        request_hash: String,
    },
    /// An open one of the same user with the same hash, 64 characters.
    WhileOpen(String),
}

/// How long a client's key is remembered, in seconds (api.md, ground rules: 24 h).
const KEEP_KEYS_SECONDS: u64 = 24 * 3_600;

/// Tries to find the earlier request that a unique key speaks of, before the lock counts as
/// contended: it may end or expire at that very moment.
const FIND_TRIES: u32 = 3;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// Accepted; to be rung now.
    New(Box<Accepted>),
    /// The key was used for the same request before: that task as it stands now. It may have been
    /// deleted since, and is told all the same: a request that is repeated late must not be run
    /// again.
    Replayed(Box<Task>),
    /// The same request is still open: that task.
    Open(Box<Task>),
    /// The key was used for another request.
    KeyReused,
    /// One open task too many.
    TooManyOpen(Quota),
}

impl Store {
    /// Accepts an export unless an earlier request makes it a repetition, or it would be one open
    /// task too many. A repetition is told whatever the limits are.
    ///
    /// # Errors
    /// As [`Store::submit_export`].
    pub async fn submit_export_once(
        &self,
        export: NewExport,
        once: Once,
        limits: OpenTaskLimits,
    ) -> Result<Submission, StoreError> {
        self.submit_once(export.into(), once, limits).await
    }

    /// As [`Store::submit_export_once`], for an import. Where it is no new task its upload is left
    /// as it was, for the caller to drop ([`Store::drop_upload`]).
    ///
    /// # Errors
    /// As [`Store::submit_export`]; [`StoreError::Fenced`] when the upload is not this user's, was
    /// given up, or has a task already.
    pub async fn submit_import_once(
        &self,
        import: NewImport,
        once: Once,
        limits: OpenTaskLimits,
    ) -> Result<Submission, StoreError> {
        self.submit_once(import.into(), once, limits).await
    }

    async fn submit_once(
        &self,
        new: NewTask,
        once: Once,
        limits: OpenTaskLimits,
    ) -> Result<Submission, StoreError> {
        for _ in 0..FIND_TRIES {
            match self.submit(new.clone(), once.clone(), limits).await {
                Ok(accepted) => return Ok(Submission::New(Box::new(accepted))),
                Err(StoreError::Duplicate(_)) => {}
                Err(error) => {
                    let quota = Quota::reached(&error).ok_or(error)?;
                    return Ok(Submission::TooManyOpen(quota));
                }
            }
            if let Some(found) = self.find_first(&new, once.clone()).await? {
                return Ok(found);
            }
        }
        Err(StoreError::Contended(
            "the earlier request comes and goes".into(),
        ))
    }

    async fn find_first(
        &self,
        new: &NewTask,
        once: Once,
    ) -> Result<Option<Submission>, StoreError> {
        let new = new.clone();
        self.transact(
            Op::ReadTask,
            async move |connection: &mut Connection| match once {
                Once::Always => Ok(None),
                Once::Key { key, request_hash } => {
                    let Some(first) = find_key(connection, &new, &key).await? else {
                        return Ok(None);
                    };
                    if first.request_hash != request_hash {
                        return Ok(Some(Submission::KeyReused));
                    }
                    let task = load(connection, &new.tenant, TaskId(first.task_id)).await?;
                    Ok(task.map(|task| Submission::Replayed(Box::new(task))))
                }
                Once::WhileOpen(hash) => {
                    let Some(open) = find_open(connection, &new.tenant, &new.user, &hash).await?
                    else {
                        return Ok(None);
                    };
                    let task = load(connection, &new.tenant, open).await?;
                    Ok(task.map(|task| Submission::Open(Box::new(task))))
                }
            },
        )
        .await
    }
}

/// Takes the key, or waits for whoever is about to. Its task is named later in the transaction.
pub(crate) async fn insert_key(
    connection: &mut Connection,
    new: &NewTask,
    key: &str,
    request_hash: &str,
) -> Result<(), StoreError> {
    sql_query(format!(
        "INSERT INTO idempotency (tenant, created_by, route, idempotency_key, request_hash, \
         task_id, expires_at) VALUES (?, ?, ?, ?, ?, 0, {})",
        after(Duration::from_secs(KEEP_KEYS_SECONDS))
    ))
    .bind::<Text, _>(new.tenant.as_str())
    .bind::<Text, _>(new.user.as_str())
    .bind::<Text, _>(new.route())
    .bind::<Text, _>(key)
    .bind::<Text, _>(request_hash)
    .execute(connection)
    .await?;
    Ok(())
}

/// The key's task is the one that was inserted last.
pub(crate) async fn name_inserted_task(
    connection: &mut Connection,
    new: &NewTask,
    key: &str,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE idempotency SET task_id = LAST_INSERT_ID() \
         WHERE tenant = ? AND created_by = ? AND route = ? AND idempotency_key = ?",
    )
    .bind::<Text, _>(new.tenant.as_str())
    .bind::<Text, _>(new.user.as_str())
    .bind::<Text, _>(new.route())
    .bind::<Text, _>(key)
    .execute(connection)
    .await?;
    Ok(())
}

/// The request that used the key. One that has expired is removed, and counts as none.
async fn find_key(
    connection: &mut Connection,
    new: &NewTask,
    key: &str,
) -> Result<Option<FirstRequest>, StoreError> {
    let found: Vec<FirstRequest> = sql_query(
        "SELECT id, task_id, request_hash, expires_at <= UTC_TIMESTAMP(6) AS expired \
         FROM idempotency \
         WHERE tenant = ? AND created_by = ? AND route = ? AND idempotency_key = ? FOR UPDATE",
    )
    .bind::<Text, _>(new.tenant.as_str())
    .bind::<Text, _>(new.user.as_str())
    .bind::<Text, _>(new.route())
    .bind::<Text, _>(key)
    .load(connection)
    .await?;
    let Some(first) = found.into_iter().next() else {
        return Ok(None);
    };
    if !first.expired {
        return Ok(Some(first));
    }
    sql_query("DELETE FROM idempotency WHERE id = ?")
        .bind::<Unsigned<BigInt>, _>(first.id)
        .execute(connection)
        .await?;
    Ok(None)
}

async fn find_open(
    connection: &mut Connection,
    tenant: &Tenant,
    user: &UserId,
    hash: &str,
) -> Result<Option<TaskId>, StoreError> {
    let found: Vec<Id> = sql_query(
        "SELECT id FROM task FORCE INDEX (tenant_open) \
         WHERE tenant = ? AND created_by = ? AND open_key = ?",
    )
    .bind::<Text, _>(tenant.as_str())
    .bind::<Text, _>(user.as_str())
    .bind::<Text, _>(hash)
    .load(connection)
    .await?;
    Ok(found.into_iter().next().map(|row| TaskId(row.id)))
}

#[derive(QueryableByName)]
struct FirstRequest {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    task_id: u64,
    #[diesel(sql_type = Text)]
    request_hash: String,
    #[diesel(sql_type = Bool)]
    expired: bool,
}
