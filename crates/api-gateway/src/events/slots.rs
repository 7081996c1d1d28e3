//! How many streams may be open: per user, so that one cannot take them all, and per process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::book::Owner;

/// Counts open streams.
pub(super) struct Slots {
    per_user: usize,
    per_process: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by_user: HashMap<Owner, usize>,
    all: usize,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// This user has as many as one may have.
    User,
    /// The process has as many as it may have.
    Process,
}

impl Slots {
    pub(super) fn new(per_user: usize, per_process: usize) -> Self {
        Self {
            per_user,
            per_process,
            taken: Mutex::default(),
        }
    }

    /// Takes a slot until it is dropped.
    pub(super) fn take(self: &Arc<Self>, owner: Owner, kind: &'static str) -> Result<Slot, Full> {
        let mut taken = self.taken();
        if taken.all >= self.per_process {
            return Err(Full::Process);
        }
        let own = taken.by_user.entry(owner.clone()).or_default();
        if *own >= self.per_user {
            return Err(Full::User);
        }
        *own += 1;
        taken.all += 1;
        metrics::gauge!("quayside_event_streams", "kind" => kind).increment(1.0);
        Ok(Slot {
            slots: self.clone(),
            owner,
            kind,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream's place.
pub(super) struct Slot {
    slots: Arc<Slots>,
    owner: Owner,
    kind: &'static str,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.all -= 1;
        if let Some(own) = taken.by_user.get_mut(&self.owner) {
            *own -= 1;
            if *own == 0 {
                taken.by_user.remove(&self.owner);
            }
        }
        metrics::gauge!("quayside_event_streams", "kind" => self.kind).decrement(1.0);
    }
}
