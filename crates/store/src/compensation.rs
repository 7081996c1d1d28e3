//! Business work that any service asks for: rows of `compensate_biz` that belong to no task.
//!
//! A call submits many in one transaction, so whoever repeats it after a crash finds all of them or
//! none. What a call inserted is known by its token, never by counts of rows. Shown by
//! `tests/it/compensation.rs`.

mod act;
mod list;
mod place;
mod read;
mod row;
mod share;
mod submit;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{BizId, BizStatus, BizType, CompensateBizId, Lane};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::announce::Announced;
use crate::error::StoreError;
use crate::group::FollowUp;
use crate::operation_log::Actor;

pub use act::CompensationActed;
pub use list::CompensationFilter;
pub use read::{Compensation, CompensationContent, CompensationReach, Group};

/// Rows of business work: none of a task's, and none that tell of dead letters.
const OF_BUSINESS: &str = "task_id IS NULL AND biz_type <> 'DEAD_LETTER'";

/// When a row is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// At once.
    #[default]
    Now,
    /// So long after it was accepted, or after the end of the group that it follows.
    After(Duration),
    /// At this moment; at once, where it has passed.
    At(DateTime<Utc>),
}

impl Due {
    /// How long until then, by the database's clock; zero when it is due.
    pub(crate) fn wait(self, now: DateTime<Utc>) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::After(delay) => delay,
            Self::At(moment) => (moment - now).to_std().unwrap_or_default(),
        }
    }
}

/// One piece of business work, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCompensation {
    /// The kind of work.
    pub biz_type: BizType,
    /// What it is about: one row of this kind in the tenant.
    pub biz_id: BizId,
    /// Where it rings.
    pub lane: Lane,
    /// The work itself, as JSON.
    pub context: String,
    /// 0 to 9; 5 and more are urgent.
    pub priority: u8,
    /// When it is due.
    pub due: Due,
    /// When the scan looks at the row if no ring brings it.
    pub scan_interval: Duration,
}

/// The group that a call adds to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    /// The client's name of it, at most 128 characters.
    pub key: String,
    /// Whether no more rows will be added.
    pub seal: bool,
    /// Whether the caller may add to a group that somebody else opened, and seal it.
    pub of_anyone: bool,
    /// What follows its end; given with the first call, and the same with each other that gives it.
    pub on_finished: Option<Vec<FollowUp>>,
}

/// A client's key of a call, and what it is answered.
#[derive(Clone)]
pub struct CallKey {
    /// At most 128 characters.
    pub key: String,
    /// Hash of the request's fields, 64 characters: another request may not use the key again.
    pub request_hash: String,
    /// Makes the answer: at most 16 MiB when compressed. May be asked more than once.
    pub reply: CompensationsReply,
}

/// Makes the answer of what was submitted: JSON, or any other text.
pub type CompensationsReply =
    Arc<dyn Fn(&SubmittedCompensations) -> Result<Vec<u8>, serde_json::Error> + Send + Sync>;

/// One call: what is asked for, by whom.
#[derive(Clone)]
pub struct NewCompensations {
    /// Who asks, and whose the rows are.
    pub actor: Actor,
    /// The caller bounds them: all are inserted in one transaction.
    pub items: Vec<NewCompensation>,
    /// The group that counts what is new of them.
    pub group: Option<NewGroup>,
    /// The span that asks, as W3C `traceparent`.
    pub trace_context: Option<String>,
    /// The client's key, if it gave one.
    pub key: Option<CallKey>,
}

/// What stands for one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmittedItem {
    /// Its row.
    pub id: CompensateBizId,
    /// Where the row stands.
    pub status: BizStatus,
    /// Whether it was there before this call, or stands in it twice.
    pub duplicate: bool,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedCompensations {
    /// The group, if the call named one.
    pub group_id: Option<u64>,
    /// One for each item, in their order.
    pub items: Vec<SubmittedItem>,
    /// Rows that are due and were marked as announced: to be rung by the caller right after this.
    pub rung: Vec<(Lane, Announced)>,
}

impl SubmittedCompensations {
    /// How many items were there before, or stand in the call twice.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.items.iter().filter(|item| item.duplicate).count()
    }
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompensationsOnce {
    /// Accepted, with the answer where the call has a key.
    Now(SubmittedCompensations, Option<Vec<u8>>),
    /// Accepted, but its COMMIT was lost sight of: the answer, by its key. What is due is found by the
    /// scan.
    Remembered(Vec<u8>),
    /// The key was used for the same request before: what it was answered.
    Replayed(Vec<u8>),
    /// The key was used for another request.
    KeyReused,
    /// The group does not take it; nothing was written.
    Refused(GroupRefusal),
}

/// Why a group takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GroupRefusal {
    /// It was said that no more would come.
    #[error("the group is sealed: nothing can be added to it")]
    Sealed,
    /// It was opened with other follow-ups.
    #[error("the group was opened with another on_finished, which is given with the first call")]
    OtherFollowUps,
    /// Somebody else opened it.
    #[error("the group was opened by somebody else: only they and operators add to it or seal it")]
    Foreign,
}

impl GroupRefusal {
    /// As the error that takes the transaction back.
    pub(crate) fn raised(self) -> StoreError {
        StoreError::Refused(Box::new(self))
    }

    /// The refusal that took a transaction back.
    pub(crate) fn of(error: &StoreError) -> Option<Self> {
        match error {
            StoreError::Refused(cause) => cause.downcast_ref().copied(),
            StoreError::Unavailable(_)
            | StoreError::Contended(_)
            | StoreError::UnknownCommit(_)
            | StoreError::Fenced
            | StoreError::Duplicate(_)
            | StoreError::InProgress(_)
            | StoreError::Corrupt(_) => None,
        }
    }
}
