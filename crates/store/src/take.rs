//! The statements of a claim: take, read back by token, look for due rows.

use std::collections::HashSet;

use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    BizId, BizType, CompensateBizId, InvalidName, Lane, LeaseEpoch, Rung, TaskId, Tenant,
};
use uuid::Uuid;

use crate::claim::{ClaimTerms, Claimed, Lease};
use crate::error::StoreError;
use crate::fragment::{after, list};
use crate::pool::Connection;
use crate::row::Id;
use crate::submit::{IMPORT_BATCH, IMPORT_FINISH};

/// One claim, with the token that what it takes is known by.
#[derive(Clone)]
pub(crate) struct Take {
    pub(crate) lane: Lane,
    token: String,
    pub(crate) terms: ClaimTerms,
}

impl Take {
    pub(crate) fn new(lane: &Lane, terms: &ClaimTerms) -> Self {
        let token = format!("{}/{}", terms.worker, Uuid::new_v4().simple());
        Self {
            lane: lane.clone(),
            token,
            terms: terms.clone(),
        }
    }

    /// The one statement that turns WAIT_HANDLE into PROCESSING, and the tasks' projection.
    pub(crate) async fn take(
        &self,
        connection: &mut Connection,
        guard: &str,
    ) -> Result<(), StoreError> {
        let own: Vec<_> = self.terms.retry.own().collect();
        // The hard deadline is for what runs for ever, so it is counted from each claim: neither a
        // pause of the lane nor a backoff uses it up. MySQL assigns from left to right: wake_at sees it.
        let take = format!(
            "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
             SET status = 'PROCESSING', lease_epoch = lease_epoch + 1, lease_owner = ?, \
                 announced = TRUE, max_cnt = COALESCE(max_cnt, CASE {own} ELSE {max_cnt} END), \
                 hard_deadline = {deadline}, \
                 wake_at = LEAST({lease}, hard_deadline), updated_at = UTC_TIMESTAMP(6) \
             WHERE {guard} AND lane = ? AND status = 'WAIT_HANDLE'",
            own = "WHEN biz_type = ? THEN ? ".repeat(own.len()) + "WHEN FALSE THEN 0",
            max_cnt = self.terms.retry.common().max_cnt(),
            deadline = after(self.terms.hard_deadline),
            lease = after(self.terms.lease),
        );
        let mut take = sql_query(take)
            .into_boxed::<Mysql>()
            .bind::<Text, _>(&self.token);
        for (biz_type, policy) in own {
            take = take
                .bind::<Text, _>(biz_type.as_str())
                .bind::<Unsigned<Integer>, _>(policy.max_cnt());
        }
        take.bind::<Text, _>(self.lane.as_str())
            .execute(connection)
            .await?;
        Ok(())
    }

    /// What was claimed of the rows, and which of them exist on this lane.
    pub(crate) async fn outcome(
        &self,
        connection: &mut Connection,
        rows: &str,
        lock: Lock,
    ) -> Result<(Vec<Claimed>, HashSet<CompensateBizId>), StoreError> {
        let claimed = self.read_back(connection, rows, lock).await?;
        let known = known_ids(connection, &self.lane, rows).await?;
        Ok((claimed, known))
    }

    /// What of the rows this claim holds.
    pub(crate) async fn read_back(
        &self,
        connection: &mut Connection,
        rows: &str,
        lock: Lock,
    ) -> Result<Vec<Claimed>, StoreError> {
        let lock = match lock {
            Lock::Own => "",
            Lock::Wait => " FOR UPDATE",
        };
        let held: Vec<HeldRow> = sql_query(format!(
            "SELECT id, tenant, biz_type, biz_id, context, cnt, lease_epoch, task_id, \
             trace_context FROM compensate_biz FORCE INDEX (PRIMARY) \
             WHERE id IN ({rows}) AND lease_owner = ? AND status = 'PROCESSING' \
             ORDER BY id{lock}"
        ))
        .bind::<Text, _>(&self.token)
        .load(connection)
        .await?;
        let tasks: Vec<u64> = held.iter().filter_map(HeldRow::begins).collect();
        if !tasks.is_empty() {
            show_as_processing(connection, tasks).await?;
        }
        held.into_iter()
            .map(|row| row.into_claimed(&self.token))
            .collect()
    }
}

/// How a claim is read back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    /// In the claim's own transaction, which has locked what it took: the other rows of the ring are
    /// no business of it.
    Own,
    /// After an unknown COMMIT: waits for the transaction that may still be at it.
    Wait,
}

/// Repeating it changes nothing, so it may follow a read-back.
async fn show_as_processing(
    connection: &mut Connection,
    mut tasks: Vec<u64>,
) -> Result<(), StoreError> {
    tasks.sort_unstable();
    let tasks = list(tasks);
    sql_query(format!(
        "UPDATE task FORCE INDEX (PRIMARY) SET status = 'PROCESSING', \
         started_at = COALESCE(started_at, UTC_TIMESTAMP(6)), \
         phase = IF(kind = 'IMPORT' AND group_id IS NULL, 'reading', phase), \
         attempt_at = UTC_TIMESTAMP(6), progress_at = NULL, version = version + 1 \
         WHERE id IN ({tasks}) AND status = 'PENDING'"
    ))
    .execute(connection)
    .await?;
    Ok(())
}

/// What a ring may bring: rows that were announced, or that are due. Whoever forges a ring of a row
/// that is to wait longer has it run no earlier.
pub(crate) const IN_TIME: &str = "(announced OR wake_at <= UTC_TIMESTAMP(6))";

/// The epoch that each row must have: one number where the ring's rows agree, else by id.
pub(crate) fn epoch_of(rung: &[Rung]) -> String {
    let first = rung[0].epoch;
    if rung.iter().all(|rung| rung.epoch == first) {
        return first.to_string();
    }
    let cases: String = rung
        .iter()
        .map(|rung| format!(" WHEN {} THEN {}", rung.id, rung.epoch))
        .collect();
    format!("CASE id{cases} END")
}

/// Which of the rows there are on this lane, or beside it: the relay may have moved one since it was
/// rung here.
pub(crate) async fn known_ids(
    connection: &mut Connection,
    lane: &Lane,
    rows: &str,
) -> Result<HashSet<CompensateBizId>, StoreError> {
    let beside = |lane: Result<Lane, InvalidName>| lane.map(String::from).unwrap_or_default();
    let known: Vec<Id> = sql_query(format!(
        "SELECT id FROM compensate_biz FORCE INDEX (PRIMARY) \
         WHERE id IN ({rows}) AND lane IN (?, ?, ?)"
    ))
    .bind::<Text, _>(lane.as_str())
    .bind::<Text, _>(beside(lane.urgent()))
    .bind::<Text, _>(beside(lane.rest()))
    .load(connection)
    .await?;
    Ok(known
        .into_iter()
        .map(|row| CompensateBizId(row.id))
        .collect())
}

pub(crate) async fn due_ids(
    connection: &mut Connection,
    lane: &Lane,
    limit: usize,
) -> Result<Vec<u64>, StoreError> {
    let due: Vec<Id> = sql_query(format!(
        "SELECT id FROM compensate_biz FORCE INDEX (lane_wake_at) \
         WHERE lane = ? AND wake_at <= UTC_TIMESTAMP(6) AND status = 'WAIT_HANDLE' \
         ORDER BY wake_at LIMIT {limit} FOR UPDATE SKIP LOCKED"
    ))
    .bind::<Text, _>(lane.as_str())
    .load(connection)
    .await?;
    let mut due: Vec<u64> = due.into_iter().map(|row| row.id).collect();
    due.sort_unstable();
    Ok(due)
}

#[derive(QueryableByName)]
struct HeldRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    biz_type: String,
    #[diesel(sql_type = Text)]
    biz_id: String,
    #[diesel(sql_type = Text)]
    context: String,
    #[diesel(sql_type = Unsigned<Integer>)]
    cnt: u32,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    task_id: Option<u64>,
    #[diesel(sql_type = Nullable<Text>)]
    trace_context: Option<String>,
}

impl HeldRow {
    /// The task that this row's first claim begins. Batches and finish of an import come when it is
    /// under way: they do not ask for its lock.
    fn begins(&self) -> Option<u64> {
        let is_under_way = [IMPORT_BATCH, IMPORT_FINISH].contains(&self.biz_type.as_str());
        self.task_id.filter(|_| !is_under_way)
    }

    fn into_claimed(self, token: &str) -> Result<Claimed, StoreError> {
        Ok(Claimed {
            lease: Lease {
                id: CompensateBizId(self.id),
                epoch: LeaseEpoch(self.lease_epoch),
                token: token.to_owned(),
            },
            tenant: Tenant::stored(self.tenant),
            biz_type: BizType::stored(self.biz_type),
            biz_id: BizId::stored(self.biz_id),
            context: self.context,
            cnt: self.cnt,
            task_id: self.task_id.map(TaskId),
            trace_context: self.trace_context,
        })
    }
}
