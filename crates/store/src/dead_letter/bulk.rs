//! Putting many letters back at once: the oldest first, in transactions of bounded size, their due
//! times spaced as wide as asked for. Nothing sleeps here.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    CompensateBizId, DeadLetterId, DeadLetterStatus, ObjectKind, OperationAction, Tenant,
};
use serde_json::json;

use super::act::TRIES;
use super::read::{DeadLetterFilter, filtered, selected};
use super::redrive::{Putting, Target, put_back};
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

/// Letters of one transaction.
const LETTERS_PER_TRANSACTION: usize = 200;

/// Which letters are put back, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRedrive {
    /// Which: of its states only OPEN counts.
    pub filter: DeadLetterFilter,
    /// Only count them.
    pub dry_run: bool,
    /// At most so many, the oldest; [`MAX_BULK_REDRIVE`] at most.
    pub max: usize,
    /// Microseconds between the due times of one and the next; zero: all at once.
    pub step_micros: u64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkRedriven {
    /// Open letters that the filter holds, those beyond the maximum too.
    pub matched: u64,
    /// How many were put back. Those whose task was deleted or went on without them stay open.
    pub redriven: u64,
}

impl Store {
    /// Puts back what the filter holds of these tenants' letters; relay and scan bring the rows. A
    /// group whose members are many may be redriven in several generations, of which the last counts.
    ///
    /// # Errors
    /// [`StoreError`]; what was put back before it stays so, and the call may be repeated.
    pub async fn redrive_dead_letters(
        &self,
        tenants: &[Tenant],
        bulk: &BulkRedrive,
        actor: &Actor,
    ) -> Result<BulkRedriven, StoreError> {
        let filter = DeadLetterFilter {
            status: Some(DeadLetterStatus::Open),
            ..bulk.filter.clone()
        };
        let mut done = BulkRedriven {
            matched: 0,
            redriven: 0,
        };
        let mut left = bulk.max.min(MAX_BULK_REDRIVE);
        for tenant in tenants {
            done.matched += self.matching(tenant, &filter).await?;
            if bulk.dry_run {
                continue;
            }
            // What cannot be put back stays open, and must not hold up what is behind it.
            let mut after = 0;
            while left > 0 {
                let most = left.min(LETTERS_PER_TRANSACTION);
                let targets = self.oldest(tenant, &filter, after, most).await?;
                let Some(last) = targets.last() else { break };
                after = last.letter.0;
                let putting = Putting {
                    tenant: tenant.clone(),
                    targets,
                    actor: actor.clone(),
                    parked_too: false,
                };
                let first = done.redriven;
                let put = self.put_back_some(putting, first, bulk.step_micros).await?;
                done.redriven += put;
                left = left.saturating_sub(usize::try_from(put).unwrap_or(usize::MAX));
            }
        }
        Ok(done)
    }

    async fn matching(
        &self,
        tenant: &Tenant,
        filter: &DeadLetterFilter,
    ) -> Result<u64, StoreError> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let select = selected(&filter, "SELECT COUNT(*) AS count FROM dead_letter");
                let query = filtered(&select, &tenant, &filter).sql(" AND source = 'ROW'");
                number(query.get_result::<Count>(connection).await?.count)
            },
        )
        .await
    }

    async fn oldest(
        &self,
        tenant: &Tenant,
        filter: &DeadLetterFilter,
        after: u64,
        most: usize,
    ) -> Result<Vec<Target>, StoreError> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let select = selected(&filter, "SELECT id, compensate_biz_id FROM dead_letter");
                let query = filtered(&select, &tenant, &filter)
                    .sql(" AND source = 'ROW' AND compensate_biz_id IS NOT NULL")
                    .sql(format!(" AND id > {after} ORDER BY id LIMIT {most}"));
                let found: Vec<Found> = query.load(connection).await?;
                let target = |found: Found| Target {
                    letter: DeadLetterId(found.id),
                    row: CompensateBizId(found.compensate_biz_id),
                };
                Ok(found.into_iter().map(target).collect())
            },
        )
        .await
    }

    async fn put_back_some(
        &self,
        putting: Putting,
        first: u64,
        step_micros: u64,
    ) -> Result<u64, StoreError> {
        let mut tried = 1;
        let mut unknown = false;
        loop {
            let once = self.put_back_once(putting.clone(), first, step_micros);
            match once.await {
                Err(StoreError::Duplicate(_)) if tried < TRIES => tried += 1,
                Err(StoreError::UnknownCommit(_)) if !unknown => unknown = true,
                // What this actor has put back by now, that COMMIT put back.
                Ok(0) if unknown => return self.put_back_before(putting).await,
                done => return done,
            }
        }
    }

    async fn put_back_once(
        &self,
        putting: Putting,
        first: u64,
        step_micros: u64,
    ) -> Result<u64, StoreError> {
        self.transact(
            Op::ActOnDeadLetter,
            async move |connection: &mut Connection| {
                let put = put_back(connection, &putting).await?;
                space(connection, &put.rows, first, step_micros).await?;
                let entry = |letter: &DeadLetterId| {
                    let action = OperationAction::DeadLetterRedrive;
                    Operation::done(&putting.actor, action, ObjectKind::DeadLetter, letter)
                        .with_detail(json!({"bulk": true}))
                };
                let entries: Vec<Operation> = put.letters.iter().map(entry).collect();
                operation_log::write_all(connection, &entries).await?;
                Ok(put.letters.len() as u64)
            },
        )
        .await
    }

    async fn put_back_before(&self, putting: Putting) -> Result<u64, StoreError> {
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let ids = putting.targets.iter().map(|target| target.letter.0);
                let counted: Count = sql_query(format!(
                    "SELECT COUNT(*) AS count FROM dead_letter FORCE INDEX (PRIMARY) \
                     WHERE id IN ({}) AND status = 'REDRIVEN' AND acted_by = ?",
                    list(ids)
                ))
                .bind::<Text, _>(putting.actor.user.as_str())
                .get_result(connection)
                .await?;
                number(counted.count)
            },
        )
        .await
    }
}

/// Spaces the due times of rows that were put back just now, `first` after what came before.
async fn space(
    connection: &mut Connection,
    rows: &[LockedRow],
    first: u64,
    step_micros: u64,
) -> Result<(), StoreError> {
    if step_micros == 0 || rows.is_empty() {
        return Ok(());
    }
    let ids = list(rows.iter().map(|row| row.id.0));
    let matched = sql_query(format!(
        "UPDATE compensate_biz FORCE INDEX (PRIMARY) SET wake_at = UTC_TIMESTAMP(6) \
         + INTERVAL ({first} + FIELD(id, {ids}) - 1) * {step_micros} MICROSECOND \
         WHERE id IN ({ids}) AND status = 'WAIT_HANDLE' AND announced = FALSE"
    ))
    .execute(connection)
    .await?;
    if matched == rows.len() {
        Ok(())
    } else {
        Err(StoreError::Fenced)
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    compensate_biz_id: u64,
}
