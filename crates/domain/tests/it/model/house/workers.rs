//! What workers do: hear, claim, beat, settle.

use domain::{BizStatus, Event, transition};

use super::standing::{Ear, Ended, Harm, Hold, State, Wake};
use super::step::Which;
use super::{House, Rule, follow};

impl House {
    pub(super) fn claim_rung(&self, state: &mut State, worker: usize) {
        let Ear::Heard(epoch) = state.workers[worker].ear else {
            return;
        };
        // Without a free permit it waits.
        if state.workers[worker].hold.is_none() {
            self.claim(state, worker, Some(epoch));
            state.workers[worker].ear = Ear::Answered(epoch);
        }
    }

    pub(super) fn claim(&self, state: &mut State, worker: usize, ring: Option<u32>) {
        let row = &mut state.row;
        let meant = match ring {
            Some(epoch) => epoch == row.epoch || !self.keeps(Rule::RingNamesEpoch),
            None => row.wake == Wake::Now,
        };
        let change = transition(row.stands(), Event::Claim)
            .ok()
            .filter(|_| meant);
        if let Some(change) = change {
            if !row.announced && row.wake == Wake::Later {
                state.harm = Some(Harm::TimerCut);
            }
            let raises = change.raises_epoch && self.keeps(Rule::ClaimRaises);
            follow(state, change, raises, Wake::Later);
            state
                .row
                .begin(worker, self.keeps(Rule::ClaimBeginsDeadline));
            if state.row.wake == Wake::Now {
                state.harm = Some(Harm::TimerCut);
            }
        }
        let others = state.row.status == BizStatus::Processing && !self.keeps(Rule::Token);
        if change.is_some() || others {
            let epoch = state.row.epoch;
            state.workers[worker].hold = Some(Hold {
                epoch,
                ended: Ended::No,
            });
        }
    }

    /// Whether a write of the worker passes the guard; records it when the worker does not hold.
    fn passes(&self, state: &mut State, worker: usize) -> bool {
        let holds = state.holds(worker);
        let is_held = state.row.status == BizStatus::Processing;
        let passes = holds || (is_held && !self.keeps(Rule::Fence));
        if passes && !holds {
            state.harm = Some(Harm::StaleWrite);
        }
        passes
    }

    pub(super) fn beat(&self, state: &mut State, worker: usize) {
        if !self.passes(state, worker) {
            state.workers[worker].hold = None;
        } else if !state.row.late {
            state.row.wake = Wake::Later;
        }
    }

    pub(super) fn settle(&self, state: &mut State, worker: usize, ending: Event, answered: bool) {
        let Some(hold) = state.workers[worker].hold else {
            return;
        };
        if !self.passes(state, worker) {
            return told_of_before(state, worker, hold, ending);
        }
        let Ok(change) = transition(state.row.stands(), ending) else {
            return;
        };
        let waits = matches!(ending, Event::Fail(_));
        let wake = if waits { Wake::Later } else { Wake::Now };
        follow(state, change, change.raises_epoch, wake);
        state.row.effects += u8::from(ending == Event::Finish);
        if change.dead_letter {
            state.row.letter = self.keeps(Rule::LetterWithRow);
            state.workers[worker].owes_letter = !state.row.letter;
        }
        state.workers[worker].hold = if answered {
            None
        } else if ending == Event::Finish {
            Some(Hold {
                ended: Ended::Finished,
                ..hold
            })
        } else {
            Some(Hold {
                ended: Ended::Otherwise,
                ..hold
            })
        };
    }
}

pub(super) fn hear(state: &mut State, worker: usize, which: Which) {
    let ear = &mut state.workers[worker].ear;
    match which {
        Which::Present if state.rings.present => *ear = Ear::Heard(state.row.epoch),
        Which::Old if state.rings.old => *ear = Ear::Heard(state.row.epoch - 1),
        Which::Present | Which::Old => {}
    }
}

pub(super) fn store_offset(state: &mut State, worker: usize) {
    let Ear::Answered(epoch) = state.workers[worker].ear else {
        return;
    };
    state.workers[worker].ear = Ear::Free;
    state.rings.are_read(epoch == state.row.epoch);
}

/// What `settled_before` answers a holder that asks about a row which it does not hold (any more).
fn told_of_before(state: &mut State, worker: usize, hold: Hold, ending: Event) {
    let row = &state.row;
    let stands = row.status != BizStatus::Processing && row.epoch == hold.epoch;
    // To have been handed back by oneself or by a sweeper is the same.
    if stands && hold.ended == Ended::No && ending != Event::HandBack {
        state.harm = Some(Harm::ToldThatItStands);
    }
    if !stands && hold.ended == Ended::Finished {
        state.harm = Some(Harm::ToldThatItIsLost);
    }
    state.workers[worker].hold = None;
}
