//! Which messages are out, partition by partition, so that an offset is stored only when all
//! before it are done.

use std::collections::{BTreeMap, VecDeque};

/// Where a message lay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The message's offset on it.
    pub offset: i64,
    /// Tells this stay of the partition with us from an earlier one.
    stay: u64,
}

/// The partitions that this member owns, and their messages that are out. As large as the work
/// that the caller has taken and not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    stays: u64,
    partitions: BTreeMap<i32, Stay>,
}

#[derive(Debug)]
struct Stay {
    number: u64,
    /// Offset, and whether it was acknowledged; ascending.
    out: VecDeque<(i64, bool)>,
}

impl Ledger {
    pub(super) fn assigned(&mut self, partition: i32) {
        self.stays += 1;
        self.partitions.insert(
            partition,
            Stay {
                number: self.stays,
                out: VecDeque::new(),
            },
        );
    }

    pub(super) fn revoked(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    pub(super) fn partitions(&self) -> Vec<i32> {
        self.partitions.keys().copied().collect()
    }

    pub(super) fn deliver(&mut self, partition: i32, offset: i64) -> Position {
        let went_back = self
            .partitions
            .get(&partition)
            .is_none_or(|stay| stay.out.back().is_some_and(|&(last, _)| offset <= last));
        // Offsets that begin anew belong to a topic that was made anew.
        if went_back {
            self.assigned(partition);
        }
        let mut number = self.stays;
        if let Some(stay) = self.partitions.get_mut(&partition) {
            stay.out.push_back((offset, false));
            number = stay.number;
        }
        Position {
            partition,
            offset,
            stay: number,
        }
    }

    /// The offset up to which everything is acknowledged, when it has moved.
    pub(super) fn acknowledge(&mut self, at: Position) -> Option<i64> {
        let stay = self
            .partitions
            .get_mut(&at.partition)
            .filter(|stay| stay.number == at.stay)?;
        let index = stay
            .out
            .binary_search_by_key(&at.offset, |&(offset, _)| offset)
            .ok()?;
        stay.out[index].1 = true;
        let mut moved = None;
        while let Some(&(offset, true)) = stay.out.front() {
            stay.out.pop_front();
            moved = Some(offset);
        }
        moved
    }
}
