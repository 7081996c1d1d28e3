//! Groups of strings in a temporary file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::read::Refusal;
use crate::read::meter::{Meter, SPILL};

/// Groups that a pass keeps, by their number modulo this.
const SLOTS: usize = 2_048;
/// A larger group is not kept; of such only the string asked for is read.
const KEPT: u64 = 64 * 1024;
/// So many bytes of a read cost one unit of work.
const BYTES_PER_UNIT: u64 = 4;
/// Bytes of all groups kept; past it all are let go.
const HELD: usize = 8 * 1024 * 1024;

/// Where a group lies in all, and how many strings it has.
pub(super) struct Group {
    pub(super) number: usize,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) strings: usize,
}

impl Group {
    /// A string of the group that `bytes` begins with.
    pub(super) fn string<'a>(&self, bytes: &'a [u8], within: usize) -> Option<&'a [u8]> {
        let texts = self.strings * size_of::<u32>();
        let start = match within {
            0 => 0,
            _ => end_at(bytes, within - 1)?,
        };
        bytes.get(texts + start..texts + end_at(bytes, within)?)
    }
}

fn end_at(bytes: &[u8], within: usize) -> Option<usize> {
    let (ends, _) = bytes.as_chunks::<4>();
    usize::try_from(u32::from_le_bytes(*ends.get(within)?)).ok()
}

/// The groups that a pass over a sheet has read.
pub(crate) struct Cache {
    meter: Arc<Meter>,
    /// (number of the group + 1, its bytes)
    slots: Vec<(usize, Vec<u8>)>,
    held: usize,
    one: Vec<u8>,
}

impl Cache {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self {
            meter,
            slots: Vec::new(),
            held: 0,
            one: Vec::new(),
        }
    }

    /// A string of a spilled group; the file begins at `base`.
    pub(super) fn get(
        &mut self,
        file: &File,
        base: u64,
        group: &Group,
        within: usize,
    ) -> Result<Option<&[u8]>, Refusal> {
        let (at, length) = (group.start - base, group.end - group.start);
        if length > KEPT {
            return self.alone(file, at, group, within);
        }
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, (0, Vec::new()));
        }
        if self.slots[group.number % SLOTS].0 != group.number + 1 {
            self.load(
                file,
                at,
                usize::try_from(length).unwrap_or_default(),
                group.number,
            )?;
        }
        Ok(group.string(&self.slots[group.number % SLOTS].1, within))
    }

    fn load(&mut self, file: &File, at: u64, length: usize, number: usize) -> Result<(), Refusal> {
        self.meter.spend(SPILL + length as u64 / BYTES_PER_UNIT)?;
        if self.held + length > HELD {
            self.slots.fill((0, Vec::new()));
            self.held = 0;
        }
        let (kept, bytes) = &mut self.slots[number % SLOTS];
        self.held = self.held + length - bytes.len();
        *kept = 0;
        bytes.clear();
        bytes.shrink_to(2 * length);
        bytes.resize(length, 0);
        self.meter.fetch(|| file.read_exact_at(bytes, at))?;
        *kept = number + 1;
        Ok(())
    }

    /// Reads where the string lies, and it.
    fn alone(
        &mut self,
        file: &File,
        at: u64,
        group: &Group,
        within: usize,
    ) -> Result<Option<&[u8]>, Refusal> {
        let mut ends = vec![0; group.strings * size_of::<u32>()];
        self.meter.fetch(|| file.read_exact_at(&mut ends, at))?;
        let start = match within {
            0 => Some(0),
            _ => end_at(&ends, within - 1),
        };
        let (Some(start), Some(end)) = (start, end_at(&ends, within)) else {
            return Ok(None);
        };
        self.one.resize(end.saturating_sub(start), 0);
        self.meter
            .spend(2 * SPILL + self.one.len() as u64 / BYTES_PER_UNIT)?;
        let (one, at) = (&mut self.one, at + (ends.len() + start) as u64);
        self.meter.fetch(|| file.read_exact_at(one, at))?;
        Ok(Some(&self.one))
    }
}
