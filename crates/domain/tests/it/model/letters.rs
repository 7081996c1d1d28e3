//! Giving up: the row, its dead letter and the row that tells of it, two persons who redrive and
//! discard, and the row's owner who cancels and tries again. Crashes lie between any two steps; what
//! is one transaction is one step.

use domain::{
    BizStatus, DeadLetterAct, DeadLetterSource, DeadLetterStatus, Event, FailureKind, RowState,
    transition,
};
use stateright::{Model, Property};

use super::{breaks, holds};

/// Times that the row is given up, after which nobody puts it back any more.
const MOST_LETTERS: usize = 3;

const ONE_EACH: &str = "each giving-up of a row of work has exactly one letter";
const TOLD: &str = "an open letter has a row that will tell of it, or was told of";
const ACTED_ONCE: &str = "a letter is acted upon once";
const WAITS_FOR_THE_DEAD: &str = "a letter waits only as long as its row stands FAILED";

/// A rule that a negative model leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The letter is written in the transaction that gives the row up.
    SameTransaction,
    /// A DEAD_LETTER row that is given up is parked.
    Parked,
    /// Who acts looks again, under the lock, whether the letter is open.
    StillOpen,
    /// Whoever puts the row back marks its letters in the same transaction.
    Marked,
}

struct Desk {
    without: Option<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Letter {
    standing: DeadLetterStatus,
    /// Of the DEAD_LETTER row on the lane's `.dlt`.
    teller: (BizStatus, u32),
    told: bool,
    acts: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    row: (BizStatus, u32),
    given_up: usize,
    letters: Vec<Letter>,
    /// The worker that gave up has yet to write the letter.
    owed: bool,
    /// The letter that each person has on the screen, as open.
    seen: [Option<usize>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Row(Event),
    WriteLetter,
    WorkerDies,
    Teller(usize, Event),
    Look(usize, usize),
    Act(usize, DeadLetterAct),
    /// The owner has the row tried again.
    TryAgain,
}

const LIFE: [Event; 6] = [
    Event::Claim,
    Event::Finish,
    Event::Fail(FailureKind::Transient),
    Event::Fail(FailureKind::Permanent),
    Event::Fail(FailureKind::Rejected),
    Event::Rescue {
        deadline_passed: false,
    },
];

const MAX_CNT: u32 = 1;

impl Model for Desk {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            row: (BizStatus::WaitHandle, 0),
            given_up: 0,
            letters: Vec::new(),
            owed: false,
            seen: [None; 2],
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        steps.extend(LIFE.map(Step::Row));
        steps.push(Step::Row(Event::Cancel));
        if state.given_up < MOST_LETTERS {
            steps.push(Step::TryAgain);
        }
        if state.owed {
            steps.extend([Step::WriteLetter, Step::WorkerDies]);
        }
        for (letter, stands) in state.letters.iter().enumerate() {
            if !stands.teller.0.is_final() {
                steps.extend(LIFE.map(|event| Step::Teller(letter, event)));
            }
            if stands.standing.waits() {
                steps.extend([0, 1].map(|person| Step::Look(person, letter)));
            }
        }
        for person in [0, 1] {
            if state.seen[person].is_some() {
                steps.push(Step::Act(person, DeadLetterAct::Discard));
                if state.given_up < MOST_LETTERS {
                    steps.push(Step::Act(person, DeadLetterAct::Redrive));
                }
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = last.clone();
        match step {
            Step::Row(event) => self.settle(&mut next, event)?,
            Step::WriteLetter => {
                next.owed = false;
                next.letters.push(Letter::new());
            }
            Step::WorkerDies => next.owed = false,
            Step::Teller(letter, event) => self.tell(&mut next, letter, event)?,
            Step::Look(person, letter) => next.seen[person] = Some(letter),
            Step::Act(person, act) => self.act(&mut next, person, act)?,
            Step::TryAgain => self.put_back(&mut next, None)?,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(ONE_EACH, |_, state| {
                state.letters.len() + usize::from(state.owed) == state.given_up
            }),
            Property::<Self>::always(TOLD, |_, state| {
                let mut open = state
                    .letters
                    .iter()
                    .filter(|row| row.standing == DeadLetterStatus::Open);
                open.all(|letter| letter.told || !letter.teller.0.is_final())
            }),
            Property::<Self>::always(ACTED_ONCE, |_, state| {
                state.letters.iter().all(|letter| letter.acts <= 1)
            }),
            Property::<Self>::always(WAITS_FOR_THE_DEAD, |_, state| {
                let waits = state.letters.iter().any(|row| row.standing.waits());
                !waits || state.row.0 == BizStatus::Failed
            }),
            Property::<Self>::sometimes("an owner cancels what a person looks at", |_, state| {
                state.seen[0].is_some() && state.row.0 == BizStatus::Cancelled
            }),
            Property::<Self>::sometimes("a letter is parked", |_, state| {
                state
                    .letters
                    .iter()
                    .any(|letter| letter.standing == DeadLetterStatus::Parked)
            }),
            Property::<Self>::sometimes("two persons look at one letter", |_, state| {
                state.seen[0].is_some() && state.seen[0] == state.seen[1]
            }),
            Property::<Self>::sometimes(
                "the row is done after its third letter's redrive",
                |_, state| {
                    state.row.0 == BizStatus::Success && state.letters.len() == MOST_LETTERS - 1
                },
            ),
            Property::<Self>::sometimes("a rejected row has no letter", |_, state| {
                state.row.0 == BizStatus::Failed && state.given_up == 0
            }),
        ]
    }
}

impl Desk {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn settle(&self, state: &mut State, event: Event) -> Option<()> {
        let change = transition(stands(state.row), event).ok()?;
        state.row = (change.to, change.cnt);
        if change.dead_letter {
            state.given_up += 1;
            if self.keeps(Rule::SameTransaction) {
                state.letters.push(Letter::new());
            } else {
                state.owed = true;
            }
        }
        Some(())
    }

    fn tell(&self, state: &mut State, number: usize, event: Event) -> Option<()> {
        let letter = &mut state.letters[number];
        let change = transition(stands(letter.teller), event).ok()?;
        letter.teller = (change.to, change.cnt);
        letter.told |= change.to == BizStatus::Success;
        if change.to == BizStatus::Failed && !self.keeps(Rule::Parked) {
            state.letters.push(Letter::new());
        } else if change.to == BizStatus::Failed && letter.standing == DeadLetterStatus::Open {
            letter.standing = DeadLetterStatus::Parked;
        }
        Some(())
    }

    fn act(&self, state: &mut State, person: usize, act: DeadLetterAct) -> Option<()> {
        let number = state.seen[person].take()?;
        let letter = &mut state.letters[number];
        let allowed = DeadLetterAct::allowed(DeadLetterSource::Row, letter.standing);
        if !allowed.contains(&act) && self.keeps(Rule::StillOpen) {
            return Some(());
        }
        match act {
            DeadLetterAct::Redrive => self.put_back(state, Some(number))?,
            DeadLetterAct::Discard => {
                letter.standing = DeadLetterStatus::Discarded;
                letter.acts += 1;
            }
        }
        Some(())
    }

    /// Puts the row back, for this letter or by its owner.
    fn put_back(&self, state: &mut State, by: Option<usize>) -> Option<()> {
        let change = transition(stands(state.row), Event::Redrive).ok()?;
        state.row = (change.to, change.cnt);
        for (number, letter) in state.letters.iter_mut().enumerate() {
            let marked = letter.standing.waits() && self.keeps(Rule::Marked);
            if marked || by == Some(number) {
                letter.standing = DeadLetterStatus::Redriven;
                letter.acts += 1;
            }
        }
        Some(())
    }
}

impl Letter {
    fn new() -> Self {
        let teller = (BizStatus::WaitHandle, 0);
        Self {
            standing: DeadLetterStatus::Open,
            teller,
            told: false,
            acts: 0,
        }
    }
}

fn stands((status, cnt): (BizStatus, u32)) -> RowState {
    RowState {
        status,
        cnt,
        max_cnt: MAX_CNT,
    }
}

fn without(rule: Rule) -> Desk {
    Desk {
        without: Some(rule),
    }
}

#[test]
fn what_is_given_up_is_told_of_once_and_acted_upon_once() {
    holds("giving up", Desk { without: None });
}

#[test]
fn a_dead_letter_after_forget_is_never_written() {
    breaks(without(Rule::SameTransaction), ONE_EACH);
}

#[test]
fn a_letters_own_row_that_is_not_parked_makes_letters_of_letters() {
    breaks(without(Rule::Parked), ONE_EACH);
}

#[test]
fn a_letter_that_is_not_looked_at_again_is_acted_upon_twice() {
    breaks(without(Rule::StillOpen), ACTED_ONCE);
}

#[test]
fn a_retry_that_leaves_the_letters_lets_them_wait_for_what_goes_on() {
    breaks(without(Rule::Marked), WAITS_FOR_THE_DEAD);
}
