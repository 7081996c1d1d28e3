//! Ended rows are put back, and their tasks opened again: by a user who has a task tried again
//! (`retry.rs`), or by an operator who redrives dead letters (`dead_letter/redrive.rs`). Who may, and
//! what of it counts as open, is theirs to say; what follows from it is here, once for both.
//!
//! Through `settle`, in the lock order compensate_biz by id, group, task; then files and letters.
//! Shown by `tests/it/retry.rs`, `tests/it/group_retry.rs` and `tests/it/dead_letter_acts.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{CompensateBizId, Event, Lane, Rung, Task, TaskId, TaskKind, Tenant, UserId};

use crate::announce::Announced;
use crate::born::Births;
use crate::error::StoreError;
use crate::fragment::{after, list};
use crate::group;
use crate::group::follow_up::superseded_among;
use crate::import::PHASE;
use crate::pool::Connection;
use crate::row::{Id, LockedRow};
use crate::settle::{Case, settle_all};
use crate::submit::{IMPORT, IMPORT_BATCH, IMPORT_FINISH};
use crate::upload;

/// Rows of one statement.
const ROWS_PER_STATEMENT: usize = 1_000;

/// How rows that a person puts back are announced.
#[derive(Debug, Clone)]
pub struct Announce {
    /// When the scan looks at the rows if no ring brings them.
    pub scan_interval: Duration,
    /// The span that asks, as W3C `traceparent`.
    pub trace_context: Option<String>,
}

/// Tasks under this transaction's lock.
pub(crate) type LockedTasks = HashMap<TaskId, Task>;

/// Locks the groups of the rows, and finds the follow-ups that are needless: their group went on since,
/// or, of an import, its batches go on with these rows. A batch comes before the end, which its group
/// asks for anew.
pub(crate) async fn passed(
    connection: &mut Connection,
    tenant: &Tenant,
    rows: &[&LockedRow],
) -> Result<HashSet<CompensateBizId>, StoreError> {
    let mut passed = superseded_among(connection, rows).await?;
    let groups: BTreeSet<u64> = rows.iter().filter_map(|row| row.group_id).collect();
    group::hold(connection, tenant, groups).await?;
    let batches = rows.iter().filter(|row| row.biz_type == IMPORT_BATCH);
    let going_on: HashSet<Option<TaskId>> = batches.map(|row| row.task_id).collect();
    let ends = rows.iter().filter(|row| row.biz_type == IMPORT_FINISH);
    let needless = ends.filter(|row| going_on.contains(&row.task_id));
    passed.extend(needless.map(|row| row.id));
    Ok(passed)
}

/// The rows of imports whose file has had its time: it was removed from storage, or is about to be,
/// and what was made of it with it. The files of the others are kept from now on. To be called with
/// the tasks' locks.
pub(crate) async fn without_file(
    connection: &mut Connection,
    rows: &[&LockedRow],
    tasks: &LockedTasks,
) -> Result<HashSet<CompensateBizId>, StoreError> {
    let mut readers: BTreeMap<TaskId, Vec<CompensateBizId>> = BTreeMap::new();
    for row in rows {
        // An end is told by the ledger; without its file there is no failure workbook.
        if [IMPORT, IMPORT_BATCH].contains(&row.biz_type.as_str())
            && let Some(task) = row.task_id
        {
            readers.entry(task).or_default().push(row.id);
        }
    }
    let mut without = HashSet::new();
    for (id, rows) in readers {
        if let Some(task) = tasks.get(&id)
            && !upload::keep_of_task(connection, &task.tenant, id).await?
        {
            without.extend(rows);
        }
    }
    Ok(without)
}

/// Puts the rows back, due now and not announced, with a fresh count of failures; opens the tasks
/// that had ended, and marks the rows' letters.
pub(crate) async fn open_again(
    connection: &mut Connection,
    rows: &[LockedRow],
    tasks: &LockedTasks,
    actor: &UserId,
) -> Result<(), StoreError> {
    let mut births = Births::left_to_the_relay();
    settle_all(connection, rows, &Case::new(Event::Redrive), &mut births).await?;
    let mut of_task: BTreeMap<TaskId, Vec<&LockedRow>> = BTreeMap::new();
    for row in rows {
        if let Some(task) = row.task_id {
            of_task.entry(task).or_default().push(row);
        }
    }
    for (id, rows) in of_task {
        // An import that is still under way goes on as it is.
        let Some(task) = tasks.get(&id).filter(|task| task.status.is_final()) else {
            continue;
        };
        match task.kind {
            TaskKind::Export => begin_export_anew(connection, task).await?,
            TaskKind::Import => reopen_import(connection, task, &rows).await?,
        }
    }
    mark_letters(connection, rows, actor).await
}

/// Marks rows that were put back just now as announced, as a fresh submit is born. A row whose lane can
/// be no topic is left as it is: nobody could ring it, and whoever looks for strays gives it up again.
pub(crate) async fn announce(
    connection: &mut Connection,
    rows: &[LockedRow],
    terms: &Announce,
) -> Result<Vec<(Lane, Announced)>, StoreError> {
    let rung = rows.iter().filter_map(|row| {
        let announced = Announced {
            rung: Rung {
                id: row.id,
                epoch: row.epoch.next(),
            },
            trace_context: terms.trace_context.clone(),
        };
        Some((Lane::parse(row.lane.clone()).ok()?, announced))
    });
    let rung: Vec<(Lane, Announced)> = rung.collect();
    for rung in rung.chunks(ROWS_PER_STATEMENT) {
        let matched = sql_query(format!(
            "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
             SET announced = TRUE, wake_at = {}, trace_context = ? \
             WHERE id IN ({}) AND status = 'WAIT_HANDLE' AND announced = FALSE",
            after(terms.scan_interval),
            list(rung.iter().map(|(_, row)| row.rung.id.0))
        ))
        .bind::<Nullable<Text>, _>(&terms.trace_context)
        .execute(connection)
        .await?;
        if matched != rung.len() {
            return Err(StoreError::Fenced);
        }
    }
    Ok(rung)
}

/// Marks the letters of the rows that are put back.
async fn mark_letters(
    connection: &mut Connection,
    rows: &[LockedRow],
    actor: &UserId,
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        sql_query(format!(
            "UPDATE dead_letter FORCE INDEX (tenant_biz) \
             SET status = 'REDRIVEN', acted_by = ?, acted_at = UTC_TIMESTAMP(6), \
             updated_at = UTC_TIMESTAMP(6) \
             WHERE tenant = ? AND compensate_biz_id IN ({}) AND status IN ('OPEN', 'PARKED')",
            list(rows.iter().map(|row| row.id.0))
        ))
        .bind::<Text, _>(actor.as_str())
        .bind::<Text, _>(rows[0].tenant.as_str())
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// What the tries before have left in an import's task, beyond what `settle` clears. The failure
/// workbook is written anew at the end. Counts of an import under way are sums over its ledger.
async fn reopen_import(
    connection: &mut Connection,
    task: &Task,
    rows: &[&LockedRow],
) -> Result<(), StoreError> {
    let begins_anew = rows.iter().any(|row| row.biz_type == IMPORT);
    let cleared = if begins_anew {
        "total_rows = NULL, total_is_estimate = FALSE, done_rows = 0, failed_rows = 0, \
         skipped_rows = 0, warnings = NULL"
    } else {
        PHASE
    };
    sql_query(format!(
        "UPDATE task SET retry_count = 0, attempt_at = NULL, progress_at = NULL, {cleared} \
         WHERE id = ?"
    ))
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    sql_query(
        "UPDATE task_file FORCE INDEX (tenant_task) \
         SET state = 'DELETED', remove_at = UTC_TIMESTAMP(6) \
         WHERE tenant = ? AND task_id = ? AND role = 'FAILURES' AND state <> 'DELETED'",
    )
    .bind::<Text, _>(task.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the tries before have left in an export's row, beyond what `settle` clears.
async fn begin_export_anew(connection: &mut Connection, task: &Task) -> Result<(), StoreError> {
    let identical: Vec<Id> = sql_query(
        "SELECT o.id FROM task t FORCE INDEX (PRIMARY) JOIN task o FORCE INDEX (tenant_open) \
         ON o.tenant = t.tenant AND o.created_by = t.created_by AND o.open_key = t.request_hash \
         WHERE t.id = ?",
    )
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .load(connection)
    .await?;
    sql_query(
        "UPDATE task SET retry_count = 0, total_rows = NULL, total_is_estimate = FALSE, \
         failed_rows = 0, skipped_rows = 0, warnings = NULL, attempt_at = NULL, \
         progress_at = NULL, open_key = IF(?, request_hash, NULL) \
         WHERE id = ?",
    )
    .bind::<Bool, _>(identical.is_empty())
    .bind::<Unsigned<BigInt>, _>(task.id.0)
    .execute(connection)
    .await?;
    Ok(())
}
