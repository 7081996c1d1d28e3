//! Putting rows back whose letters a person chose, as `retry` does it: through `settle`, in the lock
//! order compensate_biz by id, group, task, and last the letters.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    BizStatus, CompensateBizId, DeadLetterId, Event, Task, TaskId, TaskKind, TaskStatus, Tenant,
};

use super::act::Refusal;
use crate::born::Births;
use crate::error::StoreError;
use crate::fragment::list;
use crate::group::{self, is_superseded};
use crate::operation_log::Actor;
use crate::pool::Connection;
use crate::retry::{begin_export_anew, redrive_dead_letters, reopen_import};
use crate::row::{LockedRow, lock_by_ids};
use crate::settle::{Case, settle_all};
use crate::submit::{IMPORT_BATCH, IMPORT_FINISH};
use crate::task::{Visibility, lock_task};

/// A letter that a person chose, and its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) letter: DeadLetterId,
    pub(super) row: CompensateBizId,
}

/// What is to be put back: letters of one tenant, at most as many as one statement takes.
#[derive(Debug, Clone)]
pub(super) struct Putting {
    pub(super) tenant: Tenant,
    pub(super) targets: Vec<Target>,
    pub(super) actor: Actor,
    /// Whether PARKED letters count as open: a person who names one means it.
    pub(super) parked_too: bool,
}

/// What became of it.
pub(super) struct Put {
    /// The rows that were put back, by their ids: due now, and not announced.
    pub(super) rows: Vec<LockedRow>,
    /// Their letters.
    pub(super) letters: HashSet<DeadLetterId>,
    /// What could not be put back, and why.
    pub(super) refused: Vec<(DeadLetterId, Refusal)>,
}

/// Puts back what can be, and says why of the rest.
pub(super) async fn put_back(
    connection: &mut Connection,
    putting: &Putting,
) -> Result<Put, StoreError> {
    let tenant = &putting.tenant;
    let asked: BTreeSet<u64> = putting.targets.iter().map(|target| target.row.0).collect();
    let rows = lock_by_ids(connection, tenant, asked.iter().copied()).await?;
    let groups = rows.iter().filter_map(|row| row.group_id).collect();
    group::hold(connection, tenant, groups).await?;
    let mut why = not_failed(&asked, &rows);
    passed(connection, &rows, &mut why).await?;
    let tasks = lock_tasks(connection, tenant, &rows).await?;
    not_to_be_opened(&rows, &tasks, &mut why);
    let open = lock_open_letters(connection, putting).await?;

    let mut put = Put {
        rows: Vec::with_capacity(rows.len()),
        letters: HashSet::new(),
        refused: Vec::new(),
    };
    let mut chosen = HashSet::new();
    for target in &putting.targets {
        let refusal = match why.get(&target.row) {
            _ if !open.contains(&target.letter) => Some(Refusal::NotOpen),
            refusal => refusal.copied(),
        };
        match refusal {
            Some(refusal) => put.refused.push((target.letter, refusal)),
            None => {
                chosen.insert(target.row);
                put.letters.insert(target.letter);
            }
        }
    }
    put.rows
        .extend(rows.into_iter().filter(|row| chosen.contains(&row.id)));
    open_again(connection, &put.rows, &tasks).await?;
    redrive_dead_letters(connection, &put.rows, &putting.actor.user).await?;
    Ok(put)
}

async fn open_again(
    connection: &mut Connection,
    rows: &[LockedRow],
    tasks: &HashMap<TaskId, Task>,
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
            TaskKind::Import => reopen_import(connection, task, rows).await?,
        }
    }
    Ok(())
}

type Why = HashMap<CompensateBizId, Refusal>;

fn not_failed(asked: &BTreeSet<u64>, rows: &[LockedRow]) -> Why {
    let mut why: Why = asked
        .iter()
        .map(|id| (CompensateBizId(*id), Refusal::RowGone))
        .collect();
    for row in rows {
        match row.state.status {
            BizStatus::Failed => why.remove(&row.id),
            stands => why.insert(row.id, Refusal::RowStands(stands)),
        };
    }
    why
}

/// The end of an import whose batches go on, here or since, is needless.
async fn passed(
    connection: &mut Connection,
    rows: &[LockedRow],
    why: &mut Why,
) -> Result<(), StoreError> {
    let is_batch = |row: &&LockedRow| row.biz_type == IMPORT_BATCH && !why.contains_key(&row.id);
    let with_batches: HashSet<Option<TaskId>> = rows
        .iter()
        .filter(is_batch)
        .map(|row| row.task_id)
        .collect();
    for row in rows.iter().filter(|row| row.biz_type == IMPORT_FINISH) {
        let is_passed = with_batches.contains(&row.task_id)
            || is_superseded(connection, &row.tenant, &row.biz_id).await?;
        if is_passed {
            why.entry(row.id).or_insert(Refusal::Superseded);
        }
    }
    Ok(())
}

/// The tasks of the rows that still exist for their users, locked in the order of their ids.
async fn lock_tasks(
    connection: &mut Connection,
    tenant: &Tenant,
    rows: &[LockedRow],
) -> Result<HashMap<TaskId, Task>, StoreError> {
    let who = Visibility {
        tenant: tenant.clone(),
        user: None,
    };
    let ids: BTreeSet<TaskId> = rows.iter().filter_map(|row| row.task_id).collect();
    let mut tasks = HashMap::with_capacity(ids.len());
    for id in ids {
        if let Some(task) = lock_task(connection, &who, id).await? {
            tasks.insert(id, task);
        }
    }
    Ok(tasks)
}

/// The rules of `retry` for a task, but that the user's own fault does not count: an operator may
/// have mended a definition since.
fn not_to_be_opened(rows: &[LockedRow], tasks: &HashMap<TaskId, Task>, why: &mut Why) {
    for row in rows {
        let Some(id) = row.task_id else { continue };
        let refusal = match tasks.get(&id) {
            None => Refusal::TaskDeleted,
            Some(task) if task.kind == TaskKind::Import && task.status == TaskStatus::Cancelled => {
                Refusal::TaskEnded(task.status)
            }
            Some(_) => continue,
        };
        why.entry(row.id).or_insert(refusal);
    }
}

/// Those of the letters that nobody has acted on, locked.
async fn lock_open_letters(
    connection: &mut Connection,
    putting: &Putting,
) -> Result<HashSet<DeadLetterId>, StoreError> {
    let ids: BTreeSet<u64> = putting.targets.iter().map(|it| it.letter.0).collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let open = if putting.parked_too {
        "'OPEN', 'PARKED'"
    } else {
        "'OPEN'"
    };
    let found: Vec<Letter> = sql_query(format!(
        "SELECT id FROM dead_letter FORCE INDEX (PRIMARY) \
         WHERE id IN ({}) AND tenant = ? AND status IN ({open}) ORDER BY id FOR UPDATE",
        list(ids)
    ))
    .bind::<Text, _>(putting.tenant.as_str())
    .load(connection)
    .await?;
    Ok(found.into_iter().map(|row| DeadLetterId(row.id)).collect())
}

#[derive(QueryableByName)]
struct Letter {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
}
