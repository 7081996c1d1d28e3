//! A group of rows with a joint end: what it counts, and when it ends.
//!
//! Store applies what stands here under the group's lock and nothing else; `tests/it/groups.rs`
//! walks random lives of groups (design.md §5).

use thiserror::Error;

use crate::BizStatus;

/// The field of a follow-up's context that says what its group came to.
pub const GROUP_FIELD: &str = "group";

/// What a group looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupState {
    /// Rows that belong to it.
    pub total: u32,
    /// How many of them are done.
    pub succeeded: u32,
    /// How many were given up.
    pub dead: u32,
    /// How many a person ended.
    pub cancelled: u32,
    /// No more rows will be added.
    pub sealed: bool,
    /// Raised by each redrive of members; the first is 1.
    pub generation: u32,
    /// The generation that it last ended for; 0 before its first end.
    pub ended_generation: u32,
}

/// More rows left a state than the group knows in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the group knows no {rows} rows that are {}", status.as_str())]
pub struct Miscounted {
    /// The state that they left.
    pub status: BizStatus,
    /// How many left it.
    pub rows: u32,
}

impl GroupState {
    /// So many rows went from one state to another.
    ///
    /// # Errors
    /// [`Miscounted`] when fewer stood there.
    pub fn moved(mut self, from: BizStatus, to: BizStatus, rows: u32) -> Result<Self, Miscounted> {
        if let Some(count) = self.count_of(from) {
            let status = from;
            *count = count.checked_sub(rows).ok_or(Miscounted { status, rows })?;
        }
        if let Some(count) = self.count_of(to) {
            *count = count.saturating_add(rows);
        }
        Ok(self)
    }

    /// A person has put members back: one call, one generation, however many they are.
    #[must_use]
    pub fn redriven(self) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            ..self
        }
    }

    /// No more rows will be added.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self {
            sealed: true,
            ..self
        }
    }

    /// Whether this is its end for this generation: it is sealed, all rows stand at theirs, and it
    /// has not ended for it before.
    #[must_use]
    pub fn ends(&self) -> bool {
        let ended = u64::from(self.succeeded) + u64::from(self.dead) + u64::from(self.cancelled);
        self.sealed && ended == u64::from(self.total) && self.ended_generation < self.generation
    }

    /// It has ended for its generation.
    #[must_use]
    pub fn ended(self) -> Self {
        Self {
            ended_generation: self.generation,
            ..self
        }
    }

    fn count_of(&mut self, status: BizStatus) -> Option<&mut u32> {
        match status {
            BizStatus::Success => Some(&mut self.succeeded),
            BizStatus::Failed => Some(&mut self.dead),
            BizStatus::Cancelled => Some(&mut self.cancelled),
            BizStatus::WaitHandle | BizStatus::Processing => None,
        }
    }
}
