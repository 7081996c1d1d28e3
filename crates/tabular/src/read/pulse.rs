//! Whether a reading gets on, as seen from outside.
//!
//! Work is counted, not timed ([`super::meter`]), so a file cannot make its reader work without end.
//! What is left to a clock is a reader that gives no sign at all: this tells whether it gave one, and
//! whether it is our own disk that it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Beats at each block of some 100 KiB and at each fetch from disk. Clones are of one reading.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Signs>);

#[derive(Debug, Default)]
struct Signs {
    beats: AtomicU64,
    fetching: AtomicU32,
}

impl Pulse {
    /// How often it has beaten: a reading that gets on has another number later.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }

    /// Whether a thread of the reading waits for bytes of our own disk.
    #[must_use]
    pub fn is_fetching(&self) -> bool {
        self.0.fetching.load(Ordering::Relaxed) > 0
    }

    /// Gives a sign.
    pub fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs what reads or writes a file of ours.
    pub fn fetch<T>(&self, disk: impl FnOnce() -> T) -> T {
        self.0.fetching.fetch_add(1, Ordering::Relaxed);
        let done = disk();
        self.0.fetching.fetch_sub(1, Ordering::Relaxed);
        self.beat();
        done
    }
}
