//! Putting many letters back at once: the oldest first, in transactions of bounded size, their due
//! times spaced as wide as asked for. Nothing sleeps here. Members of one group go in one
//! transaction, however many they are: a call raises a group's generation once (design.md §5).
//! Letters whose work can never be put back are discarded on the way, so that nobody has to look at
//! each of them.

mod chosen;

use std::collections::HashSet;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::{DeadLetterId, ObjectKind, OperationAction, Tenant};
use serde_json::json;

use super::act::{Refusal, TRIES};
use super::read::DeadLetterFilter;
use super::redrive::{LETTERS_PER_STATEMENT, Putting, put_back};
use super::summary::number;
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::operation_log::{self, Actor, Operation};
use crate::pool::Connection;
use crate::row::LockedRow;

/// Most letters of one call.
pub const MAX_BULK_REDRIVE: usize = 10_000;

/// Letters of one transaction, unless they are of one group.
const LETTERS_PER_TRANSACTION: usize = 200;

/// Which letters are put back, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRedrive {
    /// Which: whatever state it names, those that are OPEN or PARKED.
    pub filter: DeadLetterFilter,
    /// Only count them.
    pub dry_run: bool,
    /// At most so many are put back or discarded, the oldest; [`MAX_BULK_REDRIVE`] at most.
    pub max: usize,
    /// Microseconds between the due times of one and the next; zero: all at once.
    pub step_micros: u64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkRedriven {
    /// Letters that the filter holds and nobody has acted on, those beyond the maximum too.
    pub matched: u64,
    /// How many were put back. Of the others those are DISCARDED whose work can never be
    /// ([`super::Refusal::is_for_good`]), and the rest stays as it is.
    pub redriven: u64,
}

impl Store {
    /// Puts back what the filter holds of these tenants' letters; relay and scan bring the rows.
    ///
    /// # Errors
    /// [`StoreError`]; what was put back before it stays so, and the call may be repeated.
    pub async fn redrive_dead_letters(
        &self,
        tenants: &[Tenant],
        bulk: &BulkRedrive,
        actor: &Actor,
    ) -> Result<BulkRedriven, StoreError> {
        let mut done = BulkRedriven {
            matched: 0,
            redriven: 0,
        };
        let mut left = bulk.max.min(MAX_BULK_REDRIVE);
        for tenant in tenants {
            done.matched += self.matching(tenant, &bulk.filter).await?;
            if bulk.dry_run {
                continue;
            }
            // What cannot be put back stays, and must not hold up what is behind it.
            let mut after = 0;
            let mut raised = HashSet::new();
            while left > 0 {
                let chosen = self.oldest(tenant, &bulk.filter, after, left).await?;
                let Some(last) = chosen.last() else { break };
                after = last.letter.0;
                for (group, targets) in self.by_group(chosen).await? {
                    // Members that come when others have been put back wait for the next call.
                    if group.is_some_and(|group| !raised.insert(group)) {
                        continue;
                    }
                    let putting = Putting {
                        tenant: tenant.clone(),
                        targets,
                        actor: actor.clone(),
                    };
                    let first = done.redriven;
                    let acted = self.put_back_some(putting, first, bulk.step_micros).await?;
                    done.redriven += acted.redriven;
                    left = left.saturating_sub(usize::try_from(acted.all).unwrap_or(usize::MAX));
                }
            }
        }
        Ok(done)
    }

    async fn put_back_some(
        &self,
        putting: Putting,
        first: u64,
        step_micros: u64,
    ) -> Result<Acted, StoreError> {
        let mut tried = 1;
        let mut unknown = false;
        loop {
            let once = self.put_back_once(putting.clone(), first, step_micros);
            match once.await {
                Err(StoreError::Duplicate(_)) if tried < TRIES => tried += 1,
                Err(StoreError::UnknownCommit(_)) if !unknown => unknown = true,
                // What this actor has acted on by now, that COMMIT did.
                Ok(Acted { all: 0, .. }) if unknown => {
                    return self.bulk_acted_before(putting).await;
                }
                done => return done,
            }
        }
    }

    async fn put_back_once(
        &self,
        putting: Putting,
        first: u64,
        step_micros: u64,
    ) -> Result<Acted, StoreError> {
        self.transact(
            Op::ActOnDeadLetter,
            async move |connection: &mut Connection| {
                let put = put_back(connection, &putting).await?;
                space(connection, &put.rows, first, step_micros).await?;
                let entry = |action: OperationAction, letter: &DeadLetterId, detail| {
                    Operation::done(&putting.actor, action, ObjectKind::DeadLetter, letter)
                        .with_detail(detail)
                };
                let redriven = |letter| {
                    entry(
                        OperationAction::DeadLetterRedrive,
                        letter,
                        json!({"bulk": true}),
                    )
                };
                let mut entries: Vec<Operation> = put.letters.iter().map(redriven).collect();
                let void = put.refused.iter().filter(|(_, why)| why.is_for_good());
                let void: Vec<_> = void.collect();
                discard(connection, &void, &putting.actor).await?;
                entries.extend(void.into_iter().map(|(letter, why)| {
                    let detail = json!({"bulk": true, "because": why.to_string()});
                    entry(OperationAction::DeadLetterDiscard, letter, detail)
                }));
                operation_log::write_all(connection, &entries).await?;
                Ok(Acted {
                    all: entries.len() as u64,
                    redriven: put.letters.len() as u64,
                })
            },
        )
        .await
    }

    async fn bulk_acted_before(&self, putting: Putting) -> Result<Acted, StoreError> {
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let mut before = Acted::default();
                for targets in putting.targets.chunks(LETTERS_PER_STATEMENT) {
                    let ids = targets.iter().map(|target| target.letter.0);
                    let counted: Counted = sql_query(format!(
                        "SELECT COUNT(*) AS acted, \
                         COUNT(IF(status = 'REDRIVEN', 1, NULL)) AS redriven \
                         FROM dead_letter FORCE INDEX (PRIMARY) \
                         WHERE id IN ({}) AND status IN ('REDRIVEN', 'DISCARDED') AND acted_by = ?",
                        list(ids)
                    ))
                    .bind::<Text, _>(putting.actor.user.as_str())
                    .get_result(connection)
                    .await?;
                    before.all += number(counted.acted)?;
                    before.redriven += number(counted.redriven)?;
                }
                Ok(before)
            },
        )
        .await
    }
}

/// Letters that one transaction acted on.
#[derive(Debug, Clone, Copy, Default)]
struct Acted {
    /// Put back or discarded.
    all: u64,
    redriven: u64,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    acted: i64,
    #[diesel(sql_type = BigInt)]
    redriven: i64,
}

/// Discards letters that are locked and that nobody has acted on.
async fn discard(
    connection: &mut Connection,
    letters: &[&(DeadLetterId, Refusal)],
    actor: &Actor,
) -> Result<(), StoreError> {
    for letters in letters.chunks(LETTERS_PER_STATEMENT) {
        sql_query(format!(
            "UPDATE dead_letter FORCE INDEX (PRIMARY) SET status = 'DISCARDED', acted_by = ?, \
             acted_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6) \
             WHERE id IN ({}) AND status IN ('OPEN', 'PARKED')",
            list(letters.iter().map(|(letter, _)| letter.0))
        ))
        .bind::<Text, _>(actor.user.as_str())
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Spaces the due times of rows that were put back just now, `first` after what came before.
async fn space(
    connection: &mut Connection,
    rows: &[LockedRow],
    first: u64,
    step_micros: u64,
) -> Result<(), StoreError> {
    if step_micros == 0 {
        return Ok(());
    }
    let mut first = first;
    for rows in rows.chunks(LETTERS_PER_TRANSACTION) {
        let ids = list(rows.iter().map(|row| row.id.0));
        let matched = sql_query(format!(
            "UPDATE compensate_biz FORCE INDEX (PRIMARY) SET wake_at = UTC_TIMESTAMP(6) \
             + INTERVAL ({first} + FIELD(id, {ids}) - 1) * {step_micros} MICROSECOND \
             WHERE id IN ({ids}) AND status = 'WAIT_HANDLE' AND announced = FALSE"
        ))
        .execute(connection)
        .await?;
        if matched != rows.len() {
            return Err(StoreError::Fenced);
        }
        first += matched as u64;
    }
    Ok(())
}
