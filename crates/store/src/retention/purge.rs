//! Deleted tasks whose time has passed: their rows with attempts, ledger, group, files, and at last
//! the task. In many transactions, each small; whatever stops it, the task is there until all else has
//! gone, and is come back to.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{TaskId, Tenant};

use super::rows::delete_rows;
use super::{EndedTask, PAGE_ROWS};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::Id;

/// Transactions of one purge: the largest import has 10,000 batches, each a row and a ledger entry.
const MOST_STEPS: usize = 40;

/// What became of a deleted task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Nothing is left of it.
    Gone,
    /// Something of it is open or waits to be removed from storage: it is told again.
    NotYet,
}

impl Store {
    /// Removes a deleted task and all that belongs to it. Dead letters of its rows stay: what is OPEN
    /// waits for a person, what is not goes by its own time.
    ///
    /// # Errors
    /// [`StoreError`]; what was removed before is so, and the rest is told again.
    pub async fn purge_task(&self, ended: &EndedTask) -> Result<Purged, StoreError> {
        let (task, tenant) = (ended.task, &ended.tenant);
        for _ in 0..MOST_STEPS {
            if !self.purge_rows(task, tenant).await? && !self.purge_ledger(task, tenant).await? {
                return self.purge_rest(task, tenant).await;
            }
        }
        Ok(Purged::NotYet)
    }

    /// A page of its rows; whether there was any that could go.
    async fn purge_rows(&self, task: TaskId, tenant: &Tenant) -> Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let found: Vec<Id> = sql_query(format!(
                "SELECT id FROM compensate_biz FORCE INDEX (task_id) \
                 WHERE task_id = ? AND tenant = ? ORDER BY id LIMIT {PAGE_ROWS}"
            ))
            .bind::<Unsigned<BigInt>, _>(task.0)
            .bind::<Text, _>(tenant.as_str())
            .load(connection)
            .await?;
            if found.is_empty() {
                return Ok(false);
            }
            let ended: Vec<Id> = sql_query(format!(
                "SELECT id FROM compensate_biz FORCE INDEX (PRIMARY) WHERE id IN ({}) \
                 AND status IN ('SUCCESS', 'FAILED', 'CANCELLED') \
                 ORDER BY id FOR UPDATE SKIP LOCKED",
                list(found.into_iter().map(|row| row.id))
            ))
            .load(connection)
            .await?;
            let ids: Vec<u64> = ended.into_iter().map(|row| row.id).collect();
            Ok(delete_rows(connection, &ids).await? > 0)
        })
        .await
    }

    /// A page of its ledger; whether there was any.
    async fn purge_ledger(&self, task: TaskId, tenant: &Tenant) -> Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let found: Vec<BatchNumber> = sql_query(format!(
                "SELECT batch_no FROM import_batch FORCE INDEX (PRIMARY) \
                 WHERE tenant = ? AND task_id = ? ORDER BY batch_no LIMIT {PAGE_ROWS}"
            ))
            .bind::<Text, _>(tenant.as_str())
            .bind::<Unsigned<BigInt>, _>(task.0)
            .load(connection)
            .await?;
            if found.is_empty() {
                return Ok(false);
            }
            sql_query(format!(
                "DELETE b FROM import_batch b FORCE INDEX (PRIMARY) \
                 WHERE tenant = ? AND task_id = ? AND batch_no IN ({})",
                list(found.into_iter().map(|row| row.batch_no.into()))
            ))
            .bind::<Text, _>(tenant.as_str())
            .bind::<Unsigned<BigInt>, _>(task.0)
            .execute(connection)
            .await?;
            Ok(true)
        })
        .await
    }

    /// Its group, its files and itself, when nothing else is left of it.
    async fn purge_rest(&self, task: TaskId, tenant: &Tenant) -> Result<Purged, StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let left: Vec<Id> = sql_query(
                "(SELECT id FROM compensate_biz FORCE INDEX (task_id) \
                 WHERE task_id = ? AND tenant = ? LIMIT 1) UNION ALL \
                 (SELECT id FROM task_file FORCE INDEX (tenant_task) \
                 WHERE tenant = ? AND task_id = ? AND remove_at IS NOT NULL LIMIT 1)",
            )
            .bind::<Unsigned<BigInt>, _>(task.0)
            .bind::<Text, _>(tenant.as_str())
            .bind::<Text, _>(tenant.as_str())
            .bind::<Unsigned<BigInt>, _>(task.0)
            .load(connection)
            .await?;
            if !left.is_empty() {
                return Ok(Purged::NotYet);
            }
            for delete in [
                "DELETE g FROM compensate_group g FORCE INDEX (tenant_task) \
                 WHERE tenant = ? AND task_id = ?",
                "DELETE f FROM task_file f FORCE INDEX (tenant_task) \
                 WHERE tenant = ? AND task_id = ?",
                "DELETE t FROM task t FORCE INDEX (PRIMARY) \
                 WHERE tenant = ? AND id = ? AND deleted_at IS NOT NULL",
            ] {
                sql_query(delete)
                    .bind::<Text, _>(tenant.as_str())
                    .bind::<Unsigned<BigInt>, _>(task.0)
                    .execute(connection)
                    .await?;
            }
            Ok(Purged::Gone)
        })
        .await
    }
}

#[derive(QueryableByName)]
struct BatchNumber {
    #[diesel(sql_type = Unsigned<Integer>)]
    batch_no: u32,
}
