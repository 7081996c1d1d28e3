//! What each step does to rows, group and follow-ups.

use domain::{BizStatus, Event, GroupState, RowState, transition};

use super::{Club, FollowUp, Group, MEMBERS, Rule, State};

pub(super) const ENDED: [BizStatus; 3] =
    [BizStatus::Success, BizStatus::Failed, BizStatus::Cancelled];

impl Club {
    pub(super) fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// What `store::settle` does with a member: the row, then the group.
    pub(super) fn settle(&self, state: &mut State, member: usize, event: Event) -> Option<()> {
        let from = state.members[member];
        let to = transition(stands(from), event).ok()?.to;
        state.members[member] = to;
        if !to.is_final() {
            return Some(());
        }
        if self.keeps(Rule::Lock) {
            let group = state.group.known().moved(from, to, 1).ok()?;
            self.conclude(state, group);
        } else {
            state.read[member] = Some((state.group, from));
        }
        Some(())
    }

    pub(super) fn redrive(&self, state: &mut State, mask: usize) -> Option<()> {
        let mut group = state.group.known();
        for member in (0..MEMBERS).filter(|member| mask & (1 << member) != 0) {
            if state.read[member].is_some() {
                return None;
            }
            let from = state.members[member];
            let to = transition(stands(from), Event::Redrive).ok()?.to;
            group = group.moved(from, to, 1).ok()?;
            state.members[member] = to;
        }
        if self.keeps(Rule::RedriveRaises) {
            group = group.redriven();
        }
        state.redrives += 1;
        state.ended = false;
        self.conclude(state, group);
        Some(())
    }

    /// Writes the group, and its follow-up where that is its end.
    pub(super) fn conclude(&self, state: &mut State, group: GroupState) {
        if !group.ends() {
            state.group = Group::of(group);
            return;
        }
        state.group = Group::of(group.ended());
        state.ended = true;
        let named = |row: &FollowUp| {
            row.generation == group.generation || !self.keeps(Rule::BizIdNamesGeneration)
        };
        // The unique key of (tenant, biz_type, biz_id).
        if !state.follow_ups.iter().any(named) {
            let generation = group.generation;
            state.follow_ups.push(FollowUp {
                generation,
                status: BizStatus::WaitHandle,
            });
        }
    }

    pub(super) fn follow_up(&self, state: &mut State, number: usize, event: Event) -> Option<()> {
        let row = &mut state.follow_ups[number];
        row.status = transition(stands(row.status), event).ok()?.to;
        let is_superseded = row.generation != state.group.generation;
        let writes = !is_superseded || !self.keeps(Rule::Superseded);
        if event == Event::Finish && writes {
            state.went_back |= state.result.is_some_and(|shown| shown > row.generation);
            state.result = Some(row.generation);
        }
        Some(())
    }
}

/// A person ends the task: all that is open, without follow-up.
pub(super) fn cancel_all(state: &mut State) -> Option<()> {
    let mut group = state.group.known();
    let mut touched = false;
    for member in &mut state.members {
        if let Ok(change) = transition(stands(*member), Event::Cancel) {
            group = group.moved(*member, change.to, 1).ok()?;
            *member = change.to;
            touched = true;
        }
    }
    if !touched || !group.sealed {
        return None;
    }
    state.cancelled_for = group.generation;
    state.group = Group::of(group.ended());
    state.ended = true;
    for row in &mut state.follow_ups {
        if let Ok(change) = transition(stands(row.status), Event::Cancel) {
            row.status = change.to;
        }
    }
    Some(())
}

/// Failures of a follow-up are not counted here: it is rescued as often as need be.
fn stands(status: BizStatus) -> RowState {
    RowState {
        status,
        cnt: 0,
        max_cnt: u32::MAX,
    }
}

impl Group {
    pub(super) fn known(self) -> GroupState {
        GroupState {
            total: 2,
            succeeded: self.succeeded,
            dead: self.dead,
            cancelled: self.cancelled,
            sealed: self.sealed,
            generation: self.generation,
            ended_generation: self.ended_generation,
        }
    }

    fn of(state: GroupState) -> Self {
        Self {
            succeeded: state.succeeded,
            dead: state.dead,
            cancelled: state.cancelled,
            sealed: state.sealed,
            generation: state.generation,
            ended_generation: state.ended_generation,
        }
    }
}

impl State {
    pub(super) fn count(&self, status: BizStatus) -> u32 {
        self.members
            .iter()
            .map(|member| u32::from(*member == status))
            .sum()
    }
}
