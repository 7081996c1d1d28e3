//! Which cells of a row merged ranges cover.

use std::collections::HashMap;

use domain::{SheetCell, SheetChunk};

use crate::read::merges::Range;
use crate::read::{Merges, ReadLimits, Refusal};

/// Walks the merged ranges along with the rows.
pub(super) struct Cover {
    merges: Merges,
    /// The first range that no row has come to yet.
    next: usize,
    /// The ranges that the present row lies in.
    active: Vec<usize>,
    /// What they cover of the row, by rising column: (column, range).
    covered: Vec<(u16, usize)>,
    /// How many of them have been passed.
    passed: usize,
    /// Ranges that begin in the present row, by rising column.
    begun: Vec<(u16, usize)>,
    /// The first cells of active ranges, as a chunk of one row and one cell.
    firsts: HashMap<usize, SheetChunk>,
    first_bytes: usize,
    total: u64,
}

impl Cover {
    pub(super) fn new(merges: Merges) -> Self {
        Self {
            merges,
            next: 0,
            active: Vec::new(),
            covered: Vec::new(),
            passed: 0,
            begun: Vec::new(),
            firsts: HashMap::new(),
            first_bytes: 0,
            total: 0,
        }
    }

    pub(super) fn merges(&self) -> &Merges {
        &self.merges
    }

    /// Begins a row; rows rise.
    pub(super) fn begin_row(&mut self, row: u32, limits: &ReadLimits) -> Result<(), Refusal> {
        if self.merges.is_empty() {
            return Ok(());
        }
        let ranges = self.merges.ranges();
        let (firsts, bytes) = (&mut self.firsts, &mut self.first_bytes);
        self.active.retain(|at| {
            let stays = ranges[*at].last.0 >= row;
            if !stays && let Some(first) = firsts.remove(at) {
                *bytes -= first.size_bytes();
            }
            stays
        });
        while ranges
            .get(self.next)
            .is_some_and(|range| range.first.0 <= row)
        {
            if ranges[self.next].last.0 >= row {
                self.active.push(self.next);
            }
            self.next += 1;
        }
        self.passed = 0;
        self.covered.clear();
        self.begun.clear();
        for at in &self.active {
            let Range { first, last } = ranges[*at];
            self.total += u64::from(last.1 - first.1) + 1;
            if self.total > limits.merged_cells {
                return Err(Refusal::beyond("merged ranges cover too many cells"));
            }
            let columns = (first.1..=last.1).filter(|column| (row, *column) != first);
            self.covered.extend(columns.map(|column| (column, *at)));
            if self.covered.len() > usize::from(limits.columns) {
                return Err(Refusal::broken("merged ranges overlap"));
            }
            if first.0 == row {
                self.begun.push((first.1, *at));
            }
        }
        self.covered.sort_unstable();
        self.covered.dedup_by_key(|covered| covered.0);
        self.begun.sort_unstable();
        Ok(())
    }

    /// Adds the covered cells that stand before `column`; true when it is covered itself. Past the
    /// last column, adds all.
    pub(super) fn passes(&mut self, column: Option<u16>, chunk: &mut SheetChunk) -> bool {
        while let Some((covered, range)) = self.covered.get(self.passed).copied() {
            match column {
                Some(column) if covered == column => return true,
                Some(column) if covered > column => return false,
                _ => self.passed += 1,
            }
            if !self.merges.is_filling() {
                let (row, column) = self.merges.ranges()[range].first;
                chunk.push(covered, false, SheetCell::Merged { row, column });
            } else if let Some(first) = self.firsts.get(&range)
                && let Some(first) = first.rows().next()
            {
                let first = first.cell(0);
                chunk.push(covered, first.formula, first.cell);
            }
        }
        false
    }

    /// Keeps a cell that ranges begin at, if they are to be filled with it.
    pub(super) fn keep(
        &mut self,
        column: u16,
        formula: bool,
        cell: SheetCell<'_>,
        limits: &ReadLimits,
    ) -> Result<(), Refusal> {
        if !self.merges.is_filling() {
            return Ok(());
        }
        let from = self.begun.partition_point(|begun| begun.0 < column);
        let own = self.begun[from..]
            .iter()
            .take_while(|begun| begun.0 == column);
        for (_, range) in own {
            let mut first = SheetChunk::new();
            first.begin_row(1, false);
            first.push(0, formula, cell);
            self.first_bytes += first.size_bytes();
            if self.first_bytes > limits.row_bytes {
                return Err(Refusal::beyond("merged ranges hold too much text"));
            }
            self.firsts.insert(*range, first);
        }
        Ok(())
    }
}
