//! What a person does with one piece of business work: tried again or ended, with the entry in the
//! operation log in the same transaction. Of several people at once one acts, and the others are told
//! so. Lock order: the row, its group, its letters.

use domain::{BizStatus, CompensateBizId, Event, Lane, ObjectKind, OperationAction};
use serde_json::json;

use super::read::{Compensation, CompensationReach, one};
use crate::Store;
use crate::announce::Announced;
use crate::born::Births;
use crate::door::Op;
use crate::error::StoreError;
use crate::group::follow_up::superseded_among;
use crate::operation_log::{self, Actor, Operation};
use crate::pool::Connection;
use crate::reopen::{Announce, LockedTasks, announce, open_again};
use crate::row::{LockedRow, lock_by_ids};
use crate::settle::{Case, settle_all};

/// What became of a request to act on a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompensationActed {
    /// It was done; the row as it stands now. What is announced is to be rung by the caller right
    /// after this.
    Now(Box<Compensation>, Vec<(Lane, Announced)>),
    /// It stands where that is not possible.
    Refused(Box<Compensation>),
    /// It follows the end of a group that has gone on without it.
    Superseded(Box<Compensation>),
    /// The caller sees no such row.
    NotFound,
}

impl Store {
    /// Has a row that was given up or cancelled tried again, with a fresh count of failures.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn retry_compensation(
        &self,
        reach: &CompensationReach,
        id: CompensateBizId,
        actor: &Actor,
        terms: &Announce,
    ) -> Result<CompensationActed, StoreError> {
        match self.retry_row(reach, id, actor, terms, false).await {
            // Read back: what waits now was put back by that COMMIT, or by another person.
            Err(StoreError::UnknownCommit(_)) => {
                match self.retry_row(reach, id, actor, terms, true).await? {
                    CompensationActed::Refused(row) if !row.status.is_final() => {
                        Ok(CompensationActed::Now(row, Vec::new()))
                    }
                    other => Ok(other),
                }
            }
            done => done,
        }
    }

    /// Ends a row that waits or is being run; whoever runs it can write nothing any more.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn cancel_compensation(
        &self,
        reach: &CompensationReach,
        id: CompensateBizId,
        actor: &Actor,
    ) -> Result<CompensationActed, StoreError> {
        match self.cancel_row(reach, id, actor, false).await {
            // Read back: what is cancelled now was cancelled by that COMMIT, or by another person.
            Err(StoreError::UnknownCommit(_)) => {
                match self.cancel_row(reach, id, actor, true).await? {
                    CompensationActed::Refused(row) if row.status == BizStatus::Cancelled => {
                        Ok(CompensationActed::Now(row, Vec::new()))
                    }
                    other => Ok(other),
                }
            }
            done => done,
        }
    }

    /// Whoever reads back what an earlier COMMIT did is not refused by it.
    async fn retry_row(
        &self,
        reach: &CompensationReach,
        id: CompensateBizId,
        actor: &Actor,
        terms: &Announce,
        reads_back: bool,
    ) -> Result<CompensationActed, StoreError> {
        let (reach, actor, terms) = (reach.clone(), actor.clone(), terms.clone());
        self.transact(
            Op::ActOnCompensation,
            async move |connection: &mut Connection| {
                let Some((found, row)) = lock(connection, &reach, id).await? else {
                    return Ok(CompensationActed::NotFound);
                };
                let entry = entry(&actor, OperationAction::CompensationRetry, &found);
                if ![BizStatus::Failed, BizStatus::Cancelled].contains(&row.state.status) {
                    if !reads_back {
                        operation_log::write(connection, &entry.refused()).await?;
                    }
                    return Ok(CompensationActed::Refused(Box::new(found)));
                }
                if !superseded_among(connection, &[&row]).await?.is_empty() {
                    operation_log::write(connection, &entry.refused()).await?;
                    return Ok(CompensationActed::Superseded(Box::new(found)));
                }
                let rows = [row];
                open_again(connection, &rows, &LockedTasks::new(), &actor.user).await?;
                let rung = announce(connection, &rows, &terms).await?;
                operation_log::write(connection, &entry).await?;
                now(connection, &reach, id, rung).await
            },
        )
        .await
    }

    async fn cancel_row(
        &self,
        reach: &CompensationReach,
        id: CompensateBizId,
        actor: &Actor,
        reads_back: bool,
    ) -> Result<CompensationActed, StoreError> {
        let (reach, actor) = (reach.clone(), actor.clone());
        self.transact(
            Op::ActOnCompensation,
            async move |connection: &mut Connection| {
                let Some((found, row)) = lock(connection, &reach, id).await? else {
                    return Ok(CompensationActed::NotFound);
                };
                let entry = entry(&actor, OperationAction::CompensationCancel, &found);
                if row.state.status.is_final() {
                    if !reads_back {
                        operation_log::write(connection, &entry.refused()).await?;
                    }
                    return Ok(CompensationActed::Refused(Box::new(found)));
                }
                // It may be the last of its group, whose follow-ups are born then.
                let mut births = Births::rung();
                settle_all(connection, &[row], &Case::new(Event::Cancel), &mut births).await?;
                operation_log::write(connection, &entry).await?;
                now(connection, &reach, id, births.born).await
            },
        )
        .await
    }
}

/// The row as people see it, and under this transaction's lock.
async fn lock(
    connection: &mut Connection,
    reach: &CompensationReach,
    id: CompensateBizId,
) -> Result<Option<(Compensation, LockedRow)>, StoreError> {
    let Some(found) = one(connection, reach, id).await? else {
        return Ok(None);
    };
    let locked = lock_by_ids(connection, &found.tenant, std::iter::once(id.0)).await?;
    let Some(row) = locked.into_iter().next() else {
        return Ok(None);
    };
    // As it stands under the lock: somebody may have acted on it a moment ago.
    let fresh = one(connection, reach, id).await?;
    Ok(fresh.map(|found| (found, row)))
}

fn entry(actor: &Actor, action: OperationAction, found: &Compensation) -> Operation {
    let detail = json!({
        "lane": found.lane,
        "biz_type": found.biz_type,
        "was": found.status.as_str(),
    });
    Operation::done(actor, action, ObjectKind::Compensation, found.id).with_detail(detail)
}

async fn now(
    connection: &mut Connection,
    reach: &CompensationReach,
    id: CompensateBizId,
    rung: Vec<(Lane, Announced)>,
) -> Result<CompensationActed, StoreError> {
    let found = one(connection, reach, id).await?;
    let found = found.ok_or(StoreError::Fenced)?;
    Ok(CompensationActed::Now(Box::new(found), rung))
}
