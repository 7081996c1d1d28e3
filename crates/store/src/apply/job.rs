//! One batch on its way in: what was taken, what was refused, and how the two are told apart.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{ImportMode, RowCode};

use super::batch::Batch;
use super::fault::Fault;
use super::load::load;
use super::search::{Found, Search};
use super::sieve::runs;
use super::statement::{Desk, Statement, set_fixed_values};
use super::table::Table;
use super::target::ApplyTarget;
use super::{Applied, RefusedRow};
use crate::error::StoreError;
use crate::pool::Connection;

/// From so many rows on, LOAD DATA is worth its round trips.
const LOAD_ROWS: usize = 50;

/// Where one refused row is enough, no more than these are sought out one by one; those that a
/// unique index has are found together, and all told.
const MOST_SOUGHT: usize = 1_000;

/// The work on one batch.
pub(super) struct Job<'a> {
    pub(super) desk: Desk<'a>,
    pub(super) most_sought: usize,
    inserted: u64,
    updated: Vec<usize>,
    pub(super) refused: Vec<(usize, Fault)>,
}

impl<'a> Job<'a> {
    pub(super) async fn begin(
        connection: &'a mut Connection,
        target: &'a ApplyTarget,
        batch: &'a Batch<'a>,
        all_or_nothing: bool,
    ) -> Result<Self, StoreError> {
        let table = Table::of(connection, target).await?;
        Ok(Self {
            desk: Desk {
                connection,
                target,
                table,
                batch,
            },
            most_sought: if all_or_nothing {
                MOST_SOUGHT
            } else {
                usize::MAX
            },
            inserted: 0,
            updated: Vec::new(),
            refused: Vec::new(),
        })
    }

    pub(super) async fn run(mut self, rows: Vec<usize>) -> Result<Applied, StoreError> {
        match self.desk.target.mode {
            ImportMode::Insert => {
                self.insert(rows).await?;
            }
            ImportMode::Upsert => self.upsert(rows).await?,
            ImportMode::Update => self.update(rows).await?,
        }
        self.refused.sort_by_key(|(row, _)| *row);
        let batch = self.desk.batch;
        let updated = self.updated.iter();
        let mut updated_rows: Vec<u32> = updated.map(|row| batch.number(*row)).collect();
        updated_rows.sort_unstable();
        let refused = self.refused.into_iter();
        let refused = refused.map(|(row, fault)| RefusedRow {
            number: batch.number(row),
            code: fault.code,
            field: fault.field,
            said: fault.said,
        });
        Ok(Applied {
            inserted: self.inserted,
            updated: updated_rows.len() as u64,
            updated_rows,
            refused: refused.collect(),
        })
    }

    /// Adds rows; answers which were taken.
    async fn insert(&mut self, rows: Vec<usize>) -> Result<Vec<usize>, StoreError> {
        if rows.is_empty() {
            return Ok(rows);
        }
        set_fixed_values(self.desk.connection, self.desk.target).await?;
        let mut taken = Vec::with_capacity(rows.len());
        for group in self.desk.batch.groups(rows) {
            let statement = Statement::insert(self.desk.target, &group);
            let (plain, delicate) = self.delicate(&statement, group.rows);
            let loads = plain.len() >= LOAD_ROWS
                && statement.makes_whole_rows(self.desk.target, &self.desk.table)
                && load(&mut self.desk, statement.columns(), &plain).await?;
            if loads {
                taken.extend(plain);
            } else {
                taken.extend(self.sieve(&statement, plain).await?);
            }
            taken.extend(self.sieve_alone(&statement, delicate).await?);
        }
        self.inserted += taken.len() as u64;
        Ok(taken)
    }

    /// Changes the rows that are there, by key, and adds the others.
    async fn upsert(&mut self, rows: Vec<usize>) -> Result<(), StoreError> {
        let mut there = self.find(&rows).await?;
        let known: HashSet<usize> = there.iter().map(|found| found.row).collect();
        let missing = rows
            .into_iter()
            .filter(|row| !known.contains(row))
            .collect();
        let taken = self.insert(missing).await?;
        there.extend(self.find_late(&taken).await?);
        self.change(there).await
    }

    /// Rows that were missing and then met one with their key: somebody else added it meanwhile, or
    /// this batch itself did, a moment before.
    async fn find_late(&mut self, taken: &[usize]) -> Result<Vec<Found>, StoreError> {
        let duplicate =
            |(row, fault): &(usize, Fault)| (fault.code == RowCode::DuplicateInDb).then_some(*row);
        let late: HashSet<usize> = self.refused.iter().filter_map(duplicate).collect();
        if late.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows: Vec<usize> = late.iter().chain(taken).copied().collect();
        rows.sort_unstable();
        let (late, own): (Vec<Found>, Vec<Found>) = self
            .find(&rows)
            .await?
            .into_iter()
            .partition(|found| late.contains(&found.row));
        let own: HashSet<String> = own.into_iter().map(|found| found.identity).collect();
        let found: HashSet<usize> = late.iter().map(|found| found.row).collect();
        self.refused.retain(|(row, _)| !found.contains(row));
        let (twice, others): (Vec<Found>, Vec<Found>) = late
            .into_iter()
            .partition(|found| own.contains(&found.identity));
        for found in twice {
            self.refuse(found.row, self.on_the_key(RowCode::DuplicateInFile));
        }
        Ok(others)
    }

    async fn update(&mut self, rows: Vec<usize>) -> Result<(), StoreError> {
        let mut there = self.find(&rows).await?;
        there.retain(|found| found.is_live);
        let known: HashSet<usize> = there.iter().map(|found| found.row).collect();
        for row in rows.into_iter().filter(|row| !known.contains(row)) {
            self.refuse(row, self.on_the_key(RowCode::NotFound));
        }
        self.change(there).await
    }

    /// Changes rows that are there and locked.
    async fn change(&mut self, there: Vec<Found>) -> Result<(), StoreError> {
        let mut seen = HashSet::with_capacity(there.len());
        let mut rows = Vec::with_capacity(there.len());
        for found in there {
            if !seen.insert(found.identity) {
                self.refuse(found.row, self.on_the_key(RowCode::DuplicateInFile));
            } else if found.is_fresh {
                rows.push(found.row);
            } else {
                let mut fault = Fault::of(RowCode::ConflictChanged);
                fault.field.clone_from(&self.desk.target.version);
                self.refuse(found.row, fault);
            }
        }
        for group in self.desk.batch.groups(rows) {
            let statement = Statement::update(self.desk.target, &group);
            let (plain, delicate) = self.delicate(&statement, group.rows);
            for row in delicate {
                self.refuse_null(&statement, row);
            }
            let taken = self.sieve(&statement, plain).await?;
            self.updated.extend(taken);
        }
        Ok(())
    }

    /// The rows that are there by the dataset's key, locked.
    async fn find(&mut self, rows: &[usize]) -> Result<Vec<Found>, StoreError> {
        let desk = &mut self.desk;
        let table = Arc::clone(&desk.table);
        let search = Search::by_key(desk.target, &table)?;
        let mut found = Vec::new();
        for run in runs(desk.batch, &table, rows, 1) {
            found.extend(search.run(desk, &run).await?);
        }
        Ok(found)
    }

    pub(super) fn refuse(&mut self, row: usize, mut fault: Fault) {
        if let (None, Some(index)) = (&fault.field, &fault.index) {
            fault.field = self.desk.table.single_column(self.desk.target, index);
        }
        self.refused.push((row, fault));
    }

    fn on_the_key(&self, code: RowCode) -> Fault {
        let target = self.desk.target;
        let mut fault = Fault::of(code);
        if let [at] = target.key.as_slice() {
            fault.field = Some(target.name(*at).to_owned());
        }
        fault
    }
}
