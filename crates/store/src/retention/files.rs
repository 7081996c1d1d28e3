//! Files whose `remove_at` has passed: of deleted tasks, expired, given up by whoever was uploading.

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::TaskFileId;

use super::{PAGE_ROWS, REMOVAL_SECONDS};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::{after, list};
use crate::pool::Connection;
use crate::row::Id;

/// A file whose object is to be removed from storage. Nobody may fetch it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToRemove {
    /// The file.
    pub file: TaskFileId,
    /// Where it lies.
    pub object_key: String,
    /// Whether it was AVAILABLE until now: its time is over.
    pub has_expired: bool,
}

impl Store {
    /// At most `limit` files whose time has come, oldest first, each told to one caller. From now on
    /// a file that had expired is EXPIRED, and an upload without a task can have none any more. An
    /// upload whose import is open is kept for it, and one that a retry would need until the sweep of
    /// ended tasks gives it up ([`Store::take_ended_tasks`]). What is not reported by
    /// [`Store::files_removed`] is told again after some minutes.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn take_files_to_remove(
        &self,
        limit: usize,
    ) -> Result<Vec<FileToRemove>, StoreError> {
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let found: Vec<Id> = sql_query(format!(
                "SELECT id FROM task_file FORCE INDEX (remove_at) \
                 WHERE remove_at <= UTC_TIMESTAMP(6) ORDER BY remove_at LIMIT {limit}"
            ))
            .load(connection)
            .await?;
            let mut ids: Vec<u64> = found.into_iter().map(|row| row.id).collect();
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            ids.sort_unstable();
            let due: Vec<DueFile> = sql_query(format!(
                "SELECT f.id, f.object_key, f.state = 'AVAILABLE' AS is_available, \
                 COALESCE(f.role = 'UPLOAD' AND f.state = 'AVAILABLE' AND t.deleted_at IS NULL \
                 AND (t.finished_at IS NULL OR (t.sweep_at IS NOT NULL \
                 AND t.status IN ('FAILED', 'PARTIAL_SUCCESS'))), FALSE) AND t.id IS NOT NULL \
                 AS is_needed \
                 FROM task_file f FORCE INDEX (PRIMARY) \
                 LEFT JOIN task t FORCE INDEX (PRIMARY) ON t.id = f.task_id \
                 WHERE f.id IN ({}) AND f.remove_at <= UTC_TIMESTAMP(6) \
                 ORDER BY f.id FOR UPDATE OF f SKIP LOCKED",
                list(ids)
            ))
            .load(connection)
            .await?;
            take(connection, &due).await?;
            let taken = due.into_iter().filter(|file| !file.is_needed);
            Ok(taken.map(DueFile::into_file).collect())
        })
        .await
    }

    /// Notes that the objects of these files are gone: nobody looks for them again. A file that never
    /// had a task is forgotten.
    ///
    /// # Errors
    /// [`StoreError`]; removing them once more does no harm.
    pub async fn files_removed(&self, files: &[TaskFileId]) -> Result<(), StoreError> {
        let mut ids: Vec<u64> = files.iter().map(|file| file.0).collect();
        ids.sort_unstable();
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            for ids in ids.chunks(PAGE_ROWS) {
                let ids = list(ids.iter().copied());
                sql_query(format!(
                    "DELETE f FROM task_file f FORCE INDEX (PRIMARY) \
                     WHERE id IN ({ids}) AND task_id IS NULL AND state = 'DELETED'"
                ))
                .execute(connection)
                .await?;
                sql_query(format!(
                    "UPDATE task_file FORCE INDEX (PRIMARY) SET remove_at = NULL \
                     WHERE id IN ({ids}) AND state IN ('DELETED', 'EXPIRED')"
                ))
                .execute(connection)
                .await?;
            }
            Ok(())
        })
        .await
    }
}

/// Says that somebody is about to remove the objects, for the next minutes.
async fn take(connection: &mut Connection, due: &[DueFile]) -> Result<(), StoreError> {
    if due.is_empty() {
        return Ok(());
    }
    // An upload that is needed keeps its state.
    let needed = due.iter().filter(|file| file.is_needed).map(|file| file.id);
    let kept = match list(needed) {
        none if none.is_empty() => "FALSE".to_owned(),
        needed => format!("id IN ({needed})"),
    };
    sql_query(format!(
        "UPDATE task_file FORCE INDEX (PRIMARY) SET state = CASE \
         WHEN {kept} THEN state WHEN state = 'AVAILABLE' THEN 'EXPIRED' \
         WHEN state = 'PENDING' THEN 'DELETED' ELSE state END, remove_at = {} \
         WHERE id IN ({})",
        after(Duration::from_secs(REMOVAL_SECONDS)),
        list(due.iter().map(|file| file.id))
    ))
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct DueFile {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    object_key: String,
    #[diesel(sql_type = Bool)]
    is_available: bool,
    #[diesel(sql_type = Bool)]
    is_needed: bool,
}

impl DueFile {
    fn into_file(self) -> FileToRemove {
        FileToRemove {
            file: TaskFileId(self.id),
            object_key: self.object_key,
            has_expired: self.is_available,
        }
    }
}
