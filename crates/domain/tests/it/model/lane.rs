//! One partition of a lane, two members of its consumer group: what is acknowledged has been dealt
//! with, whoever dies and whenever the partition moves. Rows would be found by the scan all the same;
//! a message that is no ring has nobody else, so it is this law that keeps it.

use domain::{BizStatus, Event, RowState, transition};
use stateright::{Model, Property};

use super::{breaks, holds};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Ring(usize),
    NoRing,
}

/// Both rows, one of them rung twice, and something that is no ring between them.
const LOG: [Message; 4] = [
    Message::Ring(0),
    Message::NoRing,
    Message::Ring(0),
    Message::Ring(1),
];

const EVERYTHING_IS_DEALT_WITH: &str = "what is acknowledged was dealt with";
const CLAIMED_ONCE: &str = "each row is claimed once";

/// The lane's rules, and whether offsets are stored before the claim.
struct Partition {
    offset_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    /// The oldest message in hand.
    at: usize,
    dealt_with: bool,
    acknowledged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The first message that comes again.
    committed: usize,
    members: [Option<Member>; 2],
    rows: [BizStatus; 2],
    claims: [u8; 2],
    letters: u8,
    /// Which messages were dealt with.
    dealt_with: [bool; LOG.len()],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The member gets the partition; the other may go on with what it has in hand.
    Join(usize),
    DealWith(usize),
    StoreOffset(usize),
    /// The offset is kept in memory; a later one will be committed.
    Next(usize),
    Die(usize),
}

impl Model for Partition {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            committed: 0,
            members: [None; 2],
            rows: [BizStatus::WaitHandle; 2],
            claims: [0; 2],
            letters: 0,
            dealt_with: [false; LOG.len()],
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (number, member) in state.members.iter().enumerate() {
            let Some(member) = member else {
                steps.push(Step::Join(number));
                continue;
            };
            steps.push(Step::Die(number));
            if member.at == LOG.len() {
                continue;
            }
            if !member.dealt_with && (member.acknowledged || !self.offset_first) {
                steps.push(Step::DealWith(number));
            }
            if !member.acknowledged && (member.dealt_with || self.offset_first) {
                steps.push(Step::StoreOffset(number));
            }
            if member.dealt_with {
                steps.push(Step::Next(number));
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = *last;
        match step {
            Step::Join(number) => next.members[number] = Some(Member::beginning_at(last.committed)),
            Step::Die(number) => next.members[number] = None,
            Step::DealWith(number) => {
                let member = next.members[number].as_mut()?;
                member.dealt_with = true;
                let at = member.at;
                next.deal_with(at);
            }
            Step::StoreOffset(number) => {
                let member = next.members[number].as_mut()?;
                member.acknowledged = true;
                // The last word counts, also of a member that has lost the partition.
                next.committed = member.at + 1;
            }
            Step::Next(number) => {
                let member = next.members[number].as_mut()?;
                *member = Member::beginning_at(member.at + 1);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(EVERYTHING_IS_DEALT_WITH, |_, state| {
                (0..state.committed).all(|at| state.dealt_with[at] || state.is_in_hand(at))
            }),
            Property::<Self>::always(CLAIMED_ONCE, |_, state| {
                state.claims.iter().all(|claims| *claims <= 1)
            }),
            Property::<Self>::sometimes("a message is dealt with twice", |_, state| {
                state.letters > 1
            }),
            Property::<Self>::sometimes("all is done and acknowledged", |_, state| {
                state.committed == LOG.len() && state.claims == [1, 1] && state.letters == 1
            }),
            Property::<Self>::sometimes("an offset goes back", |_, state| {
                state.dealt_with == [true; LOG.len()] && state.committed == 1
            }),
        ]
    }
}

impl Member {
    fn beginning_at(at: usize) -> Self {
        Self {
            at,
            dealt_with: false,
            acknowledged: false,
        }
    }
}

impl State {
    fn deal_with(&mut self, at: usize) {
        self.dealt_with[at] = true;
        match LOG[at] {
            Message::NoRing => self.letters = (self.letters + 1).min(2),
            Message::Ring(row) => {
                let stands = RowState {
                    status: self.rows[row],
                    cnt: 0,
                    max_cnt: 0,
                };
                if let Ok(change) = transition(stands, Event::Claim) {
                    self.rows[row] = change.to;
                    self.claims[row] += 1;
                }
            }
        }
    }

    fn is_in_hand(&self, at: usize) -> bool {
        let members = self.members.iter().flatten();
        members.into_iter().any(|member| member.at <= at)
    }
}

#[test]
fn what_a_lane_acknowledges_was_claimed_or_set_aside_before() {
    holds(
        "one partition",
        Partition {
            offset_first: false,
        },
    );
}

#[test]
fn an_offset_stored_before_the_claim_loses_a_message() {
    let early = Partition { offset_first: true };
    breaks(early, EVERYTHING_IS_DEALT_WITH);
}
