//! Many rows of one lane run in one transaction: taken, their effects written, finished.
//!
//! For work whose effects lie in this database: nobody ever holds such a row, so there is no lease,
//! no heartbeat and one commit for hundreds (design.md §5, "WAIT_HANDLE → SUCCESS"). The guard is that
//! of a claim: by ring the ring's epoch, by scan a due time that has passed; the epoch rises by one.
//! Rows that are refused fail as claimed rows do, through `settle`, in the same transaction. Whatever
//! error ends the transaction, nothing of it has happened; whether an unknown COMMIT did is found out
//! by running the same again, where what has been done is a duplicate. Shown by
//! `tests/it/batch_run.rs`.

mod light;
mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{CompensateBizId, Event, Lane, Rung, Tenant};

use crate::Store;
use crate::born::Births;
use crate::claim::ClaimTerms;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::group;
use crate::group::follow_up::superseded_among;
use crate::pool::Connection;
use crate::row::{LockedRow, lock_by_ids};
use crate::settle::{Case, finish_at_once, settle};
use crate::take::{IN_TIME, Take, due_ids, epoch_of, known_ids};

use light::LightRow;

pub use terms::{
    BatchFault, BatchRan, BatchRow, BatchTx, BatchWrites, FailedItem, RefusedItem, Wanted,
};

impl Store {
    /// Runs rows of the lane in one transaction.
    ///
    /// # Errors
    /// [`BatchFault`]: nothing was written, unless it is unknown twice in a row whether it was.
    pub async fn run_batch(
        &self,
        lane: &Lane,
        wanted: Wanted,
        terms: &ClaimTerms,
        writes: Arc<BatchWrites>,
    ) -> Result<BatchRan, BatchFault> {
        let batch = Batch {
            take: Take::new(lane, terms),
            wanted: sorted(wanted),
            writes,
            found: Arc::default(),
        };
        let ran = match self.run_once(&batch).await {
            Err(StoreError::UnknownCommit(_)) => self.run_once(&batch).await,
            ran => ran,
        };
        ran.map_err(|error| BatchFault {
            error,
            rows: batch.rows(),
        })
    }

    async fn run_once(&self, batch: &Batch) -> Result<BatchRan, StoreError> {
        let batch = batch.clone();
        self.transact(Op::RunBatch, async move |connection: &mut Connection| {
            batch.run(connection).await
        })
        .await
    }
}

fn sorted(wanted: Wanted) -> Wanted {
    match wanted {
        Wanted::Rung(mut rung) => {
            rung.sort_unstable();
            rung.dedup();
            Wanted::Rung(rung)
        }
        due @ Wanted::Due(_) => due,
    }
}

#[derive(Clone)]
struct Batch {
    take: Take,
    wanted: Wanted,
    writes: Arc<BatchWrites>,
    /// Rows that the last try found.
    found: Arc<Mutex<Vec<Rung>>>,
}

impl Batch {
    fn rows(&self) -> Vec<Rung> {
        match &self.wanted {
            Wanted::Rung(rung) => rung.clone(),
            Wanted::Due(_) => {
                let found = self.found.lock();
                found.unwrap_or_else(PoisonError::into_inner).clone()
            }
        }
    }

    async fn run(&self, connection: &mut Connection) -> Result<BatchRan, StoreError> {
        let found = self.lock(connection).await?;
        let mut ran = BatchRan::default();
        self.account(connection, &found, &mut ran).await?;
        let (locked, left) = light::load(connection, found).await?;
        ran.left = left;
        if locked.is_empty() {
            return Ok(ran);
        }
        let all: Vec<&LockedRow> = locked.iter().collect();
        let superseded = superseded_among(connection, &all).await?;
        let (needless, locked): (Vec<LockedRow>, Vec<LockedRow>) = locked
            .into_iter()
            .partition(|row| superseded.contains(&row.id));
        let rows: Vec<BatchRow> = locked.iter().map(BatchRow::of).collect();
        ran.first_tries = rows.iter().filter(|row| row.cnt == 0).count();
        let mut refused = Vec::new();
        if !rows.is_empty() {
            let mut tx = BatchTx { connection };
            refused = (self.writes)(&mut tx, &rows).await?;
        }
        #[cfg(feature = "failpoints")]
        fail::fail_point!("after_effect");
        self.end(connection, locked, needless, refused, &mut ran)
            .await?;
        Ok(ran)
    }

    /// The rows, locked by their ids ascending. By ring it waits for row locks, as a claim does.
    async fn lock(&self, connection: &mut Connection) -> Result<Vec<LightRow>, StoreError> {
        let guard = match &self.wanted {
            Wanted::Rung(rung) if rung.is_empty() => return Ok(Vec::new()),
            Wanted::Rung(rung) => {
                let ids = list(rung.iter().map(|rung| rung.id.0));
                let epoch = epoch_of(rung);
                format!("id IN ({ids}) AND lease_epoch = {epoch} AND {IN_TIME}")
            }
            Wanted::Due(0) => return Ok(Vec::new()),
            Wanted::Due(limit) => {
                let due = due_ids(connection, &self.take.lane, *limit).await?;
                if due.is_empty() {
                    return Ok(Vec::new());
                }
                format!("id IN ({})", list(due))
            }
        };
        let locked = light::lock(connection, &guard, &self.take.lane).await?;
        let rung = locked.iter().map(LightRow::rung);
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = rung.collect();
        Ok(locked)
    }

    /// What is to be said of rows that were rung and are not to be run.
    async fn account(
        &self,
        connection: &mut Connection,
        locked: &[LightRow],
        ran: &mut BatchRan,
    ) -> Result<(), StoreError> {
        let Wanted::Rung(rung) = &self.wanted else {
            return Ok(());
        };
        if rung.len() == locked.len() {
            return Ok(());
        }
        let ours: BTreeSet<CompensateBizId> = locked.iter().map(|row| row.rung().id).collect();
        let others = rung.iter().filter(|rung| !ours.contains(&rung.id));
        let others: Vec<Rung> = others.copied().collect();
        let ids = list(others.iter().map(|rung| rung.id.0));
        let known = known_ids(connection, &self.take.lane, &ids).await?;
        let orphans = others.iter().filter(|rung| !known.contains(&rung.id));
        ran.orphans = orphans.copied().collect();
        ran.duplicates = others.len() - ran.orphans.len();
        Ok(())
    }

    /// Finishes the rows but for those that are refused, which fail. Superseded follow-ups are done
    /// without effects.
    async fn end(
        &self,
        connection: &mut Connection,
        locked: Vec<LockedRow>,
        needless: Vec<LockedRow>,
        refused: Vec<RefusedItem>,
        ran: &mut BatchRan,
    ) -> Result<(), StoreError> {
        let refused = refused.into_iter().map(|item| (item.place, item));
        let mut refused: BTreeMap<usize, RefusedItem> = refused.collect();
        if !refused.is_empty() {
            hold_groups(connection, &locked).await?;
        }
        let mut births = Births::rung();
        let mut done: BTreeMap<Tenant, Vec<LockedRow>> = BTreeMap::new();
        let mut failed: BTreeMap<Tenant, BTreeMap<u64, RefusedItem>> = BTreeMap::new();
        for (place, row) in locked.into_iter().enumerate() {
            let tenant = row.tenant.clone();
            match refused.remove(&place) {
                Some(item) => drop(failed.entry(tenant).or_default().insert(row.id.0, item)),
                None => done.entry(tenant).or_default().push(row),
            }
        }
        for row in needless {
            done.entry(row.tenant.clone()).or_default().push(row);
        }
        for rows in done.values() {
            finish_at_once(connection, rows, &mut births).await?;
            ran.done += rows.len();
        }
        for (tenant, items) in failed {
            self.fail(connection, &tenant, items, &mut births, ran)
                .await?;
        }
        ran.born = births.born;
        Ok(())
    }

    /// They are claimed after all, and fail as whoever holds them would let them fail.
    async fn fail(
        &self,
        connection: &mut Connection,
        tenant: &Tenant,
        mut items: BTreeMap<u64, RefusedItem>,
        births: &mut Births,
        ran: &mut BatchRan,
    ) -> Result<(), StoreError> {
        let ids: Vec<u64> = items.keys().copied().collect();
        let guard = format!("id IN ({})", list(ids.iter().copied()));
        self.take.take(connection, &guard).await?;
        for row in lock_by_ids(connection, tenant, ids.into_iter()).await? {
            let Some(item) = items.remove(&row.id.0) else {
                continue;
            };
            let case = Case {
                cause: Some(item.failure.clone()),
                delay: item.delay,
                ..Case::new(Event::Fail(item.failure.kind))
            };
            let change = settle(connection, &row, &case, births).await?;
            ran.failed.push(FailedItem {
                id: row.id,
                status: change.to,
                failure: item.failure,
            });
        }
        if items.is_empty() {
            Ok(())
        } else {
            Err(StoreError::Fenced)
        }
    }
}

/// Locks the groups of all the rows in one order, where they are counted in more than one step.
async fn hold_groups(connection: &mut Connection, rows: &[LockedRow]) -> Result<(), StoreError> {
    let mut groups: BTreeMap<Tenant, BTreeSet<u64>> = BTreeMap::new();
    for row in rows {
        if let Some(group) = row.group_id {
            groups.entry(row.tenant.clone()).or_default().insert(group);
        }
    }
    for (tenant, groups) in groups {
        group::hold(connection, &tenant, groups).await?;
    }
    Ok(())
}
