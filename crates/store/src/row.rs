//! A row of `compensate_biz`, read under its lock by whoever settles it.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, CompensateBizId, LeaseEpoch, RowState, TaskId, Tenant};

use crate::claim::Lease;
use crate::error::StoreError;
use crate::pool::Connection;

/// A row of `compensate_biz` under this transaction's lock.
pub(crate) struct LockedRow {
    pub(crate) id: CompensateBizId,
    pub(crate) tenant: Tenant,
    pub(crate) biz_type: String,
    pub(crate) lane: String,
    pub(crate) context: String,
    pub(crate) state: RowState,
    pub(crate) epoch: LeaseEpoch,
    pub(crate) owner: Option<String>,
    pub(crate) task_id: Option<TaskId>,
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

/// What is read of a row that is to be settled.
pub(crate) const LOCKED_ROW: &str = "SELECT id, tenant, biz_type, lane, context, status, cnt, \
     COALESCE(max_cnt, 0) AS max_cnt, lease_epoch, lease_owner, task_id, \
     COALESCE(hard_deadline <= UTC_TIMESTAMP(6), FALSE) AS deadline_passed FROM compensate_biz";

#[derive(QueryableByName)]
pub(crate) struct RowAsStored {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    biz_type: String,
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
    #[diesel(sql_type = Bool)]
    deadline_passed: bool,
}

impl RowAsStored {
    pub(crate) fn into_locked(self) -> Result<LockedRow, StoreError> {
        Ok(LockedRow {
            id: CompensateBizId(self.id),
            tenant: Tenant::stored(self.tenant),
            biz_type: self.biz_type,
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
