//! What bulk workers do: look, then run in one transaction. They hold nothing between two steps.
//!
//! The look takes no lock here, though the house's does: the guard at the end must be enough.

use domain::{BizStatus, Event, FailureKind, RowState, transition};
use stateright::Property;

use super::standing::{Batch, Ear, Harm, State, Wake};
use super::step::{Step, Which};
use super::{House, MARKS, Rule, follow, laws, without};
use crate::model::{breaks, holds};

const ENDINGS: [Event; 4] = [
    Event::Finish,
    Event::Fail(FailureKind::Transient),
    Event::Fail(FailureKind::Permanent),
    Event::Fail(FailureKind::Rejected),
];

/// Two bulk workers beside one that leases, as when a lane's kind changes while it is deployed.
const BULK: House = House {
    relays: 1,
    batches: 2,
    ..MARKS
};

pub(super) fn batch_steps(number: usize, batch: Batch) -> Vec<Step> {
    let mut steps = vec![Step::BatchDies(number)];
    if batch.looked.is_some() {
        let answers = [true, false];
        let endings = ENDINGS.into_iter();
        let run = |ending| answers.map(|answered| Step::BatchRun(number, ending, answered));
        steps.extend(endings.flat_map(run));
        return steps;
    }
    match batch.ear {
        Ear::Free => {
            steps.push(Step::BatchScan(number));
            let rings = [Which::Present, Which::Old];
            steps.extend(rings.map(|ring| Step::BatchHear(number, ring)));
        }
        Ear::Heard(_) => steps.push(Step::BatchLook(number)),
        Ear::Answered(_) => {
            steps.extend([
                Step::BatchStoreOffset(number),
                Step::BatchLoseOffset(number),
            ]);
        }
    }
    steps
}

impl House {
    pub(super) fn batch(&self, state: &mut State, step: Step) {
        match step {
            Step::BatchHear(number, which) => {
                let heard = heard(state, which);
                let ear = &mut state.batches[number].ear;
                *ear = heard.map_or(*ear, Ear::Heard);
            }
            Step::BatchScan(number) => {
                let waits = state.row.status == BizStatus::WaitHandle;
                let is_due = waits && state.row.wake == Wake::Now;
                state.batches[number].looked = is_due.then_some(state.row.epoch);
            }
            Step::BatchLook(number) => {
                let Ear::Heard(epoch) = state.batches[number].ear else {
                    return;
                };
                let waits = state.row.status == BizStatus::WaitHandle;
                if waits && state.row.epoch == epoch {
                    state.batches[number].looked = Some(epoch);
                } else {
                    state.batches[number].ear = Ear::Answered(epoch);
                }
            }
            Step::BatchRun(number, ending, answered) => {
                self.run_batch(state, number, ending, answered);
            }
            Step::BatchStoreOffset(number) => {
                let ear = std::mem::take(&mut state.batches[number].ear);
                if let Ear::Answered(epoch) = ear {
                    state.rings.are_read(epoch == state.row.epoch);
                }
            }
            Step::BatchLoseOffset(number) | Step::BatchDies(number) => {
                state.batches[number] = Batch::default();
            }
            _ => {}
        }
    }

    fn run_batch(&self, state: &mut State, number: usize, ending: Event, answered: bool) {
        let batch = &mut state.batches[number];
        let Some(epoch) = batch.looked.take() else {
            return;
        };
        // What was not answered is asked again, and found to be done.
        if let Ear::Heard(epoch) = batch.ear
            && answered
        {
            batch.ear = Ear::Answered(epoch);
        }
        let row = &mut state.row;
        let waits = row.status == BizStatus::WaitHandle;
        let same = row.epoch == epoch || !self.keeps(Rule::BatchNamesEpoch);
        if self.keeps(Rule::BatchLooksAgain) && !(waits && same) {
            return;
        }
        if waits && !row.announced && row.wake == Wake::Later {
            state.harm = Some(Harm::TimerCut);
        }
        let row = &mut state.row;
        row.begin(number, true);
        // Whatever it finds, it takes for waiting.
        let found = RowState {
            status: BizStatus::WaitHandle,
            ..row.stands()
        };
        let Ok(claimed) = transition(found, Event::Claim) else {
            return;
        };
        let held = RowState {
            status: claimed.to,
            cnt: claimed.cnt,
            ..found
        };
        let Ok(change) = transition(held, ending) else {
            return;
        };
        let raises = claimed.raises_epoch || change.raises_epoch;
        follow(state, change, raises, Wake::Later);
        state.row.effects += u8::from(ending == Event::Finish);
        state.row.letter |= change.dead_letter;
    }
}

fn heard(state: &State, which: Which) -> Option<u32> {
    match which {
        Which::Present => state.rings.present.then_some(state.row.epoch),
        Which::Old => state.rings.old.then(|| state.row.epoch - 1),
    }
}

/// What bulk workers make possible.
pub(super) fn happens() -> [Property<House>; 4] {
    [
        Property::sometimes(
            "two bulk workers look at the same row",
            |_, state: &State| {
                let row = Some(state.row.epoch);
                state.batches.iter().all(|batch| batch.looked == row)
            },
        ),
        Property::sometimes(
            "a row that a bulk worker looks at is cancelled",
            |_, state: &State| {
                state.row.status == BizStatus::Cancelled && state.batches[0].looked.is_some()
            },
        ),
        Property::sometimes(
            "a row that a bulk worker looks at is leased",
            |_, state: &State| state.holds(0) && state.batches[0].looked.is_some(),
        ),
        Property::sometimes("a batch is done and nobody was told", |_, state: &State| {
            let done = state.row.status == BizStatus::Success;
            let epoch = state.row.epoch;
            done && matches!(state.batches[0].ear, Ear::Heard(heard) if heard + 1 == epoch)
        }),
    ]
}

#[test]
fn two_bulk_workers_beside_one_that_leases_do_each_row_once_and_lose_none() {
    holds("two bulk workers, a worker, a relay, a sweeper", BULK);
}

#[test]
fn without_the_epoch_in_its_guard_a_batch_cuts_a_backoff_short() {
    breaks(without(BULK, Rule::BatchNamesEpoch), laws::TIMERS_LAST);
}

#[test]
fn without_a_guard_at_its_end_a_batch_does_again_what_is_done() {
    breaks(without(BULK, Rule::BatchLooksAgain), laws::ONCE);
}
