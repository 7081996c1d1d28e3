//! What somebody may do, drawn at random.

use std::time::Duration;

use domain::{DeadLetterAct, Event, FailureKind};
use proptest::prelude::*;

use super::batch::{Refuses, refuses};
use super::club::LEASE;

/// One thing that somebody may do. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A worker hears a ring of these members, each of this age.
    Ring(Vec<(usize, Age)>, Held),
    Scan(usize, Held),
    /// A bulk worker hears a ring, or scans.
    RungBatch(Vec<(usize, Age)>, Refuses),
    DueBatch(usize, Refuses),
    Beat(usize, Held),
    Settle(usize, End),
    Sweep(usize),
    Relay(usize),
    Retract(usize, Age),
    Cancel(usize),
    Retry(usize),
    /// An operator acts on a letter of the member's: the newest, or one so many before.
    Letter(usize, usize, DeadLetterAct),
    /// The member's timer ends.
    TimePasses(usize),
    ClaimFollowUp(usize),
    FinishFollowUp(usize),
}

/// What epoch a ring names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Age {
    Present,
    Old,
    /// A forged one.
    Ahead,
}

/// How long a lease lasts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held {
    Long,
    /// It has ended already when it is granted.
    NoTime,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Finish,
    Fail(FailureKind, Held),
    HandBack,
}

fn age() -> impl Strategy<Value = Age> {
    prop_oneof![6 => Just(Age::Present), 2 => Just(Age::Old), 1 => Just(Age::Ahead)]
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![2 => Just(Held::Long), 1 => Just(Held::NoTime)]
}

fn end() -> impl Strategy<Value = End> {
    use FailureKind::{Permanent, Rejected, Transient};
    prop_oneof![
        4 => Just(End::Finish),
        2 => Just(End::HandBack),
        3 => held().prop_map(|delay| End::Fail(Transient, delay)),
        2 => Just(End::Fail(Permanent, Held::Long)),
        1 => Just(End::Fail(Rejected, Held::Long)),
    ]
}

fn on_a_letter() -> impl Strategy<Value = DeadLetterAct> {
    prop_oneof![3 => Just(DeadLetterAct::Redrive), 1 => Just(DeadLetterAct::Discard)]
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let any = || 0..60_usize;
    prop_oneof![
        5 => (prop::collection::vec((any(), age()), 1..4), held())
            .prop_map(|(rows, held)| Act::Ring(rows, held)),
        3 => (1..4_usize, held()).prop_map(|(limit, held)| Act::Scan(limit, held)),
        3 => (prop::collection::vec((any(), age()), 1..4), refuses())
            .prop_map(|(rows, refuses)| Act::RungBatch(rows, refuses)),
        2 => (1..4_usize, refuses()).prop_map(|(limit, refuses)| Act::DueBatch(limit, refuses)),
        2 => (any(), held()).prop_map(|(hold, held)| Act::Beat(hold, held)),
        9 => (any(), end()).prop_map(|(hold, end)| Act::Settle(hold, end)),
        3 => (1..4_usize).prop_map(Act::Sweep),
        2 => (1..4_usize).prop_map(Act::Relay),
        1 => (any(), age()).prop_map(|(row, age)| Act::Retract(row, age)),
        2 => any().prop_map(Act::Cancel),
        2 => any().prop_map(Act::Retry),
        4 => (any(), prop_oneof![3 => Just(0), 1 => Just(1_usize)], on_a_letter())
            .prop_map(|(member, back, act)| Act::Letter(member, back, act)),
        3 => any().prop_map(Act::TimePasses),
        3 => any().prop_map(Act::ClaimFollowUp),
        2 => any().prop_map(Act::FinishFollowUp),
    ]
}

impl Held {
    pub(super) fn lasts(self) -> Duration {
        match self {
            Self::Long => LEASE,
            Self::NoTime => Duration::ZERO,
        }
    }
}

impl End {
    pub(super) fn event(self) -> Event {
        match self {
            Self::Finish => Event::Finish,
            Self::Fail(kind, _) => Event::Fail(kind),
            Self::HandBack => Event::HandBack,
        }
    }
}
