//! The rows of work themselves: ends, epochs, attempts, dead letters, groups, the ledger.

use anyhow::Result;

use super::{Checker, Tally};

/// What must find nothing: a sentence, and a query of one text column.
const NOTHING: &[(&str, &str)] = &[
    (
        "a row that has ended still has a timer or an owner",
        "SELECT CONCAT_WS(' ', id, biz_type, status) FROM compensate_biz
         WHERE status IN ('SUCCESS', 'FAILED', 'CANCELLED')
           AND (wake_at IS NOT NULL OR lease_owner IS NOT NULL OR finished_at IS NULL)",
    ),
    (
        "a row succeeded and nobody ever claimed it",
        "SELECT CONCAT_WS(' ', id, biz_type) FROM compensate_biz
         WHERE status = 'SUCCESS' AND lease_epoch = 0",
    ),
    (
        "two attempts ended at one epoch",
        "SELECT CONCAT_WS(' ', compensate_biz_id, epoch, COUNT(*), GROUP_CONCAT(outcome))
         FROM compensate_biz_attempt GROUP BY compensate_biz_id, epoch HAVING COUNT(*) > 1",
    ),
    (
        "an attempt at an epoch that its row has not reached",
        "SELECT CONCAT_WS(' ', a.compensate_biz_id, a.epoch, b.lease_epoch)
         FROM compensate_biz_attempt a LEFT JOIN compensate_biz b ON b.id = a.compensate_biz_id
         WHERE b.id IS NULL OR a.epoch > b.lease_epoch",
    ),
    (
        "given up, and no dead letter",
        "SELECT CONCAT_WS(' ', b.id, b.biz_type, b.last_failed_reason) FROM compensate_biz b
         WHERE b.status = 'FAILED' AND b.biz_type <> 'DEAD_LETTER'
           AND COALESCE(b.last_failed_reason, '') NOT LIKE 'rejected %'
           AND NOT EXISTS (SELECT 1 FROM dead_letter d
                           WHERE d.tenant = b.tenant AND d.compensate_biz_id = b.id)",
    ),
    (
        "given up, and no attempt tells why",
        "SELECT CONCAT_WS(' ', b.id, b.biz_type) FROM compensate_biz b
         WHERE b.status = 'FAILED' AND NOT EXISTS
           (SELECT 1 FROM compensate_biz_attempt a
            WHERE a.tenant = b.tenant AND a.compensate_biz_id = b.id)",
    ),
    (
        "a dead letter that no row of work brings to a person",
        "SELECT CONCAT_WS(' ', d.id, d.tenant, d.source, d.lane, d.status) FROM dead_letter d
         WHERE d.lane NOT LIKE '%.dlt' AND NOT EXISTS
           (SELECT 1 FROM compensate_biz b WHERE b.tenant = d.tenant
              AND b.biz_type = 'DEAD_LETTER' AND b.biz_id = CAST(d.id AS CHAR))",
    ),
    (
        "a row of a dead letter that was given up, and the letter is not parked",
        "SELECT CONCAT_WS(' ', d.id, d.status) FROM dead_letter d JOIN compensate_biz b
           ON b.tenant = d.tenant AND b.biz_type = 'DEAD_LETTER' AND b.biz_id = CAST(d.id AS CHAR)
         WHERE b.status = 'FAILED' AND d.status = 'OPEN'",
    ),
    (
        "a task failed, and nothing of it was given up",
        "SELECT CONCAT_WS(' ', t.id, t.kind, t.error_code) FROM task t
         WHERE t.status = 'FAILED'
           AND COALESCE(t.error_code, '') NOT IN ('aborted', 'all_rows_failed')
           AND NOT EXISTS (SELECT 1 FROM compensate_biz b WHERE b.task_id = t.id
                             AND (b.status = 'FAILED'
                                  OR b.status = 'CANCELLED' AND t.kind = 'IMPORT'))",
    ),
    (
        "a group whose counters are not those of its rows",
        "SELECT CONCAT_WS(' ', g.id, g.total, g.succeeded, g.dead, g.cancelled, 'rows', b.n, b.succeeded,
                b.dead, b.cancelled)
         FROM compensate_group g
         JOIN (SELECT h.id, COUNT(b.id) n, COUNT(IF(b.status = 'SUCCESS', 1, NULL)) succeeded,
                      COUNT(IF(b.status = 'FAILED', 1, NULL)) dead,
                      COUNT(IF(b.status = 'CANCELLED', 1, NULL)) cancelled
               FROM compensate_group h LEFT JOIN compensate_biz b ON b.group_id = h.id
               GROUP BY h.id) b ON b.id = g.id
         WHERE (g.total, g.succeeded, g.dead, g.cancelled)
            <> (b.n, b.succeeded, b.dead, b.cancelled)",
    ),
    (
        "a group whose rows have all ended, and it has not",
        "SELECT CONCAT_WS(' ', id, task_id, generation, ended_generation) FROM compensate_group
         WHERE sealed AND total = succeeded + dead + cancelled AND cancelled = 0
           AND ended_generation < generation",
    ),
    (
        "a group of business work whose rows have all ended, cancelled ones too, and it has not",
        "SELECT CONCAT_WS(' ', id, group_key, generation, ended_generation) FROM compensate_group
         WHERE group_key IS NOT NULL AND sealed AND total = succeeded + dead + cancelled
           AND ended_generation < generation",
    ),
    (
        "an end of a group for a generation that it never had",
        "SELECT CONCAT_WS(' ', b.id, b.biz_id) FROM compensate_biz b
         JOIN compensate_group g ON g.id = CAST(SUBSTRING_INDEX(b.biz_id, '/', 1) AS UNSIGNED)
         WHERE b.biz_type IN ('IMPORT_FINISH', 'chaos_end')
           AND CAST(SUBSTRING_INDEX(b.biz_id, '/', -1) AS UNSIGNED) > g.generation",
    ),
    (
        "an import whose counts are not those of its ledger",
        "SELECT CONCAT_WS(' ', t.id, t.status, t.done_rows, t.failed_rows, t.skipped_rows, 'ledger',
                i.done, i.failed, i.skipped)
         FROM task t
         JOIN (SELECT task_id, SUM(done) done, SUM(failed) failed, SUM(skipped) skipped
               FROM import_batch GROUP BY task_id) i ON i.task_id = t.id
         WHERE (t.done_rows, t.failed_rows, t.skipped_rows) <> (i.done, i.failed, i.skipped)",
    ),
    (
        "a batch that succeeded without an entry in the ledger",
        "SELECT CONCAT_WS(' ', b.id, b.task_id, b.biz_id) FROM compensate_biz b
         WHERE b.biz_type = 'IMPORT_BATCH' AND b.status = 'SUCCESS'
           AND (SELECT COUNT(*) FROM compensate_biz o
                WHERE o.group_id = b.group_id AND o.status = 'SUCCESS')
            <> (SELECT COUNT(*) FROM import_batch i
                WHERE i.tenant = b.tenant AND i.task_id = b.task_id)",
    ),
    (
        "rows of chaos_upsert that the ledger does not know, or the other way round",
        "SELECT CONCAT_WS(' ', 'table', t.n, 'ledger', l.n)
         FROM (SELECT COUNT(*) n FROM chaos_upsert) t,
              (SELECT COUNT(DISTINCT effect) n FROM chaos_ledger) l WHERE t.n <> l.n",
    ),
];

/// Ends of good work under the faults of a run: it was lost, or met what goes away by itself, until
/// its tries were spent, or ran beyond its deadline. `internal` goes away by itself where a service is
/// called; elsewhere it is a panic. Of a row `b`; NULL where nothing tells why.
pub(super) const DIED_OF_FAULTS: &str = "\
    b.last_failed_reason LIKE 'lease\\_lost timed\\_out: the hard deadline passed%'
    OR b.cnt > b.max_cnt AND (b.last_failed_reason LIKE 'lease\\_lost timed\\_out: %'
      OR b.last_failed_reason LIKE 'transient %'
         AND (b.last_failed_reason NOT LIKE 'transient internal: %'
              OR b.biz_type IN ('chaos_call', 'chaos_batch')))";

impl Checker {
    pub(super) async fn rows(&self, tally: &mut Tally) -> Result<()> {
        for (what, query) in NOTHING {
            self.none(what, query).await?;
        }
        let of_tasks = format!(
            "SELECT CONCAT_WS(' ', b.id, b.biz_type, b.cnt, 'of', b.max_cnt, b.last_failed_reason)
             FROM compensate_biz b LEFT JOIN task t ON t.id = b.task_id
             WHERE b.biz_type IN ('EXPORT', 'IMPORT', 'IMPORT_BATCH', 'IMPORT_FINISH')
               AND b.status = 'FAILED' AND COALESCE(t.dataset, '') <> 'chaos_broken'
               AND COALESCE({DIED_OF_FAULTS}, FALSE) = FALSE"
        );
        self.none("good work of a task was given up", &of_tasks)
            .await?;
        tally.letters = self
            .database
            .one("SELECT COUNT(*) FROM dead_letter")
            .await?;
        Ok(())
    }
}
