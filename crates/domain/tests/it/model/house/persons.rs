//! What sweepers and persons do.

use domain::{Event, transition};

use super::standing::{Harm, State, Wake};
use super::{House, Rule, follow};

impl House {
    pub(super) fn rescue(&self, state: &mut State, sweeper: usize) {
        if !std::mem::take(&mut state.sweepers[sweeper]) {
            return;
        }
        let in_time = !state.row.is_overdue();
        if in_time && self.keeps(Rule::SecondLook) {
            return;
        }
        let deadline_passed = state.row.late;
        let event = Event::Rescue { deadline_passed };
        if let Ok(change) = transition(state.row.stands(), event) {
            if in_time {
                state.harm = Some(Harm::RescuedInTime);
            }
            let raises = change.raises_epoch && self.keeps(Rule::RescueRaises);
            follow(state, change, raises, Wake::Now);
            state.row.letter |= change.dead_letter;
        }
    }

    pub(super) fn by_a_person(&self, state: &mut State, event: Event) {
        let Ok(change) = transition(state.row.stands(), event) else {
            return;
        };
        let cancels = event == Event::Cancel;
        let raises = change.raises_epoch && (!cancels || self.keeps(Rule::CancelRaises));
        follow(state, change, raises, Wake::Later);
        if !cancels {
            state.row.announced = true;
            state.row.letter = false;
            state.row.again = true;
            state.rings.present = true;
        }
    }
}
