//! Looking after rows that nobody looks after: leases that ended, hard deadlines that passed.
//!
//! Shown by `tests/it/sweep.rs`.

mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Change, CompensateBizId, Event, Failure, FailureCode, FailureKind, Lane, Tenant};

pub use self::look::SweepPlace;
use self::look::{DueRow, LOOKED_AT};
use crate::Store;
use crate::born::Births;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::group;
use crate::pool::Connection;
use crate::read_back::Witness;
use crate::row::{Id, LOCKED_ROW, LockedRow, RowAsStored};
use crate::settle::{Case, settle};

/// Locks of one step that are waited for in vain, because somebody holds a group or a task: the next step
/// goes on behind the row that met the last of them, so that no step takes long.
const MOST_WAITS: usize = 3;

/// A row whose holder has vanished, and what it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// The row.
    pub id: CompensateBizId,
    /// Who held it.
    pub owner: Option<String>,
    /// What it became.
    pub change: Change,
}

/// One step of a walk along the due rows of a lane, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// What was rescued.
    pub rescued: Vec<Rescued>,
    /// Where the next step begins; none at the end of the lane.
    pub next: Option<SweepPlace>,
    /// Behind the last row that was looked at, where there was one.
    pub seen: Option<SweepPlace>,
}

impl Store {
    /// The lanes that any row names, those of retired queues among them: whoever looks after rows
    /// looks after these. Names as they are stored: a plain SQL client may have written one that is
    /// no topic. Costs one dive into an index for each of them, whatever the size of the table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lanes_of_rows(&self) -> Result<Vec<String>, StoreError> {
        self.transact(Op::Sweep, async move |connection: &mut Connection| {
            let lanes: Vec<LaneName> =
                sql_query("SELECT DISTINCT lane FROM compensate_biz FORCE INDEX (lane_wake_at)")
                    .load(connection)
                    .await?;
            Ok(lanes.into_iter().map(|row| row.lane).collect())
        })
        .await
    }

    /// Rescues at most `limit` rows of the lane whose lease has ended, oldest first, however many rows
    /// wait before them. Rows that another sweep or their own worker has locked are left alone. A row
    /// that cannot be rescued, because something about it is not understood or because somebody holds its
    /// group or task, holds up no other: it is left as it is, and told of in the log (once for all that
    /// meet the same lock).
    ///
    /// # Errors
    /// [`StoreError`]; what was rescued before is so.
    pub async fn sweep(&self, lane: &Lane, limit: usize) -> Result<Vec<Rescued>, StoreError> {
        let mut from = None;
        loop {
            let swept = self.sweep_from(lane, from, limit).await?;
            if !swept.rescued.is_empty() || swept.next.is_none() {
                return Ok(swept.rescued);
            }
            from = swept.next;
        }
    }

    /// One step of a walk over a lane: as [`Store::sweep`], among the next 1,000 due rows behind a place.
    /// However many rows wait, or cannot be rescued, whoever walks on comes to those behind them.
    ///
    /// # Errors
    /// As [`Store::sweep`].
    pub async fn sweep_from(
        &self,
        lane: &Lane,
        from: Option<SweepPlace>,
        limit: usize,
    ) -> Result<Swept, StoreError> {
        let due = self.due_rows(lane, from).await?;
        let is_end = due.len() < LOOKED_AT;
        let mut seen = due.last().map(DueRow::place);
        let mut next = seen.clone().filter(|_| !is_end);
        let mut ended: Vec<DueRow> = due.into_iter().filter(|row| row.is_held).collect();
        if ended.len() > limit {
            ended.truncate(limit);
            seen = ended.last().map(DueRow::place);
            next = seen.clone();
        }
        let mut ids: Vec<u64> = ended.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        let mut rescued = Vec::new();
        match self.rescue(ids.clone()).await {
            Ok(done) => rescued = done,
            Err(error) if !speaks_of_rows(&error) => return Err(error),
            Err(_) if ids.len() > 1 => {
                let (done, stopped) = self.rescue_each(&ended).await?;
                rescued = done;
                if stopped.is_some() {
                    (next, seen) = (stopped.clone(), stopped);
                }
            }
            Err(error) => cannot(&ids, &error),
        }
        Ok(Swept {
            rescued,
            next,
            seen,
        })
    }

    /// One after the other, in the order of the walk, and where it stopped before the end. What was
    /// waited for in vain once is not waited for again: it keeps back all rows of that group and task,
    /// and no other.
    async fn rescue_each(
        &self,
        ended: &[DueRow],
    ) -> Result<(Vec<Rescued>, Option<SweepPlace>), StoreError> {
        let mut rescued = Vec::with_capacity(ended.len());
        let mut held: Vec<&DueRow> = Vec::new();
        for row in ended {
            if held.iter().any(|other| other.meets_the_locks_of(row)) {
                continue;
            }
            match self.rescue(vec![row.id]).await {
                Ok(mut done) => rescued.append(&mut done),
                Err(error) if !speaks_of_rows(&error) => return Err(error),
                Err(error) => {
                    cannot(&[row.id], &error);
                    if matches!(error, StoreError::Contended(_)) {
                        held.push(row);
                    }
                    if held.len() == MOST_WAITS {
                        return Ok((rescued, Some(row.place())));
                    }
                }
            }
        }
        Ok((rescued, None))
    }

    /// After an unknown COMMIT it is looked for by an attempt that it recorded.
    async fn rescue(&self, ids: Vec<u64>) -> Result<Vec<Rescued>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let tried = Arc::new(Mutex::new(None));
        let told = tried.clone();
        let body = async move |connection: &mut Connection| {
            let ended: Vec<LockedRow> = sql_query(format!(
                "{LOCKED_ROW} FORCE INDEX (PRIMARY) WHERE id IN ({}) AND status = 'PROCESSING' \
                 AND wake_at <= UTC_TIMESTAMP(6) ORDER BY id FOR UPDATE SKIP LOCKED",
                list(ids)
            ))
            .load::<RowAsStored>(connection)
            .await?
            .into_iter()
            .map(RowAsStored::into_locked)
            .collect::<Result<_, _>>()?;
            // All groups before any task, as everywhere.
            let groups = ended.iter();
            let groups = groups.filter_map(|row| Some((row.group_id?, row.tenant.clone())));
            for (group, tenant) in groups.collect::<BTreeMap<u64, Tenant>>() {
                group::hold(connection, &tenant, BTreeSet::from([group])).await?;
            }
            // The last row of a group ends it.
            let mut births = Births::left_to_the_relay();
            let mut rescued = Vec::with_capacity(ended.len());
            let mut attempt = None;
            for row in ended {
                let change = settle(connection, &row, &lost(&row), &mut births).await?;
                if attempt.is_none() {
                    attempt = Some(last_attempt(connection, &row).await?);
                }
                rescued.push(Rescued {
                    id: row.id,
                    owner: row.owner,
                    change,
                });
            }
            *told.lock().unwrap_or_else(PoisonError::into_inner) =
                attempt.map(|attempt| (attempt, rescued.clone()));
            Ok(rescued)
        };
        let cause = match self.transact(Op::Sweep, body).await {
            Err(StoreError::UnknownCommit(cause)) => cause,
            done => return done,
        };
        let tried = tried.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((attempt, rescued)) = tried else {
            return Ok(Vec::new());
        };
        self.committed(Op::Sweep, attempt, cause).await?;
        Ok(rescued)
    }
}

/// The attempt at the row that was recorded last.
async fn last_attempt(connection: &mut Connection, row: &LockedRow) -> Result<Witness, StoreError> {
    let last: Id = sql_query(
        "SELECT id FROM compensate_biz_attempt FORCE INDEX (tenant_biz) \
         WHERE tenant = ? AND compensate_biz_id = ? ORDER BY id DESC LIMIT 1",
    )
    .bind::<Text, _>(row.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(row.id.0)
    .get_result(connection)
    .await?;
    Ok(Witness::Attempt(last.id))
}

/// Whether the error is about the rows that were to be rescued, and not about the database.
fn speaks_of_rows(error: &StoreError) -> bool {
    !error.is_transient() || matches!(error, StoreError::Contended(_))
}

/// Left as it is: where others' locks were met, for the next pass; otherwise for a person. Whoever looks
/// after the backlog sees how late it is.
fn cannot(ids: &[u64], error: &StoreError) {
    for id in ids {
        if let StoreError::Contended(_) = error {
            tracing::warn!(compensate_biz.id = id, %error, "a row is left to the next pass");
        } else {
            tracing::error!(compensate_biz.id = id, %error, "a row cannot be rescued");
        }
    }
}

fn lost(row: &LockedRow) -> Case {
    let owner = row.owner.as_deref().unwrap_or("nobody");
    let detail = if row.deadline_passed {
        format!("the hard deadline passed while {owner} held the row")
    } else {
        format!("the lease ended without a word from {owner}")
    };
    let failure = Failure {
        kind: FailureKind::LeaseLost,
        code: FailureCode::TimedOut,
        sentence: None,
        detail,
    };
    let event = Event::Rescue {
        deadline_passed: row.deadline_passed,
    };
    Case {
        cause: Some(failure),
        ..Case::new(event)
    }
}

#[derive(QueryableByName)]
struct LaneName {
    #[diesel(sql_type = Text)]
    lane: String,
}
