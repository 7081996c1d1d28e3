//! How a process's lanes stand, as their workers last saw it: for its readiness detail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Lane, LaneState};
use store::LaneStanding;

/// Where the workers of a process note how they found their lanes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LaneBoard(Arc<Mutex<BTreeMap<Lane, LaneStanding>>>);

impl LaneBoard {
    /// The state of all lanes in a word, and what is to be said of those that are not worked on.
    #[must_use]
    pub fn told(&self) -> (&'static str, Option<String>) {
        let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shut = lanes.values().filter(|it| it.state != LaneState::Open);
        let told: Vec<String> = shut.map(tell).collect();
        if told.is_empty() {
            ("open", None)
        } else {
            ("paused", Some(told.join("; ")))
        }
    }

    pub(crate) fn note(&self, standing: LaneStanding) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(standing.lane.clone(), standing);
    }
}

fn tell(standing: &LaneStanding) -> String {
    let LaneStanding {
        lane,
        state,
        reason,
        paused_by,
        ..
    } = standing;
    let by = paused_by.as_deref().unwrap_or("itself");
    let reason = reason.as_deref().unwrap_or("no reason given");
    format!("{lane} is {state}, paused by {by}: {reason}")
}
