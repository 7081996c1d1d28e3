//! `/compensations` and `/compensation-groups`: business work of any service. Proven by
//! `tests/it/compensations.rs`.

mod acts;
mod body;
mod call_hash;
mod gather;
mod item;
mod read;
mod share;
mod submit;
mod view;

use std::collections::{BTreeMap, HashMap};

use domain::{HandlerCatalog, Lane};
use engine::{Announcer, RelayLane};
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

/// Rings rows of business work, those of one lane together.
pub(crate) struct Bell {
    announcer: Announcer,
    /// Rows in one ring of each lane: no more than are worked on together.
    sizes: HashMap<Lane, usize>,
}

impl Bell {
    pub(crate) fn new(announcer: Announcer, handlers: &HandlerCatalog) -> Self {
        let lanes = handlers.iter().flat_map(RelayLane::of);
        Self {
            announcer,
            sizes: lanes.map(|lane| (lane.lane, lane.ring_size)).collect(),
        }
    }

    /// Rings what was born announced, in the background.
    fn ring(&self, rows: Vec<(Lane, Announced)>) {
        let mut of_lane: BTreeMap<Lane, Vec<Announced>> = BTreeMap::new();
        for (lane, row) in rows {
            of_lane.entry(lane).or_default().push(row);
        }
        let mut rings = Vec::new();
        for (lane, rows) in of_lane {
            let size = self.sizes.get(&lane).copied().unwrap_or(1);
            for rows in rows.chunks(size) {
                rings.push((lane.clone(), rows.to_vec()));
            }
        }
        self.announcer.announce_rings(rings);
    }
}
