//! Rows of `task` and `task_file` as they are stored, and as the domain knows them.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Datetime, Integer, Nullable, Text, Unsigned};
use domain::{
    Progress, RowCode, Task, TaskError, TaskFile, TaskFileId, TaskId, TaskStatus, Tenant, UserId,
};

use crate::error::StoreError;
use crate::ledger::Counted;

#[derive(QueryableByName)]
pub(crate) struct TaskRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(crate) id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    dataset: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    queue: String,
    #[diesel(sql_type = Text)]
    params: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    phase: Option<String>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    total_rows: Option<u64>,
    #[diesel(sql_type = Bool)]
    total_is_estimate: bool,
    #[diesel(sql_type = Unsigned<BigInt>)]
    done_rows: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    failed_rows: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    skipped_rows: u64,
    #[diesel(sql_type = Nullable<Text>)]
    warnings: Option<String>,
    #[diesel(sql_type = Unsigned<Integer>)]
    retry_count: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    max_retries: u32,
    #[diesel(sql_type = Nullable<Text>)]
    error_code: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error_msg: Option<String>,
    #[diesel(sql_type = Text)]
    created_by: String,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
    #[diesel(sql_type = Nullable<Datetime>)]
    started_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Datetime>)]
    attempt_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Datetime>)]
    progress_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Datetime>)]
    finished_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Unsigned<BigInt>)]
    version: u64,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    group_id: Option<u64>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    mends: Option<u64>,
    #[diesel(sql_type = Nullable<Text>)]
    errors_by_code: Option<String>,
    #[diesel(sql_type = Datetime)]
    read_at: NaiveDateTime,
}

impl TaskRow {
    /// Whether the ledger tells its counts and not the row: those of an open import, and of one that
    /// failed, maybe before its finish could write them down.
    pub(crate) fn reads_ledger(&self) -> bool {
        let by_ledger = [
            TaskStatus::Pending,
            TaskStatus::Processing,
            TaskStatus::Failed,
        ];
        self.group_id.is_some() && by_ledger.iter().any(|it| it.as_str() == self.status)
    }

    /// The task, with what its ledger says where [`TaskRow::reads_ledger`].
    pub(crate) fn into_task(
        mut self,
        files: Vec<FileRow>,
        counted: Option<Counted>,
    ) -> Result<Task, StoreError> {
        let mut errors_by_code: BTreeMap<RowCode, u64> = self
            .errors_by_code
            .as_deref()
            .map_or(Ok(BTreeMap::new()), stored_json)?;
        if let Some(Counted { ledger, last_at }) = counted {
            self.done_rows = ledger.done;
            self.failed_rows = ledger.failed;
            self.skipped_rows = ledger.skipped;
            self.progress_at = last_at;
            errors_by_code = ledger.by_code;
        }
        let error = self.error_code.map(|code| TaskError {
            code,
            message: self.error_msg.unwrap_or_default(),
        });
        Ok(Task {
            id: TaskId(self.id),
            tenant: Tenant::stored(self.tenant),
            kind: self.kind.parse()?,
            dataset: self.dataset,
            name: self.name,
            status: self.status.parse()?,
            progress: Progress {
                phase: self.phase,
                total_rows: self.total_rows,
                total_is_estimate: self.total_is_estimate,
                done_rows: self.done_rows,
                failed_rows: self.failed_rows,
                skipped_rows: self.skipped_rows,
            },
            queue: self.queue,
            retry_count: self.retry_count,
            max_retries: self.max_retries,
            error,
            warnings: self
                .warnings
                .as_deref()
                .map_or(Ok(Vec::new()), stored_json)?,
            errors_by_code,
            mends: self.mends.map(TaskId),
            options: stored_json(&self.params)?,
            files: files
                .into_iter()
                .map(FileRow::into_file)
                .collect::<Result<_, _>>()?,
            created_by: UserId::stored(self.created_by),
            created_at: self.created_at.and_utc(),
            started_at: self.started_at.map(|moment| moment.and_utc()),
            attempt_at: self.attempt_at.map(|moment| moment.and_utc()),
            progress_at: self.progress_at.map(|moment| moment.and_utc()),
            finished_at: self.finished_at.map(|moment| moment.and_utc()),
            read_at: self.read_at.and_utc(),
            version: self.version,
        })
    }
}

fn stored_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[derive(QueryableByName)]
pub(crate) struct FileRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(crate) id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(crate) task_id: u64,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Text)]
    object_key: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    size: u64,
    #[diesel(sql_type = Text)]
    sha256: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    row_count: u64,
    #[diesel(sql_type = Datetime)]
    expires_at: NaiveDateTime,
}

impl FileRow {
    pub(crate) fn into_file(self) -> Result<TaskFile, StoreError> {
        Ok(TaskFile {
            id: TaskFileId(self.id),
            role: self.role.parse()?,
            state: self.state.parse()?,
            object_key: self.object_key,
            name: self.name,
            size: self.size,
            sha256: self.sha256,
            rows: self.row_count,
            expires_at: self.expires_at.and_utc(),
        })
    }
}
