//! How all stand.

use std::hash::{Hash, Hasher};

use domain::{BizStatus, RowState};

/// Failures that may be followed by another try.
const MAX_CNT: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wake {
    Never,
    Later,
    Now,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) status: BizStatus,
    pub(super) cnt: u32,
    pub(super) epoch: u32,
    pub(super) owner: Option<usize>,
    pub(super) announced: bool,
    pub(super) wake: Wake,
    /// Its hard deadline has passed.
    pub(super) late: bool,
    /// Committed effects, over all its runs.
    pub(super) effects: u8,
    /// An open dead letter tells of it.
    pub(super) letter: bool,
    /// It was given up by the user's own fault.
    pub(super) rejected: bool,
    /// A person has put it back.
    pub(super) again: bool,
}

/// Rings under way: of the row's present epoch, and older ones. As a set, because any of them may
/// come twice anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rings {
    pub(super) present: bool,
    pub(super) old: bool,
}

impl Rings {
    /// The offset of one was stored: it does not come again. Another of the same epoch may have been
    /// sent, so it may also stay.
    pub(super) fn are_read(&mut self, present: bool) {
        if present {
            self.present = false;
        } else {
            self.old = false;
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ear {
    #[default]
    Free,
    /// A ring of this epoch is in hand.
    Heard(u32),
    /// It was answered; its offset is not stored.
    Answered(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ended {
    No,
    Finished,
    Otherwise,
}

/// A worker's belief that it holds the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) epoch: u32,
    /// What it has committed without hearing the answer.
    pub(super) ended: Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) ear: Ear,
    pub(super) hold: Option<Hold>,
    /// A dead letter that it is yet to write.
    pub(super) owes_letter: bool,
}

/// A bulk worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) ear: Ear,
    /// The epoch at which it saw the row wait.
    pub(super) looked: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Relay {
    #[default]
    Free,
    /// The mark is committed; the ring is not sent.
    Marked(u32),
    /// The ring was reported as not delivered.
    Undelivered(u32),
}

/// A step that no rule of the house allows, recorded where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Harm {
    StaleWrite,
    TimerCut,
    ToldThatItStands,
    ToldThatItIsLost,
    RescuedInTime,
    EpochFell,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) row: Row,
    pub(super) rings: Rings,
    pub(super) workers: [Worker; 2],
    pub(super) relays: [Relay; 2],
    /// Which of them have found the row and not yet locked it.
    pub(super) sweepers: [bool; 2],
    pub(super) batches: [Batch; 2],
    pub(super) harm: Option<Harm>,
}

impl Row {
    pub(super) fn stands(&self) -> RowState {
        RowState {
            status: self.status,
            cnt: self.cnt,
            max_cnt: MAX_CNT,
        }
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.status == BizStatus::Processing && self.wake == Wake::Now
    }

    pub(super) fn mark(&mut self) -> bool {
        let waits = self.status == BizStatus::WaitHandle && !self.announced;
        let is_due = waits && self.wake == Wake::Now;
        if is_due {
            self.announced = true;
            self.wake = Wake::Later;
        }
        is_due
    }

    /// With a hard deadline of its own, unless it keeps the one before.
    pub(super) fn begin(&mut self, worker: usize, with_its_own: bool) {
        self.owner = Some(worker);
        self.announced = true;
        self.late &= !with_its_own;
        if self.late {
            self.wake = Wake::Now;
        }
    }

    /// A lease never goes past the hard deadline.
    pub(super) fn deadline_passes(&mut self) {
        if !self.status.is_final() {
            self.late = true;
            if self.status == BizStatus::Processing {
                self.wake = Wake::Now;
            }
        }
    }
}

impl State {
    /// Whether the row is this worker's by all that the database knows.
    pub(super) fn holds(&self, worker: usize) -> bool {
        let row = &self.row;
        let epoch = self.workers[worker].hold.map(|hold| hold.epoch);
        row.status == BizStatus::Processing && row.owner == Some(worker) && epoch == Some(row.epoch)
    }

    /// What the house's steps can tell apart: of an epoch, whether it is the row's; of workers, relays
    /// and sweepers, how many stand where.
    fn seen(&self) -> impl Hash + PartialEq + use<> {
        let row = self.row;
        let is_old = |epoch: u32| epoch < row.epoch;
        let ear_of = |ear: Ear| match ear {
            Ear::Free => 0_u8,
            Ear::Heard(epoch) => 1 + u8::from(is_old(epoch)),
            Ear::Answered(epoch) => 3 + u8::from(is_old(epoch)),
        };
        let mut workers = [0, 1].map(|number: usize| {
            let worker = self.workers[number];
            let hold = worker.hold.map_or(0, |hold| {
                1 + 3 * u8::from(is_old(hold.epoch)) + hold.ended as u8
            });
            (
                ear_of(worker.ear),
                hold,
                row.owner == Some(number),
                worker.owes_letter,
            )
        });
        workers.sort_unstable();
        let mut relays = self.relays.map(|relay| match relay {
            Relay::Free => 0_u8,
            Relay::Marked(epoch) => 1 + u8::from(is_old(epoch)),
            Relay::Undelivered(epoch) => 3 + u8::from(is_old(epoch)),
        });
        relays.sort_unstable();
        let mut sweepers = self.sweepers;
        sweepers.sort_unstable();
        let mut batches = self.batches.map(|batch| {
            let looked = batch
                .looked
                .map_or(0_u8, |epoch| 1 + u8::from(is_old(epoch)));
            (ear_of(batch.ear), looked)
        });
        batches.sort_unstable();
        (
            (row.status, row.cnt, row.announced, row.wake, row.late),
            (row.effects, row.letter, row.rejected, row.again),
            (self.rings, workers, relays, sweepers, batches, self.harm),
        )
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.seen().hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.seen() == other.seen()
    }
}
