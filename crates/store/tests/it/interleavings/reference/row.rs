//! One member, as the rules have it.

use domain::{BizStatus, CompensateBizId, RowState, TaskStatus};
use store::Lease;

use crate::interleavings::club::Seen;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: CompensateBizId,
    pub(super) state: RowState,
    pub(super) epoch: u64,
    pub(super) owner: Option<String>,
    pub(super) announced: bool,
    /// None: it has no timer. Else whether it has ended.
    pub(super) due: Option<bool>,
    pub(super) effects: Vec<String>,
    /// Open ones.
    pub(super) letters: u64,
    /// Those that somebody has acted on, too.
    pub(super) letters_ever: usize,
    pub(super) attempts: u64,
    /// By the user's own fault.
    pub(super) rejected: bool,
}

impl Row {
    pub(super) fn is(&self, status: BizStatus) -> bool {
        self.state.status == status
    }

    pub(super) fn is_held_by(&self, lease: &Lease) -> bool {
        self.is(BizStatus::Processing)
            && self.epoch == lease.epoch.0
            && self.owner.as_ref() == Some(&lease.token)
    }

    pub(super) fn seen(&self) -> Seen {
        let wake = match self.due {
            None => "never",
            Some(true) => "now",
            Some(false) => "later",
        };
        Seen {
            status: self.state.status.to_string(),
            cnt: self.state.cnt,
            epoch: self.epoch,
            announced: self.announced,
            wake: wake.to_owned(),
            owner: self.owner.clone(),
            task: TaskStatus::of_row(self.state.status).to_string(),
            effects: (!self.effects.is_empty()).then(|| self.effects.join(",")),
            letters: self.letters,
            attempts: self.attempts,
        }
    }
}
