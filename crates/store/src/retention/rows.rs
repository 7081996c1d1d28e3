//! Finished rows of `compensate_biz` and their attempts. Found by walking the primary key, because an
//! index for it would be paid by every row at its fastest; deleted in sorted batches.

use std::time::Duration;

use diesel::sql_query;
use diesel_async::RunQueryDsl;

use super::{Met, PAGE_ROWS, Walked, before, page};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::Id;
use crate::submit::{IMPORT_BATCH, IMPORT_FINISH};

/// Rows of one statement that deletes. Where a list names nearly half of a table, MySQL reads all of
/// it whatever it is told, and waits for rows that workers hold: few at a time, so that this is true
/// of tables alone that are next to empty.
pub(super) const DELETED_AT_ONCE: usize = 100;

const ENDED: &str = "status IN ('SUCCESS', 'FAILED', 'CANCELLED')";

impl Store {
    /// Looks at the rows behind `after`, one page of them, and removes those that ended longer than
    /// `keep` ago, with their attempts. Begun with 0.
    ///
    /// Rows of a task stay with it: they are what is tried again and what is shown of its attempts.
    /// But the batches and the ends of an import that are done are neither, and go before it; all
    /// that tells of them is in the ledger. A row whose dead letter waits for a person stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_finished_rows(
        &self,
        after: u64,
        keep: Duration,
    ) -> Result<Walked, StoreError> {
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let kept_since = before(keep);
            let met: Vec<Met> = sql_query(format!(
                "SELECT id, created_at <= {kept_since} AS is_old, \
                 {ENDED} AND COALESCE(finished_at <= {kept_since}, FALSE) AS has_ended \
                 FROM compensate_biz FORCE INDEX (PRIMARY) WHERE id > {after} \
                 ORDER BY id LIMIT {PAGE_ROWS}"
            ))
            .load(connection)
            .await?;
            let (next, ended) = page(&met);
            if ended.is_empty() {
                return Ok(Walked { next, removed: 0 });
            }
            let needless: Vec<Id> = sql_query(format!(
                "SELECT c.id FROM compensate_biz c FORCE INDEX (PRIMARY) \
                 LEFT JOIN task t FORCE INDEX (PRIMARY) ON t.id = c.task_id \
                 WHERE c.id IN ({}) AND c.{ENDED} AND c.finished_at <= {kept_since} \
                 AND (t.id IS NULL OR (c.status = 'SUCCESS' \
                 AND c.biz_type IN ('{IMPORT_BATCH}', '{IMPORT_FINISH}') \
                 AND t.finished_at IS NOT NULL)) \
                 AND (c.status <> 'FAILED' OR NOT EXISTS (SELECT 1 \
                 FROM dead_letter d FORCE INDEX (tenant_biz) \
                 WHERE d.tenant = c.tenant AND d.compensate_biz_id = c.id \
                 AND d.status IN ('OPEN', 'PARKED'))) \
                 ORDER BY c.id FOR UPDATE OF c SKIP LOCKED",
                list(ended)
            ))
            .load(connection)
            .await?;
            let ids: Vec<u64> = needless.into_iter().map(|row| row.id).collect();
            let removed = delete_rows(connection, &ids).await?;
            Ok(Walked { next, removed })
        })
        .await
    }
}

/// Deletes rows that this transaction has locked, and their attempts. Sorted, at most a page.
pub(super) async fn delete_rows(
    connection: &mut Connection,
    ids: &[u64],
) -> Result<usize, StoreError> {
    let mut removed = 0;
    for ids in ids.chunks(DELETED_AT_ONCE) {
        let ids = list(ids.iter().copied());
        let attempts: Vec<Id> = sql_query(format!(
            "SELECT a.id FROM compensate_biz c FORCE INDEX (PRIMARY) \
             STRAIGHT_JOIN compensate_biz_attempt a FORCE INDEX (tenant_biz) \
             ON a.tenant = c.tenant AND a.compensate_biz_id = c.id WHERE c.id IN ({ids})"
        ))
        .load(connection)
        .await?;
        let mut attempts: Vec<u64> = attempts.into_iter().map(|row| row.id).collect();
        attempts.sort_unstable();
        for attempts in attempts.chunks(DELETED_AT_ONCE) {
            sql_query(format!(
                "DELETE a FROM compensate_biz_attempt a FORCE INDEX (PRIMARY) WHERE id IN ({})",
                list(attempts.iter().copied())
            ))
            .execute(connection)
            .await?;
        }
        removed += sql_query(format!(
            "DELETE c FROM compensate_biz c FORCE INDEX (PRIMARY) WHERE id IN ({ids})"
        ))
        .execute(connection)
        .await?;
    }
    Ok(removed)
}
