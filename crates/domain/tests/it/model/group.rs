//! A group of two rows, its generations and their follow-ups, driven by `domain::GroupState` and
//! `domain::transition`. Each step is one transaction under the group's lock; two workers run
//! follow-ups of different generations at once. Only a cancel is two steps: it locks the open rows
//! before it waits for the group, and a letter of another row may be redriven in between.

mod settling;

use domain::{BizStatus, Event, FailureKind};
use stateright::{Model, Property};

use super::{breaks, holds};
use settling::{ENDED, locks};

const MEMBERS: usize = 2;

/// Redrives after which nobody puts anything back any more.
const REDRIVES: u32 = 3;

const COUNTS: &str = "the group's counters are what its rows say";
const ENDS_ONCE: &str = "a group ends once for each generation";
const ENDS: &str = "a sealed group whose rows have all ended has ended since they were put back";
const NEWER_STAYS: &str = "an older follow-up never overwrites a newer result";
const CANCELLED_STAYS: &str = "no row of a cancelled task is open";
const NEWEST_IS_SHOWN: &str = "when all is done, the result is that of the last generation";

/// A rule that a negative model leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A follow-up writes only if its generation is the group's.
    Superseded,
    /// A follow-up's biz_id names its generation.
    BizIdNamesGeneration,
    /// The counters are read under the group's lock.
    Lock,
    /// A redrive raises the generation.
    RedriveRaises,
    /// A cancel looks again, under the group's lock, which rows are open.
    CancelLooksAgain,
    /// A letter does not open a task that was cancelled.
    CancelledStays,
}

struct Club {
    without: Option<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FollowUp {
    generation: u32,
    status: BizStatus,
}

/// The open rows that a cancel has locked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Locked {
    members: [bool; MEMBERS],
    follow_ups: Vec<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    members: [BizStatus; MEMBERS],
    /// `domain::GroupState`: total, sealed and counters.
    group: Group,
    /// What a member's settle read of the group, where it does so without a lock.
    read: [Option<(Group, BizStatus)>; MEMBERS],
    follow_ups: Vec<FollowUp>,
    /// The generation whose result the user sees.
    result: Option<u32>,
    went_back: bool,
    /// The generation that a person ended as a whole: it has no follow-up.
    cancelled_for: u32,
    /// The task is CANCELLED.
    task_cancelled: bool,
    cancelling: Option<Locked>,
    redrives: u32,
    /// It has ended since the last redrive.
    ended: bool,
}

/// `GroupState` in a form that can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group {
    succeeded: u32,
    dead: u32,
    cancelled: u32,
    sealed: bool,
    generation: u32,
    ended_generation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Seal,
    Happens(usize, Event),
    /// Where counters are read without a lock: the write that follows.
    Count(usize),
    /// The owner has the members of this mask tried again, once all have ended.
    TryAgain(usize),
    /// An operator redrives the dead letters of the members of this mask.
    RedriveLetters(usize),
    CancelLocks,
    CancelEnds,
    FollowUpHappens(usize, Event),
}

const LIFE: [Event; 6] = [
    Event::Claim,
    Event::Finish,
    Event::Fail(FailureKind::Permanent),
    Event::HandBack,
    Event::Rescue {
        deadline_passed: true,
    },
    Event::Cancel,
];

const LIFE_OF_A_FOLLOW_UP: [Event; 3] = [
    Event::Claim,
    Event::Finish,
    Event::Rescue {
        deadline_passed: false,
    },
];

impl Model for Club {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let born = |sealed| State {
            members: [BizStatus::WaitHandle; MEMBERS],
            group: Group {
                succeeded: 0,
                dead: 0,
                cancelled: 0,
                sealed,
                generation: 1,
                ended_generation: 0,
            },
            read: [None; MEMBERS],
            follow_ups: Vec::new(),
            result: None,
            went_back: false,
            cancelled_for: 0,
            task_cancelled: false,
            cancelling: None,
            redrives: 0,
            ended: false,
        };
        vec![born(true), born(false)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if !state.group.sealed {
            steps.push(Step::Seal);
        }
        for member in 0..MEMBERS {
            if state.read[member].is_some() {
                steps.push(Step::Count(member));
            } else if !state.is_locked(|locked| locked.members[member]) {
                steps.extend(LIFE.map(|event| Step::Happens(member, event)));
            }
        }
        if state.redrives < REDRIVES {
            steps.extend((1..1 << MEMBERS).map(Step::TryAgain));
            steps.extend((1..1 << MEMBERS).map(Step::RedriveLetters));
        }
        steps.push(match state.cancelling {
            Some(_) => Step::CancelEnds,
            None => Step::CancelLocks,
        });
        for follow_up in 0..state.follow_ups.len() {
            if state.is_locked(|locked| locked.follow_ups.get(follow_up) == Some(&true)) {
                continue;
            }
            let life = LIFE_OF_A_FOLLOW_UP.map(|event| Step::FollowUpHappens(follow_up, event));
            steps.extend(life);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = last.clone();
        match step {
            Step::Seal => {
                let group = next.group.known().sealed();
                self.conclude(&mut next, group);
            }
            Step::Happens(member, event) => self.settle(&mut next, member, event)?,
            Step::Count(member) => {
                let (read, left) = next.read[member].take()?;
                let group = read.known().moved(left, next.members[member], 1).ok()?;
                self.conclude(&mut next, group);
            }
            Step::TryAgain(mask) => self.try_again(&mut next, mask)?,
            Step::RedriveLetters(mask) => self.redrive_letters(&mut next, mask)?,
            Step::CancelLocks => next.cancelling = Some(locks(&next)?),
            Step::CancelEnds => self.cancel_ends(&mut next)?,
            Step::FollowUpHappens(number, event) => self.follow_up(&mut next, number, event)?,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(COUNTS, |_, state| {
                let settled = state.read.iter().all(Option::is_none);
                let group = &state.group;
                let counted = [group.succeeded, group.dead, group.cancelled];
                !settled || counted == ENDED.map(|status| state.count(status))
            }),
            Property::<Self>::always(ENDS_ONCE, |_, state| {
                let mut ends: Vec<u32> =
                    state.follow_ups.iter().map(|row| row.generation).collect();
                ends.sort_unstable();
                ends.windows(2).all(|pair| pair[0] != pair[1])
            }),
            Property::<Self>::always(ENDS, |_, state| {
                let group = &state.group;
                let over = group.sealed && state.members.iter().all(|row| row.is_final());
                let settled = state.read.iter().all(Option::is_none);
                !over || !settled || state.ended
            }),
            Property::<Self>::always(NEWER_STAYS, |_, state| !state.went_back),
            Property::<Self>::always(NEWEST_IS_SHOWN, |_, state| {
                let group = &state.group;
                let ended = group.ended_generation == group.generation;
                let quiet = state.follow_ups.iter().all(|row| row.status.is_final());
                let asked_for = state.cancelled_for != group.generation;
                !(ended && quiet && asked_for) || state.result == Some(group.generation)
            }),
            Property::<Self>::always(CANCELLED_STAYS, |_, state| {
                let members = state.members.iter().all(|row| row.is_final());
                let follow_ups = state.follow_ups.iter().all(|row| row.status.is_final());
                !state.task_cancelled || (members && follow_ups)
            }),
            Property::<Self>::sometimes("a letter is redriven while a cancel waits", |_, state| {
                let is_new = |locked: &Locked| {
                    let open = state.members.iter().map(|row| !row.is_final());
                    open.zip(locked.members)
                        .any(|(open, locked)| open && !locked)
                };
                state.is_locked(is_new)
            }),
            Property::<Self>::sometimes("a task is cancelled with a dead row in it", |_, state| {
                state.task_cancelled && state.count(BizStatus::Failed) > 0
            }),
            Property::<Self>::sometimes("a follow-up is superseded", |_, state| {
                let done = |row: &FollowUp| row.status == BizStatus::Success;
                let shown = state.result.unwrap_or(0);
                state
                    .follow_ups
                    .iter()
                    .any(|row| done(row) && row.generation > shown)
            }),
            Property::<Self>::sometimes("follow-ups of two generations run at once", |_, state| {
                let runs = |row: &&FollowUp| row.status == BizStatus::Processing;
                state.follow_ups.iter().filter(runs).count() > 1
            }),
            Property::<Self>::sometimes("a cancelled group is put back and ends", |_, state| {
                state.cancelled_for == 1 && state.result == Some(2)
            }),
            Property::<Self>::sometimes("it ends for every generation", |_, state| {
                state.result == Some(REDRIVES + 1) && state.follow_ups.len() == 4
            }),
        ]
    }
}

fn without(rule: Rule) -> Club {
    Club {
        without: Some(rule),
    }
}

#[test]
fn a_group_ends_once_for_each_generation_and_shows_its_last() {
    holds("a group of two", Club { without: None });
}

#[test]
fn a_follow_up_that_does_not_ask_for_its_generation_overwrites_a_newer_result() {
    breaks(without(Rule::Superseded), NEWER_STAYS);
}

#[test]
fn a_follow_up_without_generation_in_its_key_is_not_asked_for_again() {
    breaks(without(Rule::BizIdNamesGeneration), NEWEST_IS_SHOWN);
}

#[test]
fn a_group_that_is_counted_without_its_lock_loses_a_member() {
    breaks(without(Rule::Lock), COUNTS);
}

#[test]
fn a_redrive_that_keeps_the_generation_brings_no_new_result() {
    breaks(without(Rule::RedriveRaises), ENDS);
}

#[test]
fn a_cancel_that_does_not_look_again_leaves_what_a_letter_opened_meanwhile() {
    breaks(without(Rule::CancelLooksAgain), CANCELLED_STAYS);
}

#[test]
fn a_letter_that_does_not_ask_for_the_task_opens_what_was_cancelled() {
    breaks(without(Rule::CancelledStays), CANCELLED_STAYS);
}
