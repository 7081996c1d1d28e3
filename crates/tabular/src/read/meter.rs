//! What reading a file may cost in all, and whether anybody still wants it.
//!
//! A small file can ask for any amount of work: four mebibytes inflate to four gibibytes of tags, and
//! each tag may name a string that lies on disk. So work is counted, not timed: the same file ends in
//! the same place on every machine. One unit is about a nanosecond of one core of 2024; the prices
//! below were measured with files made to cost as much as possible (`read::costs`, and
//! docs/adr/0007).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::FailureCode;

use super::{Pulse, ReadTerms, Refusal};

/// Of each inflated byte: inflating, its checksum, looking for markup.
pub(super) const BYTE: u64 = 1;
/// Of each tag, text or comment, or of a cell that is read in one step.
pub(super) const TOKEN: u64 = 16;
/// Of each comment, instruction and CDATA section, besides that: their ends are searched for.
pub(super) const SEARCH: u64 = 48;
/// Of each attribute; of one of many twice as much, because they are sorted.
pub(super) const ATTRIBUTE: u64 = 16;
/// Of each byte of text; where it is decoded twice as much.
pub(super) const TEXT: u64 = 1;
/// Of each cell, besides its tags and its text.
pub(super) const CELL: u64 = 32;
/// Of each read of spilled strings, besides its bytes.
pub(super) const SPILL: u64 = 2_000;

/// Asks whether reading is to end, at each block of some 100 KiB and before each walk.
#[derive(Clone, Default)]
pub struct StopSign(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl StopSign {
    /// Stops when `asked` says so. It is asked on the reading threads and must not block.
    #[must_use]
    pub fn when(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(asked)))
    }

    fn is_up(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| asked())
    }
}

impl fmt::Debug for StopSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopSign").field(&self.is_up()).finish()
    }
}

/// Counts the work of all passes over one file.
pub(super) struct Meter {
    spent: AtomicU64,
    most: u64,
    stop: StopSign,
    pulse: Pulse,
}

impl Meter {
    pub(super) fn new(terms: &ReadTerms) -> Self {
        Self {
            spent: AtomicU64::new(0),
            most: terms.limits.work,
            stop: terms.stop.clone(),
            pulse: terms.pulse.clone(),
        }
    }

    /// The same terms for a look aside that may cost so much, and costs the file nothing.
    pub(super) fn aside(&self, most: u64) -> Self {
        Self {
            spent: AtomicU64::new(0),
            most,
            stop: self.stop.clone(),
            pulse: self.pulse.clone(),
        }
    }

    /// Runs what reads a file of ours.
    pub(super) fn fetch<T>(&self, disk: impl FnOnce() -> T) -> T {
        self.pulse.fetch(disk)
    }

    /// Adds work that is about to be done or has just been done.
    pub(super) fn spend(&self, work: u64) -> Result<(), Refusal> {
        self.pulse.beat();
        if self.stop.is_up() {
            return Err(Refusal::new(FailureCode::Internal, "reading was stopped"));
        }
        let before = self.spent.fetch_add(work, Ordering::Relaxed);
        if before.saturating_add(work) > self.most {
            return Err(Refusal::beyond("reading the file is too much work"));
        }
        Ok(())
    }
}
