//! What may happen next.

use domain::{Event, FailureKind};

use super::standing::{Ear, Relay, Worker};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Present,
    Old,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    TimerEnds,
    DeadlinePasses,
    RingIsLost(Which),
    /// Marked and rung at once, where no relay is modelled step by step.
    Announce,
    Mark(usize),
    Ring(usize),
    NotDelivered(usize),
    DeliveredButReportedLost(usize),
    Retract(usize),
    RelayDies(usize),
    Hear(usize, Which),
    ClaimRung(usize),
    StoreOffset(usize),
    /// Its partition goes to another member before the offset is stored: the ring comes again.
    LoseOffset(usize),
    Scan(usize),
    Beat(usize),
    /// The ending, and whether its answer arrives.
    Settle(usize, Event, bool),
    /// Heartbeats failed for two thirds of the lease.
    StopByItself(usize),
    WriteLetter(usize),
    WorkerDies(usize),
    Find(usize),
    Rescue(usize),
    Cancel,
    Redrive,
    BatchHear(usize, Which),
    BatchScan(usize),
    BatchLook(usize),
    /// The ending, and whether its answer arrives.
    BatchRun(usize, Event, bool),
    BatchStoreOffset(usize),
    BatchLoseOffset(usize),
    BatchDies(usize),
}

const ENDINGS: [Event; 5] = [
    Event::Finish,
    Event::Fail(FailureKind::Transient),
    Event::Fail(FailureKind::Permanent),
    Event::Fail(FailureKind::Rejected),
    Event::HandBack,
];

pub(super) fn relay_steps(relay: usize, stands: Relay) -> Vec<Step> {
    match stands {
        Relay::Free => vec![Step::Mark(relay)],
        Relay::Marked(_) => vec![
            Step::Ring(relay),
            Step::NotDelivered(relay),
            Step::DeliveredButReportedLost(relay),
            Step::RelayDies(relay),
        ],
        Relay::Undelivered(_) => vec![Step::Retract(relay), Step::RelayDies(relay)],
    }
}

pub(super) fn worker_steps(number: usize, worker: &Worker, steps: &mut Vec<Step>) {
    match worker.ear {
        Ear::Free => {
            steps.extend([Which::Present, Which::Old].map(|ring| Step::Hear(number, ring)))
        }
        Ear::Heard(_) => steps.push(Step::ClaimRung(number)),
        Ear::Answered(_) => {
            steps.extend([Step::StoreOffset(number), Step::LoseOffset(number)]);
        }
    }
    if worker.hold.is_some() {
        steps.extend([Step::Beat(number), Step::StopByItself(number)]);
        for ending in ENDINGS {
            steps.extend([true, false].map(|answered| Step::Settle(number, ending, answered)));
        }
    } else {
        steps.push(Step::Scan(number));
    }
    if worker.owes_letter {
        steps.push(Step::WriteLetter(number));
    }
    steps.push(Step::WorkerDies(number));
}
