//! What a user asked for and sees: a task, its files, its progress (api.md, Task).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::closed_set::closed_set;
use crate::{BizStatus, FailureCode, RowCode, TaskFileId, TaskId, Tenant, UserId};

closed_set! {
    /// Which way the rows go.
    TaskKind {
        /// Rows become a file.
        Export = "EXPORT",
        /// A file becomes rows.
        Import = "IMPORT",
    }
}

closed_set! {
    /// Where a task stands; a projection of its rows, written in the same transaction as they.
    TaskStatus {
        /// Nobody works on it yet.
        Pending = "PENDING",
        /// Somebody works on it.
        Processing = "PROCESSING",
        /// All of it is done.
        Success = "SUCCESS",
        /// Some rows could not be taken.
        PartialSuccess = "PARTIAL_SUCCESS",
        /// Nothing came of it.
        Failed = "FAILED",
        /// A person ended it.
        Cancelled = "CANCELLED",
    }
}

impl TaskStatus {
    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Success | Self::PartialSuccess | Self::Failed | Self::Cancelled => true,
            Self::Pending | Self::Processing => false,
        }
    }

    /// What a task shows whose only row stands there.
    #[must_use]
    pub const fn of_row(row: BizStatus) -> Self {
        match row {
            BizStatus::WaitHandle => Self::Pending,
            BizStatus::Processing => Self::Processing,
            BizStatus::Success => Self::Success,
            BizStatus::Failed => Self::Failed,
            BizStatus::Cancelled => Self::Cancelled,
        }
    }
}

closed_set! {
    /// What a file is to its task.
    FileRole {
        /// The export's result.
        Artifact = "ARTIFACT",
        /// One part of a result in several files.
        Part = "PART",
        /// What the user gave.
        Upload = "UPLOAD",
        /// The rows that an import could not take.
        Failures = "FAILURES",
    }
}

closed_set! {
    /// Whether a file can be fetched.
    FileState {
        /// Being written.
        Pending = "PENDING",
        /// Can be fetched.
        Available = "AVAILABLE",
        /// Its time is over.
        Expired = "EXPIRED",
        /// Deleted with its task.
        Deleted = "DELETED",
    }
}

/// How far a task has come. At every moment
/// `total_rows = done_rows + failed_rows + skipped_rows + unprocessed_rows`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in one word.
    pub phase: Option<String>,
    /// Rows in all, when known.
    pub total_rows: Option<u64>,
    /// Whether the total is an estimate.
    pub total_is_estimate: bool,
    /// Rows done.
    pub done_rows: u64,
    /// Rows that cannot be taken.
    pub failed_rows: u64,
    /// Rows left out on purpose.
    pub skipped_rows: u64,
}

/// One row of `task`, with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its identity.
    pub id: TaskId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Which way the rows go.
    pub kind: TaskKind,
    /// The dataset's name.
    pub dataset: String,
    /// The file's name, or what the user called it.
    pub name: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// How far it has come.
    pub progress: Progress,
    /// The queue that it was submitted to.
    pub queue: String,
    /// Tries that failed and were repeated.
    pub retry_count: u32,
    /// Tries that may fail before the next failure is final.
    pub max_retries: u32,
    /// Code and sentence for the user, once failed.
    pub error: Option<TaskError>,
    /// What was odd but did not stop it.
    pub warnings: Vec<Warning>,
    /// How many faults of each kind an import's rows have: one row may have several.
    pub errors_by_code: BTreeMap<RowCode, u64>,
    /// The import whose failure workbook this one brings back, mended.
    pub mends: Option<TaskId>,
    /// The request's own options, as they were given.
    pub options: serde_json::Value,
    /// Its files, oldest first.
    pub files: Vec<TaskFile>,
    /// Who asked for it.
    pub created_by: UserId,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker first began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the present or last attempt began.
    pub attempt_at: Option<DateTime<Utc>>,
    /// When that attempt last told its progress.
    pub progress_at: Option<DateTime<Utc>>,
    /// When it became final.
    pub finished_at: Option<DateTime<Utc>>,
    /// The database's clock when this was read; ages are counted against it.
    pub read_at: DateTime<Utc>,
    /// Rises with every change.
    pub version: u64,
}

impl Task {
    /// Rows that nothing has become of; none while the total is not known.
    #[must_use]
    pub fn unprocessed_rows(&self) -> u64 {
        let Progress {
            total_rows,
            done_rows,
            failed_rows,
            skipped_rows,
            ..
        } = &self.progress;
        let settled = done_rows + failed_rows + skipped_rows;
        total_rows.unwrap_or(0).saturating_sub(settled)
    }

    /// Whether the file of an import has had its time: a retry would need it, or what was made of it.
    #[must_use]
    pub fn has_lost_its_file(&self) -> bool {
        let is_there =
            |file: &TaskFile| file.role == FileRole::Upload && file.state == FileState::Available;
        self.kind == TaskKind::Import && !self.files.iter().any(is_there)
    }

    /// What a person may do with it now (api.md, state of a task). A code that is not known here
    /// counts as no fault of the user.
    #[must_use]
    pub fn allowed_actions(&self) -> Vec<Action> {
        let users_fault = self
            .error
            .as_ref()
            .and_then(|error| error.code.parse::<FailureCode>().ok())
            .is_some_and(FailureCode::is_users_fault);
        let may_retry = match self.status {
            TaskStatus::Pending | TaskStatus::Processing => return vec![Action::Cancel],
            TaskStatus::Success => false,
            TaskStatus::PartialSuccess => self.unprocessed_rows() > 0,
            TaskStatus::Failed => !users_fault,
            TaskStatus::Cancelled => self.kind == TaskKind::Export,
        };
        let mut actions = vec![Action::Delete];
        if may_retry && !self.has_lost_its_file() {
            actions.push(Action::Retry);
        }
        actions
    }
}

closed_set! {
    /// What a person may do with a task.
    Action {
        /// End it.
        Cancel = "cancel",
        /// Have it tried again.
        Retry = "retry",
        /// Take it and its files away.
        Delete = "delete",
    }
}

/// What the user is told of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// Stable, for programs.
    pub code: String,
    /// A sentence in the task's language.
    pub message: String,
}

/// A kind of oddity and how often it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable, for programs: `cell_truncated`, `column_ignored` (docs/ERRORS.md).
    pub code: String,
    /// How many cells, columns or sheets.
    pub count: u64,
    /// What it is about, where names say more than a count: 20 at most, of 64 characters at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl Warning {
    /// The most that is named, and the most characters of a name.
    const MOST_NAMES: (usize, usize) = (20, 64);

    /// One that names nothing.
    #[must_use]
    pub fn new(code: &str, count: u64) -> Self {
        Self {
            code: code.to_owned(),
            count,
            names: Vec::new(),
        }
    }

    /// The same, naming the first of these; what is too long is cut.
    #[must_use]
    pub fn naming<'a>(mut self, names: impl Iterator<Item = &'a str>) -> Self {
        let (most, longest) = Self::MOST_NAMES;
        let cut = |name: &str| name.chars().take(longest).collect();
        self.names = names.take(most).map(cut).collect();
        self
    }
}

/// One row of `task_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFile {
    /// Its identity.
    pub id: TaskFileId,
    /// What it is to the task.
    pub role: FileRole,
    /// Whether it can be fetched.
    pub state: FileState,
    /// Where it lies in object storage; never leaves the system.
    pub object_key: String,
    /// The name that a person sees.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Data rows in it.
    pub rows: u64,
    /// When it may be removed.
    pub expires_at: DateTime<Utc>,
}
