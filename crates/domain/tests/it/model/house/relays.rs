//! What relays do: mark, ring, take back.

use domain::BizStatus;

use super::standing::{Relay, State, Wake};
use super::step::Step;
use super::{House, Rule};

impl House {
    /// Whether the row was marked.
    pub(super) fn mark(&self, state: &mut State) -> bool {
        if self.keeps(Rule::MarkLooksAgain) {
            return state.row.mark();
        }
        state.row.announced = true;
        state.row.wake = Wake::Later;
        true
    }

    pub(super) fn retract(&self, state: &mut State, relay: usize) {
        let Relay::Undelivered(epoch) = state.relays[relay] else {
            return;
        };
        state.relays[relay] = Relay::Free;
        let row = &mut state.row;
        let waits = row.status == BizStatus::WaitHandle && row.announced;
        if !self.keeps(Rule::RetractNames) || (waits && row.epoch == epoch) {
            row.announced = false;
            row.wake = Wake::Now;
        }
    }
}

pub(super) fn ring(state: &mut State, step: Step) {
    let (relay, arrives, reported) = match step {
        Step::Ring(relay) => (relay, true, true),
        Step::NotDelivered(relay) => (relay, false, false),
        Step::DeliveredButReportedLost(relay) => (relay, true, false),
        _ => return,
    };
    let Relay::Marked(epoch) = state.relays[relay] else {
        return;
    };
    if arrives && epoch == state.row.epoch {
        state.rings.present = true;
    } else if arrives {
        state.rings.old = true;
    }
    state.relays[relay] = if reported {
        Relay::Free
    } else {
        Relay::Undelivered(epoch)
    };
}
