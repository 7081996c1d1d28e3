//! One row and all who have to do with it.
//!
//! Epochs are compared, never counted: two states that differ only in how far an old epoch lies
//! behind the row's are one (`State::seen`). So the model has an end although lives do not: any
//! number of crashes, hand-backs, cancels and redrives is walked.

mod batches;
mod laws;
mod persons;
mod relays;
mod standing;
mod step;
mod workers;

use domain::{BizStatus, Change, Event};
use stateright::{Model, Property};

use super::{breaks, holds};
use batches::batch_steps;
use relays::ring;
use standing::{Ear, Harm, Relay, Rings, Row, State, Wake, Worker};
use step::{Step, Which, relay_steps, worker_steps};
use workers::{hear, store_offset};

/// A rule of the house that a negative model leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A holder's write names epoch and token.
    Fence,
    /// A rescue raises the epoch.
    RescueRaises,
    /// A claim by ring names the ring's epoch.
    RingNamesEpoch,
    /// What was claimed is read back by the claim's own token.
    Token,
    /// A sweeper looks at status and timer again, under the lock.
    SecondLook,
    /// A relay marks only a row that waits, is due and not announced, whatever it saw before.
    MarkLooksAgain,
    /// A retraction names status and epoch.
    RetractNames,
    /// The dead letter is written in the transaction that gives the row up.
    LetterWithRow,
    /// A claim raises the epoch.
    ClaimRaises,
    /// The hard deadline is counted from each claim.
    ClaimBeginsDeadline,
    /// A cancel raises the epoch.
    CancelRaises,
    /// A batch finishes rows only at the epoch at which it looked at them.
    BatchNamesEpoch,
    /// A batch finishes only rows that wait, whatever it saw before.
    BatchLooksAgain,
}

/// Who is there, and which rule is left out.
#[derive(Clone, Copy, Debug)]
struct House {
    workers: usize,
    /// None: announcing is one step.
    relays: usize,
    sweepers: usize,
    /// Bulk workers.
    batches: usize,
    without: Option<Rule>,
}

impl Model for House {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        // As submitted: announced, its ring sent or lost; and as a plain SQL client inserts it.
        let row = Row {
            status: BizStatus::WaitHandle,
            cnt: 0,
            epoch: 1,
            owner: None,
            announced: true,
            wake: Wake::Later,
            late: false,
            effects: 0,
            letter: false,
            rejected: false,
            again: false,
        };
        let submitted = State {
            row,
            rings: Rings {
                present: true,
                old: false,
            },
            workers: Default::default(),
            relays: Default::default(),
            sweepers: Default::default(),
            batches: Default::default(),
            harm: None,
        };
        let inserted = Row {
            announced: false,
            wake: Wake::Now,
            ..row
        };
        let silent = State {
            row: inserted,
            rings: Rings::default(),
            ..submitted
        };
        vec![submitted, silent]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.harm.is_some() {
            return;
        }
        steps.extend([
            Step::TimerEnds,
            Step::DeadlinePasses,
            Step::Cancel,
            Step::Redrive,
        ]);
        steps.extend([Which::Present, Which::Old].map(Step::RingIsLost));
        if self.relays == 0 {
            steps.push(Step::Announce);
        }
        for relay in 0..self.relays {
            steps.extend(relay_steps(relay, state.relays[relay]));
        }
        for worker in 0..self.workers {
            worker_steps(worker, &state.workers[worker], steps);
        }
        for batch in 0..self.batches {
            steps.extend(batch_steps(batch, state.batches[batch]));
        }
        for sweeper in 0..self.sweepers {
            steps.extend([Step::Find(sweeper), Step::Rescue(sweeper)]);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = *last;
        self.take(&mut next, step);
        let by_time = matches!(step, Step::TimerEnds | Step::DeadlinePasses);
        let row = &next.row;
        if !by_time && last.row.wake == Wake::Later && row.wake == Wake::Now {
            let due_again = last.row.status == BizStatus::WaitHandle && last.row.announced;
            let same_hands = last.row.status == row.status;
            if same_hands && !due_again {
                next.harm = Some(Harm::TimerCut);
            }
        }
        if row.epoch < last.row.epoch {
            next.harm = Some(Harm::EpochFell);
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::of(self)
    }
}

impl House {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn take(&self, state: &mut State, step: Step) {
        match step {
            Step::TimerEnds if state.row.wake == Wake::Later => state.row.wake = Wake::Now,
            Step::TimerEnds => {}
            Step::DeadlinePasses => state.row.deadline_passes(),
            Step::RingIsLost(Which::Present) => state.rings.present = false,
            Step::RingIsLost(Which::Old) => state.rings.old = false,
            Step::Announce => {
                if self.mark(state) {
                    state.rings.present = true;
                }
            }
            Step::Mark(relay) => {
                if self.mark(state) {
                    state.relays[relay] = Relay::Marked(state.row.epoch);
                }
            }
            Step::Ring(_) | Step::NotDelivered(_) | Step::DeliveredButReportedLost(_) => {
                ring(state, step);
            }
            Step::Retract(relay) => self.retract(state, relay),
            Step::RelayDies(relay) => state.relays[relay] = Relay::Free,
            Step::Hear(worker, which) => hear(state, worker, which),
            Step::ClaimRung(worker) => self.claim_rung(state, worker),
            Step::StoreOffset(worker) => store_offset(state, worker),
            Step::LoseOffset(worker) => state.workers[worker].ear = Ear::Free,
            Step::Scan(worker) => self.claim(state, worker, None),
            Step::Beat(worker) => self.beat(state, worker),
            Step::Settle(worker, ending, answered) => self.settle(state, worker, ending, answered),
            Step::StopByItself(worker) => state.workers[worker].hold = None,
            Step::WriteLetter(worker) => {
                state.row.letter = true;
                state.workers[worker].owes_letter = false;
            }
            Step::WorkerDies(worker) => state.workers[worker] = Worker::default(),
            Step::Find(sweeper) => state.sweepers[sweeper] |= state.row.is_overdue(),
            Step::Rescue(sweeper) => self.rescue(state, sweeper),
            Step::Cancel => self.by_a_person(state, Event::Cancel),
            Step::Redrive => self.by_a_person(state, Event::Redrive),
            Step::BatchHear(..)
            | Step::BatchScan(_)
            | Step::BatchLook(_)
            | Step::BatchRun(..)
            | Step::BatchStoreOffset(_)
            | Step::BatchLoseOffset(_)
            | Step::BatchDies(_) => self.batch(state, step),
        }
    }
}

/// The row becomes what the table says.
fn follow(state: &mut State, change: Change, raises: bool, wake: Wake) {
    let row = &mut state.row;
    row.status = change.to;
    row.cnt = change.cnt;
    row.owner = None;
    row.announced = false;
    row.wake = if change.to.is_final() {
        Wake::Never
    } else {
        wake
    };
    row.rejected = change.to == BizStatus::Failed && !change.dead_letter;
    if raises {
        row.epoch += 1;
        state.rings = Rings {
            present: false,
            old: state.rings.old || state.rings.present,
        };
    }
}

/// Everybody, step by step.
const ALL: House = House {
    workers: 2,
    relays: 2,
    sweepers: 2,
    batches: 0,
    without: None,
};

/// Two workers and two sweepers; announcing is one step.
const HANDS: House = House {
    workers: 2,
    relays: 0,
    sweepers: 2,
    batches: 0,
    without: None,
};

/// Two relays, step by step, with one worker and one sweeper.
const MARKS: House = House {
    workers: 1,
    relays: 2,
    sweepers: 1,
    batches: 0,
    without: None,
};

fn without(house: House, rule: Rule) -> House {
    House {
        without: Some(rule),
        ..house
    }
}

#[test]
fn two_relays_two_workers_and_two_sweepers_do_each_row_once_and_lose_none() {
    holds("two relays, two workers, two sweepers", ALL);
}

#[test]
fn without_the_epoch_in_a_holders_guard_a_stale_worker_writes() {
    breaks(without(HANDS, Rule::Fence), laws::ONLY_HOLDERS_WRITE);
}

#[test]
fn without_a_higher_epoch_at_the_rescue_a_stale_worker_is_told_that_its_ending_stands() {
    breaks(without(HANDS, Rule::RescueRaises), laws::TOLD_TRULY);
}

#[test]
fn without_a_higher_epoch_at_the_cancel_a_stopped_worker_is_told_that_its_ending_stands() {
    breaks(without(HANDS, Rule::CancelRaises), laws::TOLD_TRULY);
}

#[test]
fn without_a_higher_epoch_at_the_claim_two_lives_of_one_worker_are_the_same() {
    breaks(without(HANDS, Rule::ClaimRaises), laws::TIMERS_LAST);
}

#[test]
fn without_a_hard_deadline_of_its_own_an_attempt_is_over_as_it_begins() {
    let rule = Rule::ClaimBeginsDeadline;
    breaks(without(HANDS, rule), laws::TIMERS_LAST);
}

#[test]
fn without_the_epoch_in_a_claim_an_old_ring_cuts_a_backoff_short() {
    breaks(without(HANDS, Rule::RingNamesEpoch), laws::TIMERS_LAST);
}

#[test]
fn without_the_token_two_workers_take_one_claim_for_theirs() {
    breaks(without(HANDS, Rule::Token), laws::ONE_HOLDER);
}

#[test]
fn without_a_second_look_a_sweeper_takes_a_row_from_a_living_worker() {
    breaks(without(HANDS, Rule::SecondLook), laws::RESCUED_LATE);
}

#[test]
fn without_a_second_look_a_relay_marks_what_has_ended() {
    breaks(
        without(MARKS, Rule::MarkLooksAgain),
        laws::TIMERS_OF_OPEN_ROWS,
    );
}

#[test]
fn without_status_and_epoch_a_late_retraction_wakes_what_has_ended() {
    let rule = Rule::RetractNames;
    breaks(without(MARKS, rule), laws::TIMERS_OF_OPEN_ROWS);
    breaks(without(MARKS, rule), laws::TIMERS_LAST);
}

#[test]
fn a_dead_letter_after_the_row_was_given_up_can_be_forgotten() {
    breaks(without(HANDS, Rule::LetterWithRow), laws::GIVEN_UP_IS_TOLD);
}
