//! Files that a user gives: known here before their first byte is in storage, and nobody's task's
//! until an import is submitted with them. Shown by `tests/it/import/upload.rs`.
//!
//! How many a user may have under way at once is counted as quota.rs counts: inserted first,
//! counted then, the uncommitted too. One that is neither submitted nor dropped counts for
//! [`ABANDONED_SECONDS`] and is then to be removed like any file (`remove_at`).

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{TaskFileId, TaskId, Tenant, Upload, UserId};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::pool::Connection;
use crate::quota::Quota;
use crate::row::Id;

/// Longest from the first byte of an upload to the submit of its import, in seconds.
pub const ABANDONED_SECONDS: u64 = 3_600;

/// A file that is about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Whose.
    pub tenant: Tenant,
    /// Who gives it.
    pub user: UserId,
    /// Where it will lie in object storage.
    pub object_key: String,
    /// As the user calls it; may be told better at the submit.
    pub name: String,
    /// How long it is kept.
    pub keep: Duration,
}

/// Whether an upload may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadOpened {
    /// It may: this is its file, PENDING.
    Opened(TaskFileId),
    /// One too many at once.
    TooMany(Quota),
}

impl Store {
    /// Notes an upload before its first byte, unless the user has `most_open` under way already.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is to be stored then.
    pub async fn open_upload(
        &self,
        upload: NewUpload,
        most_open: u32,
    ) -> Result<UploadOpened, StoreError> {
        let opened = self
            .transact(Op::OpenUpload, async move |connection: &mut Connection| {
                insert(connection, &upload).await?;
                let file: Id = sql_query("SELECT LAST_INSERT_ID() AS id")
                    .get_result(connection)
                    .await?;
                let open = open_uploads(connection, &upload.tenant, &upload.user).await?;
                if open > u64::from(most_open) {
                    return Err(StoreError::Refused(Box::new(Quota::User)));
                }
                Ok(TaskFileId(file.id))
            })
            .await;
        match opened {
            Ok(file) => Ok(UploadOpened::Opened(file)),
            Err(error) => {
                let quota = Quota::reached(&error).ok_or(error)?;
                Ok(UploadOpened::TooMany(quota))
            }
        }
    }

    /// How many uploads of the user are under way, as committed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_uploads(&self, tenant: &Tenant, user: &UserId) -> Result<u64, StoreError> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.transact(Op::ReadQuota, async move |connection: &mut Connection| {
            open_uploads(connection, &tenant, &user).await
        })
        .await
    }

    /// Gives an upload up that no import was submitted with; its object is the caller's to remove
    /// ([`Store::objects_removed`]). One that an import has is left alone.
    ///
    /// # Errors
    /// [`StoreError`]; dropping it once more does no harm.
    pub async fn drop_upload(&self, tenant: &Tenant, file: TaskFileId) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::DropUpload, async move |connection: &mut Connection| {
            sql_query(
                "UPDATE task_file FORCE INDEX (PRIMARY) \
                 SET state = 'DELETED', remove_at = UTC_TIMESTAMP(6) \
                 WHERE id = ? AND tenant = ? AND role = 'UPLOAD' AND state = 'PENDING'",
            )
            .bind::<Unsigned<BigInt>, _>(file.0)
            .bind::<Text, _>(tenant.as_str())
            .execute(connection)
            .await?;
            Ok(())
        })
        .await
    }
}

async fn insert(connection: &mut Connection, upload: &NewUpload) -> Result<(), StoreError> {
    sql_query(format!(
        "INSERT INTO task_file (tenant, created_by, role, state, object_key, name, expires_at, \
         remove_at) VALUES (?, ?, 'UPLOAD', 'PENDING', ?, ?, {}, {})",
        after(upload.keep),
        after(Duration::from_secs(ABANDONED_SECONDS))
    ))
    .bind::<Text, _>(upload.tenant.as_str())
    .bind::<Text, _>(upload.user.as_str())
    .bind::<Text, _>(&upload.object_key)
    .bind::<Text, _>(&upload.name)
    .execute(connection)
    .await?;
    Ok(())
}

async fn open_uploads(
    connection: &mut Connection,
    tenant: &Tenant,
    user: &UserId,
) -> Result<u64, StoreError> {
    let open: Open = sql_query(
        "SELECT COUNT(*) AS open FROM task_file FORCE INDEX (tenant_user_state) \
         WHERE tenant = ? AND created_by = ? AND state = 'PENDING' \
         AND remove_at > UTC_TIMESTAMP(6)",
    )
    .bind::<Text, _>(tenant.as_str())
    .bind::<Text, _>(user.as_str())
    .get_result(connection)
    .await?;
    Ok(open.open.unsigned_abs())
}

/// Makes the upload the file of the task that was inserted last.
///
/// # Errors
/// [`StoreError::Fenced`] when it is not this user's, was given up, or has a task already.
pub(crate) async fn give_to_inserted_task(
    connection: &mut Connection,
    tenant: &Tenant,
    user: &UserId,
    upload: &Upload,
) -> Result<(), StoreError> {
    let matched = sql_query(
        "UPDATE task_file FORCE INDEX (PRIMARY) SET task_id = LAST_INSERT_ID(), \
         state = 'AVAILABLE', name = ?, size = ?, sha256 = ?, remove_at = expires_at \
         WHERE id = ? AND tenant = ? AND created_by = ? AND role = 'UPLOAD' \
         AND state = 'PENDING' AND object_key = ?",
    )
    .bind::<Text, _>(&upload.name)
    .bind::<Unsigned<BigInt>, _>(upload.size)
    .bind::<Text, _>(&upload.sha256)
    .bind::<Unsigned<BigInt>, _>(upload.file.0)
    .bind::<Text, _>(tenant.as_str())
    .bind::<Text, _>(user.as_str())
    .bind::<Text, _>(&upload.object_key)
    .execute(connection)
    .await?;
    if matched == 1 {
        Ok(())
    } else {
        Err(StoreError::Fenced)
    }
}

/// Keeps the file of an import that is opened again from being removed; whether it is there still.
/// Whoever removes files looks at their time under their lock, so that one of the two is refused.
pub(crate) async fn keep_of_task(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<bool, StoreError> {
    let kept = sql_query(format!(
        "UPDATE task_file FORCE INDEX (tenant_task) SET remove_at = GREATEST(remove_at, {}) \
         WHERE tenant = ? AND task_id = ? AND role = 'UPLOAD' AND state = 'AVAILABLE'",
        after(Duration::from_secs(ABANDONED_SECONDS))
    ))
    .bind::<Text, _>(tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(task.0)
    .execute(connection)
    .await?;
    Ok(kept > 0)
}

/// The file of an import has had its time, and with it what was made of it.
pub(crate) async fn expire_of_task(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE task_file FORCE INDEX (tenant_task) \
         SET state = 'EXPIRED', remove_at = UTC_TIMESTAMP(6) \
         WHERE tenant = ? AND task_id = ? AND role = 'UPLOAD' AND state = 'AVAILABLE'",
    )
    .bind::<Text, _>(tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(task.0)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Open {
    #[diesel(sql_type = BigInt)]
    open: i64,
}
