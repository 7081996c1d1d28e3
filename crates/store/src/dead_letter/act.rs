//! What a person does with one dead letter: redrive or discard, with the entry in the operation log
//! in the same transaction. Of several people at once one acts, and the others are told so.

use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    BizStatus, DeadLetterAct, DeadLetterId, Lane, ObjectKind, OperationAction, TaskStatus, Tenant,
};
use serde_json::json;
use thiserror::Error;

use super::read::{DeadLetter, letter};
use super::redrive::{Putting, Target, put_back};
use crate::Store;
use crate::announce::Announced;
use crate::door::Op;
use crate::error::StoreError;
use crate::operation_log::{self, Actor, Operation};
use crate::pool::Connection;
use crate::reopen::{self, Announce};
use crate::row::Id;

/// Tries of a redrive that meets an identical export being opened at that very moment.
pub(super) const TRIES: u32 = 3;

/// What became of a request to act on a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterActed {
    /// It was done. The rows are marked as announced, to be rung by the caller right after this.
    Now(Box<DeadLetter>, Vec<(Lane, Announced)>),
    /// It cannot be done.
    Refused(Box<DeadLetter>, Refusal),
    /// These tenants have no such letter.
    NotFound,
}

/// Why a letter cannot be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Somebody acted on it before.
    #[error("somebody has acted on it before")]
    NotOpen,
    /// Only rows can be put back.
    #[error(
        "a message can only be discarded; the row that it may have been about is found by the scan"
    )]
    Message,
    /// The row was removed.
    #[error("its row does not exist any more")]
    RowGone,
    /// The row was put back or ended in another way.
    #[error("its row is {0}, not FAILED")]
    RowStands(BizStatus),
    /// The user took the task away.
    #[error("its task was deleted")]
    TaskDeleted,
    /// The task was ended, and its rows with it.
    #[error("its task is {0}")]
    TaskEnded(TaskStatus),
    /// The file of an import has had its time, and what was made of it.
    #[error("the file of its import has had its time; the import can only be submitted anew")]
    FileGone,
    /// It follows an end of its group, which has gone on to another end since.
    #[error("a later redrive of its group has made it needless")]
    Superseded,
}

impl Refusal {
    /// Whether the work can never be put back: there is nothing to be done about its letter.
    #[must_use]
    pub const fn is_for_good(self) -> bool {
        match self {
            Self::RowGone
            | Self::RowStands(BizStatus::Success)
            | Self::TaskDeleted
            | Self::TaskEnded(_)
            | Self::FileGone
            | Self::Superseded => true,
            Self::NotOpen | Self::Message | Self::RowStands(_) => false,
        }
    }
}

impl Store {
    /// Puts the work of a letter back, with a fresh count of failures, and opens its task again. An
    /// export begins anew, an import goes on with that row. Quotas do not apply: the operator decides.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn redrive_dead_letter(
        &self,
        tenants: &[Tenant],
        id: DeadLetterId,
        actor: &Actor,
        announce: &Announce,
    ) -> Result<DeadLetterActed, StoreError> {
        let mut tried = 1;
        loop {
            match self.redrive_once(tenants, id, actor, announce).await {
                Err(StoreError::Duplicate(_)) if tried < TRIES => tried += 1,
                Err(StoreError::UnknownCommit(cause)) => {
                    return self.acted_before(tenants, id, actor, cause).await;
                }
                done => return done,
            }
        }
    }

    async fn redrive_once(
        &self,
        tenants: &[Tenant],
        id: DeadLetterId,
        actor: &Actor,
        announce: &Announce,
    ) -> Result<DeadLetterActed, StoreError> {
        let (tenants, actor, announce) = (tenants.to_vec(), actor.clone(), announce.clone());
        self.transact(
            Op::ActOnDeadLetter,
            async move |connection: &mut Connection| {
                let Some(found) = letter(connection, &tenants, id).await? else {
                    return Ok(DeadLetterActed::NotFound);
                };
                let entry = entry(&found, &actor, OperationAction::DeadLetterRedrive);
                let row = match (found.allowed_acts(), found.compensate_biz_id) {
                    ([], _) => return refused(connection, found, entry, Refusal::NotOpen).await,
                    (acts, Some(row)) if acts.contains(&DeadLetterAct::Redrive) => row,
                    _ => return refused(connection, found, entry, Refusal::Message).await,
                };
                let putting = Putting {
                    tenant: found.tenant.clone(),
                    targets: vec![Target { letter: id, row }],
                    actor: actor.clone(),
                };
                let put = put_back(connection, &putting).await?;
                if let [(_, why), ..] = put.refused.as_slice() {
                    return refused(connection, found, entry, *why).await;
                }
                let rung = reopen::announce(connection, &put.rows, &announce).await?;
                operation_log::write(connection, &entry).await?;
                now(connection, &tenants, id, rung).await
            },
        )
        .await
    }

    /// Notes that nothing is to be done about a letter. Its row stays as it is.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, unless it is [`StoreError::UnknownCommit`].
    pub async fn discard_dead_letter(
        &self,
        tenants: &[Tenant],
        id: DeadLetterId,
        actor: &Actor,
    ) -> Result<DeadLetterActed, StoreError> {
        match self.discard_once(tenants, id, actor).await {
            Err(StoreError::UnknownCommit(cause)) => {
                self.acted_before(tenants, id, actor, cause).await
            }
            done => done,
        }
    }

    async fn discard_once(
        &self,
        tenants: &[Tenant],
        id: DeadLetterId,
        actor: &Actor,
    ) -> Result<DeadLetterActed, StoreError> {
        let (tenants, actor) = (tenants.to_vec(), actor.clone());
        self.transact(
            Op::ActOnDeadLetter,
            async move |connection: &mut Connection| {
                let Some(found) = letter(connection, &tenants, id).await? else {
                    return Ok(DeadLetterActed::NotFound);
                };
                let entry = entry(&found, &actor, OperationAction::DeadLetterDiscard);
                let matched = sql_query(
                    "UPDATE dead_letter FORCE INDEX (PRIMARY) SET status = 'DISCARDED', \
                     acted_by = ?, acted_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6) \
                     WHERE id = ? AND status IN ('OPEN', 'PARKED')",
                )
                .bind::<Text, _>(actor.user.as_str())
                .bind::<Unsigned<BigInt>, _>(id.0)
                .execute(connection)
                .await?;
                if matched == 0 {
                    return refused(connection, found, entry, Refusal::NotOpen).await;
                }
                operation_log::write(connection, &entry).await?;
                now(connection, &tenants, id, Vec::new()).await
            },
        )
        .await
    }

    /// Read back after an unknown COMMIT, behind the lock of whoever may still be at it: what this
    /// actor has acted on now was acted on by it. Its row is due or announced, and found by relay or
    /// scan.
    async fn acted_before(
        &self,
        tenants: &[Tenant],
        id: DeadLetterId,
        actor: &Actor,
        cause: crate::Cause,
    ) -> Result<DeadLetterActed, StoreError> {
        self.transact(
            Op::ActOnDeadLetter,
            async move |connection: &mut Connection| {
                let _locked: Vec<Id> = sql_query(
                    "SELECT id FROM dead_letter FORCE INDEX (PRIMARY) WHERE id = ? FOR UPDATE",
                )
                .bind::<Unsigned<BigInt>, _>(id.0)
                .load(connection)
                .await?;
                Ok(())
            },
        )
        .await?;
        let Some((found, _)) = self.dead_letter(tenants, id).await? else {
            return Ok(DeadLetterActed::NotFound);
        };
        if found.acted_by.as_deref() == Some(actor.user.as_str()) {
            Ok(DeadLetterActed::Now(Box::new(found), Vec::new()))
        } else {
            Err(StoreError::Unavailable(cause))
        }
    }
}

/// What the operation log says of an act on a letter.
pub(super) fn entry(found: &DeadLetter, actor: &Actor, action: OperationAction) -> Operation {
    let detail = json!({
        "lane": found.lane,
        "biz_type": found.biz_type,
        "reason": found.reason,
        "task_id": found.task_id,
    });
    Operation::done(actor, action, ObjectKind::DeadLetter, found.id).with_detail(detail)
}

async fn refused(
    connection: &mut Connection,
    found: DeadLetter,
    entry: Operation,
    why: Refusal,
) -> Result<DeadLetterActed, StoreError> {
    let detail = json!({"because": why.to_string()});
    operation_log::write(connection, &entry.with_detail(detail).refused()).await?;
    // as it stands now: somebody else may have acted on it a moment ago
    let tenants = [found.tenant.clone()];
    let fresh = letter(connection, &tenants, found.id).await?;
    Ok(DeadLetterActed::Refused(
        Box::new(fresh.unwrap_or(found)),
        why,
    ))
}

async fn now(
    connection: &mut Connection,
    tenants: &[Tenant],
    id: DeadLetterId,
    rung: Vec<(Lane, Announced)>,
) -> Result<DeadLetterActed, StoreError> {
    let found = letter(connection, tenants, id).await?;
    let found = found.ok_or(StoreError::Fenced)?;
    Ok(DeadLetterActed::Now(Box::new(found), rung))
}
