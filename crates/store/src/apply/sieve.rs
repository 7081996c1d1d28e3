//! Bad rows told from good ones by the server itself.

use std::collections::HashSet;
use std::sync::Arc;

use domain::RowCode;

use super::batch::Batch;
use super::fault::{Fault, Trouble};
use super::job::Job;
use super::search::Search;
use super::statement::Statement;
use super::table::Table;
use crate::error::StoreError;

/// Rows of one statement, at most.
const STATEMENT_ROWS: usize = 1_000;

/// Placeholders of one statement, at most (MySQL counts them in 16 bits).
const MAX_PLACEHOLDERS: usize = 65_535;

/// Bytes of one statement, about, and at most an eighth of what the server takes: as JSON, text may
/// come to six times its size.
const STATEMENT_BYTES: usize = 1 << 20;

impl Job<'_> {
    /// Tells rows that go with others from those that hold a null in a column that refuses it. Where
    /// the table has a trigger, MySQL 9.7 stores an empty text or a zero for such a null, without a
    /// word, in LOAD DATA and in an UPDATE of joined tables.
    pub(super) fn delicate(
        &self,
        statement: &Statement,
        rows: Vec<usize>,
    ) -> (Vec<usize>, Vec<usize>) {
        let desk = &self.desk;
        let fields = statement.without_null(desk.target, &desk.table);
        rows.into_iter()
            .partition(|row| desk.batch.null_in(*row, &fields).is_none())
    }

    /// Refuses a row for the null that it would change a column to.
    pub(super) fn refuse_null(&mut self, statement: &Statement, row: usize) {
        let desk = &self.desk;
        let fields = statement.without_null(desk.target, &desk.table);
        let null = desk.batch.null_in(row, &fields);
        let mut fault = Fault::of(RowCode::Required);
        fault.field = null.map(|at| desk.target.name(at).to_owned());
        self.refuse(row, fault);
    }

    /// Writes rows by statements of many; where one does not go through, its bad rows are found by
    /// halving it. Answers which rows were taken, the others are refused.
    pub(super) async fn sieve(
        &mut self,
        statement: &Statement,
        rows: Vec<usize>,
    ) -> Result<Vec<usize>, StoreError> {
        let rows = self.without_oversized(rows);
        let desk = &self.desk;
        let runs = runs(desk.batch, &desk.table, &rows, statement.width());
        self.sieve_runs(statement, runs).await
    }

    /// The same, by a statement for each row: a trigger may fill in what one row lacks.
    pub(super) async fn sieve_alone(
        &mut self,
        statement: &Statement,
        rows: Vec<usize>,
    ) -> Result<Vec<usize>, StoreError> {
        let rows = self.without_oversized(rows).into_iter();
        self.sieve_runs(statement, rows.map(|row| vec![row]).collect())
            .await
    }

    async fn sieve_runs(
        &mut self,
        statement: &Statement,
        mut waiting: Vec<Vec<usize>>,
    ) -> Result<Vec<usize>, StoreError> {
        waiting.reverse();
        let mut taken = Vec::new();
        let mut asked: HashSet<String> = HashSet::new();
        while let Some(run) = waiting.pop() {
            if self.refused.len() >= self.most_sought && self.sought() >= self.most_sought {
                break;
            }
            let fault = match statement.write(&mut self.desk, &run).await {
                Ok(()) => {
                    taken.extend(run);
                    continue;
                }
                Err(Trouble::House(error)) => return Err(error),
                Err(Trouble::Rows(fault)) => fault,
            };
            let index = fault.as_ref().and_then(|fault| fault.index.clone());
            if let Some(index) = index.filter(|_| statement.inserts())
                && asked.insert(index.clone())
            {
                waiting.push(run);
                self.drop_known(&index, &mut waiting).await?;
            } else if let [row] = run.as_slice() {
                let untold = || StoreError::Corrupt("a row is refused without a word".to_owned());
                self.refuse(*row, fault.ok_or_else(untold)?);
            } else {
                let (first, second) = run.split_at(run.len() / 2);
                waiting.extend([second.to_vec(), first.to_vec()]);
            }
        }
        Ok(taken)
    }

    /// Refuses all rows at once whose values a unique index has already.
    async fn drop_known(
        &mut self,
        index: &str,
        waiting: &mut Vec<Vec<usize>>,
    ) -> Result<(), StoreError> {
        let desk = &mut self.desk;
        let table = Arc::clone(&desk.table);
        let Some(index) = table.unique.iter().find(|it| it.name == index) else {
            return Ok(());
        };
        let Some(search) = Search::by_index(desk.target, &table, index)? else {
            return Ok(());
        };
        let mut known: HashSet<usize> = HashSet::new();
        for run in waiting.iter() {
            let found = search.run(desk, run).await?;
            known.extend(found.into_iter().map(|found| found.row));
        }
        for run in waiting.iter_mut() {
            run.retain(|row| !known.contains(row));
        }
        waiting.retain(|run| !run.is_empty());
        let mut fault = Fault::of(RowCode::DuplicateInDb);
        fault.index = Some(index.name.clone());
        for row in known {
            self.refuse(row, fault.clone());
        }
        Ok(())
    }

    /// Refuses rows that no packet of the server holds.
    fn without_oversized(&mut self, rows: Vec<usize>) -> Vec<usize> {
        let (batch, most) = (self.desk.batch, self.desk.table.packet_bytes / 2);
        let (fits, oversized): (Vec<usize>, Vec<usize>) = rows
            .into_iter()
            .partition(|row| batch.size_bytes(*row) <= most);
        for row in oversized {
            self.refuse(row, Fault::of(RowCode::TooLong));
        }
        fits
    }

    /// Refused rows that had to be sought out one by one.
    fn sought(&self) -> usize {
        let sought = |(_, fault): &&(usize, Fault)| fault.code != RowCode::DuplicateInDb;
        self.refused.iter().filter(sought).count()
    }
}

/// The rows in runs that fit one statement each, of so many placeholders a row.
pub(super) fn runs(
    batch: &Batch<'_>,
    table: &Table,
    rows: &[usize],
    width: usize,
) -> Vec<Vec<usize>> {
    let most_rows = STATEMENT_ROWS.min(MAX_PLACEHOLDERS / width).max(1);
    let most_bytes = STATEMENT_BYTES.min(table.packet_bytes / 8);
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let size = batch.size_bytes(*row);
        match runs.last_mut() {
            Some(run) if run.len() < most_rows && bytes + size <= most_bytes => {
                run.push(*row);
                bytes += size;
            }
            _ => {
                runs.push(vec![*row]);
                bytes = size;
            }
        }
    }
    runs
}
