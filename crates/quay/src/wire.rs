//! What the gateway answers, as far as a person is told of it. Fields that are not read here stay
//! in the JSON that `--json` prints.

use std::collections::BTreeMap;

use domain::{FileRole, FileState, TaskStatus};
use serde::Deserialize;
use serde_json::Value;

/// A task, beside the JSON that it came as.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) task: Task,
    pub(crate) json: Value,
}

impl Answered {
    pub(crate) fn read(json: Value) -> Result<Self, serde_json::Error> {
        Ok(Self {
            task: Task::deserialize(&json)?,
            json,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) dataset: String,
    pub(crate) name: Option<String>,
    pub(crate) status: TaskStatus,
    #[serde(default)]
    pub(crate) progress: Progress,
    pub(crate) error: Option<Reason>,
    #[serde(default)]
    pub(crate) warnings: Vec<Warning>,
    #[serde(default)]
    pub(crate) errors_by_code: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) files: Vec<File>,
    #[serde(default)]
    pub(crate) retry_count: u32,
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    #[serde(default)]
    pub(crate) deduplicated: bool,
    /// Rises with every change.
    #[serde(default)]
    pub(crate) version: u64,
}

impl Task {
    /// Whether it ended in something that can be fetched.
    pub(crate) fn came_to_a_file(&self) -> bool {
        match self.status {
            TaskStatus::Success | TaskStatus::PartialSuccess => true,
            TaskStatus::Failed
            | TaskStatus::Cancelled
            | TaskStatus::Pending
            | TaskStatus::Processing => false,
        }
    }

    /// The file that a download gives.
    pub(crate) fn main_file(&self) -> Option<&File> {
        let available = || {
            self.files
                .iter()
                .filter(|file| file.state == FileState::Available)
        };
        available()
            .find(|file| file.role == FileRole::Artifact)
            .or_else(|| available().find(|file| file.role == FileRole::Failures))
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    pub(crate) phase: Option<String>,
    pub(crate) total_rows: Option<u64>,
    pub(crate) total_is_estimate: bool,
    pub(crate) done_rows: u64,
    pub(crate) failed_rows: u64,
    pub(crate) skipped_rows: u64,
    pub(crate) unprocessed_rows: u64,
    pub(crate) percent: Option<f64>,
    pub(crate) rows_per_second: Option<u64>,
    pub(crate) eta_seconds: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Warning {
    pub(crate) code: String,
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct File {
    pub(crate) role: FileRole,
    pub(crate) state: FileState,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: Option<String>,
    pub(crate) rows: Option<u64>,
    pub(crate) expires_at: Option<String>,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) next_cursor: Option<String>,
}

/// One try at a task's row.
#[derive(Debug, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) epoch: u64,
    pub(crate) worker: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) error_class: Option<String>,
    pub(crate) error_text: Option<String>,
}

/// How much of something may be used, and is.
#[derive(Debug, Deserialize)]
pub(crate) struct Quota {
    pub(crate) name: String,
    pub(crate) used: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) resets_at: Option<String>,
}
