//! Taking the right to run rows: by ring and by scan.
//!
//! A claim raises the epoch, sets the lease and writes a fresh token into `lease_owner`; what was
//! claimed is read back by id and token, so that two workers never hold one row at one epoch, and
//! an unknown COMMIT is resolved by the same read. A claim by ring waits for row locks: with
//! SKIP LOCKED a row that somebody held for a moment would be acknowledged unseen (design.md §6).
//! Shown by `tests/it/claim.rs`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{
    BizId, BizType, CompensateBizId, Lane, LeaseEpoch, RetryPolicies, Rung, TaskId, Tenant,
};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::read_back::insist;
use crate::take::{IN_TIME, Lock, Take, due_ids, epoch_of};

/// What a claim grants.
#[derive(Debug, Clone)]
pub struct ClaimTerms {
    /// Who claims; the token begins with it. At most 128 characters.
    pub worker: String,
    /// How long the row is held without a heartbeat.
    pub lease: Duration,
    /// Fills a `max_cnt` that the inserter left out, by the kind of work.
    pub retry: RetryPolicies,
    /// How long the row is held at most, whatever its heartbeats say, counted from this claim: past it
    /// the sweep gives the row up.
    pub hard_deadline: Duration,
}

/// The right to run one row: every write of its holder names all three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The row.
    pub id: CompensateBizId,
    /// The fence.
    pub epoch: LeaseEpoch,
    /// The claim's own token.
    pub token: String,
}

/// A row that this worker now holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The right to run it.
    pub lease: Lease,
    /// Whose it is.
    pub tenant: Tenant,
    /// The kind of work.
    pub biz_type: BizType,
    /// What it is about.
    pub biz_id: BizId,
    /// The work itself, as JSON.
    pub context: String,
    /// Failures so far.
    pub cnt: u32,
    /// The user's task, if it belongs to one.
    pub task_id: Option<TaskId>,
    /// The span that asked for the work, as W3C `traceparent`.
    pub trace_context: Option<String>,
}

/// What became of the rows of a ring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RungClaim {
    /// Held now.
    pub claimed: Vec<Claimed>,
    /// Rows that exist but are not waiting at the ring's epoch, or not to be run yet: doubled, late or
    /// forged rings.
    pub duplicates: usize,
    /// Rows that do not exist on this lane: for a dead letter.
    pub orphans: Vec<Rung>,
}

impl Store {
    /// Claims the rows that a ring names, those that wait at the ring's epoch.
    ///
    /// # Errors
    /// [`StoreError`]; after an unknown COMMIT the outcome has been read back.
    pub async fn claim_rung(
        &self,
        lane: &Lane,
        rung: &[Rung],
        terms: &ClaimTerms,
    ) -> Result<RungClaim, StoreError> {
        let mut rung = rung.to_vec();
        rung.sort_unstable();
        rung.dedup();
        if rung.is_empty() {
            return Ok(RungClaim::default());
        }
        let claim = Take::new(lane, terms);
        let ids = list(rung.iter().map(|rung| rung.id.0));
        let (rows, asked) = (ids.clone(), rung.clone());
        let body = {
            let claim = claim.clone();
            async move |connection: &mut Connection| {
                let epoch = epoch_of(&asked);
                let guard = format!("id IN ({rows}) AND lease_epoch = {epoch} AND {IN_TIME}");
                claim.take(connection, &guard).await?;
                claim.outcome(connection, &rows, Lock::Own).await
            }
        };
        let (claimed, known) = match self.transact(Op::ClaimRung, body).await {
            Err(StoreError::UnknownCommit(_)) => self.read_back_later(claim, ids).await?,
            done => done?,
        };
        let orphans: Vec<Rung> = rung
            .iter()
            .filter(|rung| !known.contains(&rung.id))
            .copied()
            .collect();
        let duplicates = rung.len() - claimed.len() - orphans.len();
        Ok(RungClaim {
            claimed,
            duplicates,
            orphans,
        })
    }

    /// Claims at most `limit` due rows of the lane, oldest first, whether or not they were
    /// announced: lost rings, Kafka away, work stuck behind another worker's partition.
    ///
    /// # Errors
    /// [`StoreError`]; after an unknown COMMIT the outcome has been read back, as long as half of the
    /// lease lasts.
    pub async fn claim_due(
        &self,
        lane: &Lane,
        limit: usize,
        terms: &ClaimTerms,
    ) -> Result<Vec<Claimed>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let claim = Take::new(lane, terms);
        let found = Arc::new(Mutex::new(String::new()));
        let body = {
            let (claim, found) = (claim.clone(), found.clone());
            async move |connection: &mut Connection| {
                let due = due_ids(connection, &claim.lane, limit).await?;
                if due.is_empty() {
                    return Ok(Vec::new());
                }
                let rows = list(due);
                found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone_from(&rows);
                claim.take(connection, &format!("id IN ({rows})")).await?;
                claim.read_back(connection, &rows, Lock::Own).await
            }
        };
        match self.transact(Op::ClaimDue, body).await {
            Err(StoreError::UnknownCommit(_)) => {
                let rows = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if rows.is_empty() {
                    return Ok(Vec::new()); // nothing was due
                }
                Ok(self.read_back_later(claim, rows).await?.0)
            }
            done => done,
        }
    }

    /// What an unknown COMMIT claimed: asked for until the database answers, or the lease that it
    /// may have granted is half over.
    async fn read_back_later(
        &self,
        claim: Take,
        rows: String,
    ) -> Result<(Vec<Claimed>, HashSet<CompensateBizId>), StoreError> {
        insist(claim.terms.lease / 2, || {
            let (claim, rows) = (claim.clone(), rows.clone());
            self.transact(Op::ClaimRung, async move |connection: &mut Connection| {
                claim.outcome(connection, &rows, Lock::Wait).await
            })
        })
        .await
    }
}
