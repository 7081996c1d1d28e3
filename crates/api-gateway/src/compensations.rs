//! `/compensations` and `/compensation-groups`: business work of any service. Proven by
//! `tests/it/compensations.rs`.

mod acts;
mod body;
mod gather;
mod item;
mod read;
mod submit;
mod view;

use std::collections::{BTreeMap, HashMap};

use domain::{HandlerCatalog, Lane};
use engine::RelayLane;
use store::{Announced, CompensationReach};

use crate::auth::Caller;
use crate::state::State;

pub(crate) use acts::{__path_cancel, __path_retry, cancel, retry};
pub(crate) use gather::Gatherer;
pub(crate) use read::{__path_group, __path_list, __path_show, group, list, show};
pub(crate) use submit::{__path_submit, submit};

impl Caller {
    /// Whose business work the caller sees: for operators their tenants', for others what they
    /// submitted themselves.
    fn compensations(&self, state: &State) -> CompensationReach {
        if self.is_operator() {
            return CompensationReach {
                tenants: self.looks_after(state),
                user: None,
            };
        }
        CompensationReach {
            tenants: vec![self.tenant.clone()],
            user: Some(self.user.clone()),
        }
    }
}

/// Rows in one ring of each lane of business work: no more than are worked on together.
pub(crate) fn ring_sizes(handlers: &HandlerCatalog) -> HashMap<Lane, usize> {
    let lanes = handlers.iter().flat_map(RelayLane::of);
    lanes.map(|lane| (lane.lane, lane.ring_size)).collect()
}

/// Rings what was born announced, in the background: rows of one lane together.
fn ring(state: &State, rows: Vec<(Lane, Announced)>) {
    let mut of_lane: BTreeMap<Lane, Vec<Announced>> = BTreeMap::new();
    for (lane, row) in rows {
        of_lane.entry(lane).or_default().push(row);
    }
    let mut rings = Vec::new();
    for (lane, rows) in of_lane {
        let size = state.ring_sizes.get(&lane).copied().unwrap_or(1);
        for rows in rows.chunks(size) {
            rings.push((lane.clone(), rows.to_vec()));
        }
    }
    state.announcer.announce_rings(rings);
}
