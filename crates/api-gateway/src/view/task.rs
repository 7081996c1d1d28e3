//! A task as JSON (api.md, Task).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{FileState, Progress, Task, TaskFile, TaskStatus};
use serde::Serialize;
use utoipa::ToSchema;

/// One export or import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub(crate) struct TaskView {
    id: String,
    /// EXPORT or IMPORT.
    kind: &'static str,
    dataset: String,
    /// The file's name.
    name: String,
    /// PENDING, PROCESSING, SUCCESS, PARTIAL_SUCCESS, FAILED or CANCELLED.
    status: &'static str,
    /// Whether nothing more happens by itself.
    finished: bool,
    progress: ProgressView,
    queue: String,
    retry_count: u32,
    max_retries: u32,
    #[schema(required)]
    error: Option<ErrorView>,
    warnings: Vec<WarningView>,
    /// How many faults of each kind an import's rows have; a row may have several.
    errors_by_code: BTreeMap<String, u64>,
    /// The import whose failure workbook this one brings back, mended.
    #[schema(required)]
    mends: Option<String>,
    files: Vec<FileView>,
    options: serde_json::Value,
    created_by: String,
    tenant: String,
    created_at: DateTime<Utc>,
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// Rises with every change.
    version: u64,
    /// Only in the answer to a submit: true when this is an earlier request that is still open.
    #[serde(skip_serializing_if = "Option::is_none")]
    deduplicated: Option<bool>,
}

/// How far a task has come: always `total = done + failed + skipped + unprocessed`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(crate) struct ProgressView {
    /// What is being done, in one word.
    #[schema(required)]
    phase: Option<String>,
    total_rows: u64,
    /// True also while the total is not known: then it is what has been done so far.
    total_is_estimate: bool,
    done_rows: u64,
    failed_rows: u64,
    skipped_rows: u64,
    unprocessed_rows: u64,
    /// With one decimal, below 100 until SUCCESS; null while the total is not known.
    #[schema(required)]
    percent: Option<f64>,
    #[schema(required)]
    rows_per_second: Option<u64>,
    #[schema(required)]
    eta_seconds: Option<u64>,
}

/// Why a task failed, in the user's language.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskError)]
pub(crate) struct ErrorView {
    code: String,
    message: String,
}

/// Something odd that did not stop the task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Warning)]
pub(crate) struct WarningView {
    code: String,
    /// How many cells, columns or sheets.
    count: u64,
    /// What it is about, as far as names say more than the count: 20 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
}

/// A file of a task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileView {
    id: String,
    /// ARTIFACT, PART, UPLOAD or FAILURES.
    role: &'static str,
    name: String,
    /// Bytes.
    size: u64,
    /// Lower-case hex.
    sha256: String,
    /// Data rows.
    rows: u64,
    /// PENDING, AVAILABLE, EXPIRED or DELETED.
    state: &'static str,
    expires_at: DateTime<Utc>,
}

impl From<&Task> for TaskView {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.to_string(),
            kind: task.kind.as_str(),
            dataset: task.dataset.clone(),
            name: task.name.clone(),
            status: task.status.as_str(),
            finished: task.status.is_final(),
            progress: progress(task),
            queue: task.queue.clone(),
            retry_count: task.retry_count,
            max_retries: task.max_retries,
            error: task.error.as_ref().map(|error| ErrorView {
                code: error.code.clone(),
                message: error.message.clone(),
            }),
            warnings: task
                .warnings
                .iter()
                .map(|warning| WarningView {
                    code: warning.code.clone(),
                    count: warning.count,
                    names: warning.names.clone(),
                })
                .collect(),
            errors_by_code: task
                .errors_by_code
                .iter()
                .map(|(code, count)| (code.to_string(), *count))
                .collect(),
            mends: task.mends.map(|task| task.to_string()),
            files: task
                .files
                .iter()
                .map(|file| FileView::new(file, task.read_at))
                .collect(),
            options: task.options.clone(),
            created_by: task.created_by.to_string(),
            tenant: task.tenant.to_string(),
            created_at: task.created_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            version: task.version,
            deduplicated: None,
        }
    }
}

impl TaskView {
    /// The earlier request that makes a submit a repetition.
    pub(crate) fn deduplicated(task: &Task) -> Self {
        Self {
            deduplicated: Some(true),
            ..Self::from(task)
        }
    }
}

impl FileView {
    fn new(file: &TaskFile, now: DateTime<Utc>) -> Self {
        Self {
            id: file.id.to_string(),
            role: file.role.as_str(),
            name: file.name.clone(),
            size: file.size,
            sha256: file.sha256.clone(),
            rows: file.rows,
            state: state_of(file, now).as_str(),
            expires_at: file.expires_at,
        }
    }
}

/// The state that a client is told: a file whose time is over has expired, whether or not the
/// sweeper has been there.
pub(crate) fn state_of(file: &TaskFile, now: DateTime<Utc>) -> FileState {
    match file.state {
        FileState::Available if file.expires_at <= now => FileState::Expired,
        state => state,
    }
}

fn progress(task: &Task) -> ProgressView {
    let Progress {
        phase,
        total_rows,
        total_is_estimate,
        done_rows,
        failed_rows,
        skipped_rows,
    } = task.progress.clone();
    let settled = done_rows + failed_rows + skipped_rows;
    // An estimate may be too low: the sum holds at every moment.
    let total = total_rows.unwrap_or(0).max(settled);
    let unprocessed = total - settled;
    let rows_per_second = rows_per_second(task, settled);
    ProgressView {
        phase,
        total_rows: total,
        total_is_estimate: total_is_estimate || (total_rows.is_none() && !task.status.is_final()),
        done_rows,
        failed_rows,
        skipped_rows,
        unprocessed_rows: unprocessed,
        percent: percent(task.status, total_rows, settled, total),
        rows_per_second,
        eta_seconds: rows_per_second
            .filter(|speed| *speed > 0 && task.status == TaskStatus::Processing)
            // With every row done, what is left (packing) is not measured in rows.
            .filter(|_| total_rows.is_some() && unprocessed > 0)
            .map(|speed| unprocessed.div_ceil(speed)),
    }
}

/// All rows may be done while the file is still being packed.
const MOST_UNFINISHED_PERCENT: f64 = 99.9;

fn percent(status: TaskStatus, known: Option<u64>, settled: u64, total: u64) -> Option<f64> {
    match (status, known) {
        (TaskStatus::Success, _) => Some(100.0),
        (_, None) if settled > 0 => None,
        (_, None | Some(_)) if total == 0 => Some(0.0),
        (_, None | Some(_)) => {
            let percent = (settled as f64 * 1000.0 / total as f64).floor() / 10.0;
            // A partial success has an end, too.
            let most = if status == TaskStatus::PartialSuccess {
                100.0
            } else {
                MOST_UNFINISHED_PERCENT
            };
            Some(percent.min(most))
        }
    }
}

/// Rows told by the last heartbeat, over the time from the attempt's begin to then. None while it
/// waits.
fn rows_per_second(task: &Task, settled: u64) -> Option<u64> {
    let until = match task.status {
        TaskStatus::Pending => return None,
        TaskStatus::Processing => task.progress_at?,
        TaskStatus::Success
        | TaskStatus::PartialSuccess
        | TaskStatus::Failed
        | TaskStatus::Cancelled => task.finished_at?,
    };
    let millis = u64::try_from((until - task.attempt_at?).num_milliseconds()).ok()?;
    settled.saturating_mul(1000).checked_div(millis)
}
