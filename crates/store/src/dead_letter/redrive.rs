//! Putting rows back whose letters a person chose, in the lock order compensate_biz by id, group,
//! task, and last the letters. What follows from it is `reopen.rs`.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, CompensateBizId, DeadLetterId, TaskId, TaskKind, TaskStatus, Tenant};

use super::act::Refusal;
use crate::error::StoreError;
use crate::fragment::list;
use crate::operation_log::Actor;
use crate::pool::Connection;
use crate::reopen::{LockedTasks, open_again, passed, without_file};
use crate::row::{LockedRow, lock_by_ids};
use crate::task::{Visibility, lock_task};

/// Letters of one statement.
pub(super) const LETTERS_PER_STATEMENT: usize = 1_000;

/// A letter that a person chose, and its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) letter: DeadLetterId,
    pub(super) row: CompensateBizId,
}

/// What is to be put back: letters of one tenant.
#[derive(Debug, Clone)]
pub(super) struct Putting {
    pub(super) tenant: Tenant,
    pub(super) targets: Vec<Target>,
    pub(super) actor: Actor,
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
    let mut why = not_failed(&asked, &rows);
    for row in passed(connection, tenant, &left(&rows, &why)).await? {
        why.insert(row, Refusal::Superseded);
    }
    let tasks = lock_tasks(connection, tenant, &rows).await?;
    not_to_be_opened(&rows, &tasks, &mut why);
    for row in without_file(connection, &left(&rows, &why), &tasks).await? {
        why.insert(row, Refusal::FileGone);
    }
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
    open_again(connection, &put.rows, &tasks, &putting.actor.user).await?;
    Ok(put)
}

type Why = HashMap<CompensateBizId, Refusal>;

/// What nothing speaks against yet.
fn left<'r>(rows: &'r [LockedRow], why: &Why) -> Vec<&'r LockedRow> {
    let free = |row: &&LockedRow| !why.contains_key(&row.id);
    rows.iter().filter(free).collect()
}

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

/// The tasks of the rows that still exist for their users, locked in the order of their ids.
async fn lock_tasks(
    connection: &mut Connection,
    tenant: &Tenant,
    rows: &[LockedRow],
) -> Result<LockedTasks, StoreError> {
    let who = Visibility {
        tenant: tenant.clone(),
        user: None,
    };
    let ids: BTreeSet<TaskId> = rows.iter().filter_map(|row| row.task_id).collect();
    let mut tasks = LockedTasks::with_capacity(ids.len());
    for id in ids {
        if let Some(task) = lock_task(connection, &who, id).await? {
            tasks.insert(id, task);
        }
    }
    Ok(tasks)
}

/// The rules of `retry` for a task, but that the user's own fault does not count: an operator may
/// have mended a definition since.
fn not_to_be_opened(rows: &[LockedRow], tasks: &LockedTasks, why: &mut Why) {
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
    let ids: Vec<u64> = ids.into_iter().collect();
    let mut open = HashSet::with_capacity(ids.len());
    for ids in ids.chunks(LETTERS_PER_STATEMENT) {
        let found: Vec<Letter> = sql_query(format!(
            "SELECT id FROM dead_letter FORCE INDEX (PRIMARY) \
             WHERE id IN ({}) AND tenant = ? AND status IN ('OPEN', 'PARKED') \
             ORDER BY id FOR UPDATE",
            list(ids.iter().copied())
        ))
        .bind::<Text, _>(putting.tenant.as_str())
        .load(connection)
        .await?;
        open.extend(found.into_iter().map(|row| DeadLetterId(row.id)));
    }
    Ok(open)
}

#[derive(QueryableByName)]
struct Letter {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
}
