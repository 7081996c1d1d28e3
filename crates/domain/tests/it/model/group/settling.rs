//! What each step does to rows, group and follow-ups.

use domain::{BizStatus, Event, GroupState, RowState, transition};

use super::{Club, FollowUp, Group, Locked, MEMBERS, Rule, State};

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

    /// What `store::retry_task` does: only a task that has ended, cancelled or not, is opened.
    pub(super) fn try_again(&self, state: &mut State, mask: usize) -> Option<()> {
        if !state.members.iter().all(|row| row.is_final()) {
            return None;
        }
        state.task_cancelled = false;
        self.put_back(state, mask)
    }

    /// What `store::redrive_dead_letter` and its bulk do: dead rows alone, whatever their task is at.
    pub(super) fn redrive_letters(&self, state: &mut State, mask: usize) -> Option<()> {
        let all_dead = members_of(mask).all(|member| state.members[member] == BizStatus::Failed);
        if !all_dead || (state.task_cancelled && self.keeps(Rule::CancelledStays)) {
            return None;
        }
        self.put_back(state, mask)
    }

    fn put_back(&self, state: &mut State, mask: usize) -> Option<()> {
        let mut group = state.group.known();
        for member in members_of(mask) {
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

    /// The second half of `store::cancel_task`, under the group's lock: what was locked ends, without
    /// follow-up. If more is open by now, all is begun again.
    pub(super) fn cancel_ends(&self, state: &mut State) -> Option<()> {
        let locked = state.cancelling.take()?;
        if locked != open_rows(state) && self.keeps(Rule::CancelLooksAgain) {
            return Some(());
        }
        let mut group = state.group.known();
        for (member, _) in locked.members.iter().enumerate().filter(|(_, is)| **is) {
            let from = state.members[member];
            let to = transition(stands(from), Event::Cancel).ok()?.to;
            group = group.moved(from, to, 1).ok()?;
            state.members[member] = to;
        }
        for (row, _) in (state.follow_ups.iter_mut().zip(&locked.follow_ups)).filter(|(_, is)| **is)
        {
            row.status = transition(stands(row.status), Event::Cancel).ok()?.to;
        }
        state.cancelled_for = group.generation;
        state.task_cancelled = true;
        state.group = Group::of(group.ended());
        state.ended = true;
        Some(())
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

/// The first half of `store::cancel_task`: all open rows of the task, locked.
pub(super) fn locks(state: &State) -> Option<Locked> {
    let locked = open_rows(state);
    let some = locked.members.contains(&true) || locked.follow_ups.contains(&true);
    (some && state.group.sealed).then_some(locked)
}

fn open_rows(state: &State) -> Locked {
    let follow_ups = state.follow_ups.iter().map(|row| !row.status.is_final());
    Locked {
        members: state.members.map(|row| !row.is_final()),
        follow_ups: follow_ups.collect(),
    }
}

fn members_of(mask: usize) -> impl Iterator<Item = usize> {
    (0..MEMBERS).filter(move |member| mask & (1 << member) != 0)
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
    /// Whether a cancel has locked what is asked for.
    pub(super) fn is_locked(&self, what: impl FnOnce(&Locked) -> bool) -> bool {
        self.cancelling.as_ref().is_some_and(what)
    }

    pub(super) fn count(&self, status: BizStatus) -> u32 {
        self.members
            .iter()
            .map(|member| u32::from(*member == status))
            .sum()
    }
}
