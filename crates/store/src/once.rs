//! One request, however often it comes: what makes a submit the same as an earlier one is a unique
//! key in its transaction, so of many that arrive at once, one is accepted. Shown by
//! `tests/it/submit.rs`.

mod key;

use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use domain::{Task, TaskId, Tenant, UserId};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::new_task::{NewExport, NewImport, NewTask};
use crate::pool::Connection;
use crate::quota::{OpenTaskLimits, Quota};
use crate::row::Id;
use crate::submit::Accepted;
use crate::task::load;

pub(crate) use key::{FIND_TRIES, Key};

/// Which earlier request makes this one a repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// None: a second task is wanted.
    Always,
    /// One with the client's key, within a day.
    Key {
        /// The client's key, at most 128 characters.
        key: String,
        /// Hash of the request's fields, 64 characters: another request may not use the key again.
        request_hash: String,
    },
    /// An open one of the same user with the same hash, 64 characters.
    WhileOpen(String),
}

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
    /// As [`Store::submit_export`]; [`StoreError::InProgress`] when the earlier request is still under
    /// way after 3 s.
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
    /// As [`Store::submit_export_once`]; [`StoreError::Fenced`] when the upload is not this user's, was
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
                    let Some(first) = new.key(&key).first_request(connection).await? else {
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
