//! A row of `compensate_biz`, read under its lock by whoever settles it.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, BizStatus, CompensateBizId, LeaseEpoch, RowState, Rung, TaskId, Tenant};

use crate::claim::Lease;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;

/// A row of `compensate_biz` under this transaction's lock.
pub(crate) struct LockedRow {
    pub(crate) id: CompensateBizId,
    pub(crate) tenant: Tenant,
    pub(crate) biz_type: String,
    pub(crate) biz_id: BizId,
    pub(crate) lane: String,
    pub(crate) context: String,
    pub(crate) state: RowState,
    pub(crate) epoch: LeaseEpoch,
    pub(crate) owner: Option<String>,
    pub(crate) task_id: Option<TaskId>,
    pub(crate) group_id: Option<u64>,
    pub(crate) trace_context: Option<String>,
    pub(crate) deadline_passed: bool,
}

impl LockedRow {
    pub(crate) fn is_held_by(&self, lease: &Lease) -> bool {
        self.state.status == BizStatus::Processing
            && self.epoch == lease.epoch
            && self.owner.as_deref() == Some(&lease.token)
    }
}

pub(crate) async fn lock_row(
    connection: &mut Connection,
    id: CompensateBizId,
) -> Result<Option<LockedRow>, StoreError> {
    let rows: Vec<RowAsStored> = sql_query(format!(
        "{LOCKED_ROW} FORCE INDEX (PRIMARY) WHERE id = ? FOR UPDATE"
    ))
    .bind::<Unsigned<BigInt>, _>(id.0)
    .load(connection)
    .await?;
    rows.into_iter()
        .next()
        .map(RowAsStored::into_locked)
        .transpose()
}

/// Rows of one statement that locks them.
const ROWS_PER_LOCK: usize = 1_000;

/// The task's rows that stand in one of these states, locked by their ids ascending. Rows that are
/// born by those that this waits for are among them: it looks until it finds no more. One that comes
/// to stand so before those that are locked by then is not: to lock it now could be a deadlock.
pub(crate) async fn lock_rows(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
    standing: [BizStatus; 2],
) -> Result<Vec<LockedRow>, StoreError> {
    let [one, other] = standing.map(BizStatus::as_str);
    let mut last = 0;
    let mut locked = Vec::new();
    loop {
        let found: Vec<Id> = sql_query(format!(
            "SELECT id FROM compensate_biz FORCE INDEX (task_id) \
             WHERE task_id = ? AND tenant = ? AND status IN ('{one}', '{other}') ORDER BY id"
        ))
        .bind::<Unsigned<BigInt>, _>(task.0)
        .bind::<Text, _>(tenant.as_str())
        .load(connection)
        .await?;
        let ids = found.into_iter().map(|row| row.id);
        let new: Vec<u64> = ids.filter(|id| *id > last).collect();
        let Some(&highest) = new.last() else {
            return Ok(locked);
        };
        last = highest;
        for ids in new.chunks(ROWS_PER_LOCK) {
            let rows: Vec<RowAsStored> = sql_query(format!(
                "{LOCKED_ROW} FORCE INDEX (PRIMARY) WHERE id IN ({}) \
                 AND status IN ('{one}', '{other}') ORDER BY id FOR UPDATE",
                list(ids.iter().copied())
            ))
            .load(connection)
            .await?;
            for row in rows {
                locked.push(row.into_locked()?);
            }
        }
    }
}

/// Rows of the tenant by their numbers, which ascend, locked: those that exist.
pub(crate) async fn lock_by_ids(
    connection: &mut Connection,
    tenant: &Tenant,
    ids: impl Iterator<Item = u64>,
) -> Result<Vec<LockedRow>, StoreError> {
    lock(connection, tenant, ids.collect(), "").await
}

/// The same, without those that somebody else has locked.
pub(crate) async fn lock_free_by_ids(
    connection: &mut Connection,
    tenant: &Tenant,
    ids: impl Iterator<Item = u64>,
) -> Result<Vec<LockedRow>, StoreError> {
    lock(connection, tenant, ids.collect(), "SKIP LOCKED").await
}

async fn lock(
    connection: &mut Connection,
    tenant: &Tenant,
    ids: Vec<u64>,
    or_else: &str,
) -> Result<Vec<LockedRow>, StoreError> {
    let mut locked = Vec::with_capacity(ids.len());
    for ids in ids.chunks(ROWS_PER_LOCK) {
        let rows: Vec<RowAsStored> = sql_query(format!(
            "{LOCKED_ROW} FORCE INDEX (PRIMARY) WHERE id IN ({}) AND tenant = ? \
             ORDER BY id FOR UPDATE {or_else}",
            list(ids.iter().copied())
        ))
        .bind::<Text, _>(tenant.as_str())
        .load(connection)
        .await?;
        for row in rows {
            locked.push(row.into_locked()?);
        }
    }
    Ok(locked)
}

macro_rules! columns {
    () => {
        "id, tenant, biz_type, biz_id, lane, status, cnt, COALESCE(max_cnt, 0) AS max_cnt, \
         lease_epoch, lease_owner, task_id, group_id, trace_context, \
         COALESCE(hard_deadline <= UTC_TIMESTAMP(6), FALSE) AS deadline_passed"
    };
}

/// The columns of a [`RowAsStored`] but for its context.
pub(crate) const COLUMNS_BUT_CONTEXT: &str = columns!();

/// What is read of a row that is to be settled.
pub(crate) const LOCKED_ROW: &str = concat!("SELECT context, ", columns!(), " FROM compensate_biz");

#[derive(QueryableByName)]
pub(crate) struct RowAsStored {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    biz_type: String,
    #[diesel(sql_type = Text)]
    biz_id: String,
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = Text)]
    context: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Unsigned<Integer>)]
    cnt: u32,
    #[diesel(sql_type = Unsigned<BigInt>)]
    max_cnt: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
    #[diesel(sql_type = Nullable<Text>)]
    lease_owner: Option<String>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    task_id: Option<u64>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    group_id: Option<u64>,
    #[diesel(sql_type = Nullable<Text>)]
    trace_context: Option<String>,
    #[diesel(sql_type = Bool)]
    deadline_passed: bool,
}

impl RowAsStored {
    /// The row at the epoch that it has.
    pub(crate) fn rung(&self) -> Rung {
        Rung {
            id: CompensateBizId(self.id),
            epoch: LeaseEpoch(self.lease_epoch),
        }
    }

    pub(crate) fn into_locked(self) -> Result<LockedRow, StoreError> {
        Ok(LockedRow {
            id: CompensateBizId(self.id),
            tenant: Tenant::stored(self.tenant),
            biz_type: self.biz_type,
            biz_id: BizId::stored(self.biz_id),
            lane: self.lane,
            context: self.context,
            state: RowState {
                status: self.status.parse()?,
                cnt: self.cnt,
                max_cnt: u32::try_from(self.max_cnt).unwrap_or(u32::MAX),
            },
            epoch: LeaseEpoch(self.lease_epoch),
            owner: self.lease_owner,
            task_id: self.task_id.map(TaskId),
            group_id: self.group_id,
            trace_context: self.trace_context,
            deadline_passed: self.deadline_passed,
        })
    }
}

/// The number of a row, where nothing else of it is wanted.
#[derive(QueryableByName)]
pub(crate) struct Id {
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(crate) id: u64,
}
