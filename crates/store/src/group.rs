//! Groups: rows whose joint end asks for follow-up work, once for each generation.
//!
//! Whoever moves a group's counters or seals it reads it under its lock, and ends it where
//! `domain::GroupState::ends`; the follow-ups are inserted in the same transaction. A redrive of
//! members raises the generation, and a follow-up of an older one is superseded. Locks are taken in
//! the order compensate_biz, group, task. Shown by `tests/it/group.rs`.

pub(crate) mod follow_up;
pub(crate) mod keyed;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Datetime, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{
    BizId, BizStatus, BizType, GROUP_FIELD, GroupState, Lane, Miscounted, TaskId, Tenant,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::born::{Births, NewRow, insert_rows};
use crate::compensation::Due;
use crate::effects::Tx;
use crate::error::StoreError;
use crate::pool::Connection;

/// Work that a group asks for when it ends. Of each biz type one at most: a follow-up's `biz_id` is
/// `<group>/<generation>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// The kind of work.
    pub biz_type: BizType,
    /// Where it rings.
    pub lane: Lane,
    /// The work itself, as JSON.
    pub context: String,
    /// Failures that may be followed by another try.
    pub max_cnt: u32,
    /// 0 to 9; 5 and more are urgent.
    #[serde(default)]
    pub priority: u8,
    /// When it is due, once the group has ended.
    #[serde(default)]
    pub due: Due,
}

impl Tx<'_> {
    /// Whether the row that finishes here is a follow-up whose group has gone on to another
    /// generation: then its result must not be written. The answer holds until the commit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_superseded(&mut self) -> Result<bool, StoreError> {
        is_superseded(self.connection, &self.tenant, &self.biz_id).await
    }

    /// Says that no more rows will be added to the group; it may end with that.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] when there is no such group.
    pub async fn seal_group(&mut self, group: u64) -> Result<(), StoreError> {
        let Some(locked) = lock(self.connection, &self.tenant, group).await? else {
            return Err(StoreError::Corrupt(format!("there is no group {group}")));
        };
        let mut births = Births {
            scan_interval: self.scan_interval,
            born: Vec::new(),
        };
        let state = locked.state.sealed();
        let trace = self.trace_context.as_deref();
        conclude(self.connection, &locked, state, trace, &mut births).await?;
        self.born.append(&mut births.born);
        Ok(())
    }
}

/// Whether a follow-up's `biz_id` (`<group>/<generation>`) names a generation that has passed. Locks
/// the group. What names no group is nobody's follow-up.
pub(crate) async fn is_superseded(
    connection: &mut Connection,
    tenant: &Tenant,
    biz_id: &BizId,
) -> Result<bool, StoreError> {
    let Some((group, generation)) = follow_up_of(biz_id) else {
        return Ok(false);
    };
    let locked = lock(connection, tenant, group).await?;
    Ok(locked.is_some_and(|group| group.state.generation != generation))
}

fn follow_up_of(biz_id: &BizId) -> Option<(u64, u32)> {
    let (group, generation) = biz_id.as_str().split_once('/')?;
    Some((group.parse().ok()?, generation.parse().ok()?))
}

/// Makes a group that is born sealed, for `total` rows that the same transaction inserts. One of no
/// rows ends at once; its follow-ups are left to the relay.
pub(crate) async fn insert_group(
    connection: &mut Connection,
    tenant: &Tenant,
    task_id: Option<TaskId>,
    total: u32,
    on_finished: &[FollowUp],
) -> Result<u64, StoreError> {
    let on_finished = serde_json::to_string(on_finished)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sql_query(
        "INSERT INTO compensate_group (tenant, task_id, total, sealed, on_finished) \
         VALUES (?, ?, ?, TRUE, ?)",
    )
    .bind::<Text, _>(tenant.as_str())
    .bind::<Nullable<Unsigned<BigInt>>, _>(task_id.map(|task| task.0))
    .bind::<Unsigned<Integer>, _>(total)
    .bind::<Text, _>(on_finished)
    .execute(connection)
    .await?;
    let made: Made = sql_query("SELECT LAST_INSERT_ID() AS id")
        .get_result(connection)
        .await?;
    if total == 0
        && let Some(locked) = lock(connection, tenant, made.id).await?
    {
        let mut births = Births::left_to_the_relay();
        conclude(connection, &locked, locked.state, None, &mut births).await?;
    }
    Ok(made.id)
}

/// What happens to the members of groups in one transaction.
pub(crate) struct Tally<'m> {
    /// By group: where each row stood, and where it stands now.
    pub(crate) moves: BTreeMap<u64, Vec<(BizStatus, BizStatus)>>,
    /// Whether a person puts them back: a new generation.
    pub(crate) redriven: bool,
    /// The task that is cancelled as a whole: its own groups end without follow-ups.
    pub(crate) cancelled_task: Option<TaskId>,
    /// By group: what its follow-ups inherit.
    pub(crate) traces: BTreeMap<u64, &'m str>,
}

/// Counts the moves, and ends the groups that they end. To be called with the rows' locks and before
/// the task's.
pub(crate) async fn count(
    connection: &mut Connection,
    tenant: &Tenant,
    tally: &Tally<'_>,
    births: &mut Births,
) -> Result<(), StoreError> {
    for (group, moves) in &tally.moves {
        // A row that outlived its group must still be settled.
        let Some(locked) = lock(connection, tenant, *group).await? else {
            continue;
        };
        let mut state = locked.state;
        for (from, to) in moves {
            state = state.moved(*from, *to, 1).map_err(miscounted)?;
        }
        if tally.redriven {
            state = state.redriven();
        }
        if tally.cancelled_task.is_some() && tally.cancelled_task == locked.task_id {
            write(connection, &locked, state.ended()).await?;
        } else {
            let trace = tally.traces.get(group).copied();
            conclude(connection, &locked, state, trace, births).await?;
        }
    }
    Ok(())
}

fn miscounted(error: Miscounted) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// Locks the groups, for whoever must hold them before a task.
pub(crate) async fn hold(
    connection: &mut Connection,
    tenant: &Tenant,
    groups: BTreeSet<u64>,
) -> Result<(), StoreError> {
    for group in groups {
        lock(connection, tenant, group).await?;
    }
    Ok(())
}

/// Writes the group's new state and, where that is its end, its follow-ups.
async fn conclude(
    connection: &mut Connection,
    group: &LockedGroup,
    state: GroupState,
    trace_context: Option<&str>,
    births: &mut Births,
) -> Result<(), StoreError> {
    if !state.ends() {
        return write(connection, group, state).await;
    }
    write(connection, group, state.ended()).await?;
    let rows = group.follow_ups(connection, state, trace_context).await?;
    match bear(connection, group, &rows, births).await {
        // The last member must be able to end: what is there already is taken as born.
        Err(StoreError::Duplicate(_)) => {
            for row in &rows {
                match bear(connection, group, std::slice::from_ref(row), births).await {
                    Err(StoreError::Duplicate(_)) => {
                        tracing::warn!(group = group.id, "a follow-up is there already");
                    }
                    done => done?,
                }
            }
            Ok(())
        }
        done => done,
    }
}

async fn bear(
    connection: &mut Connection,
    group: &LockedGroup,
    rows: &[NewRow],
    births: &mut Births,
) -> Result<(), StoreError> {
    let scan_interval = births.scan_interval;
    let mut born = insert_rows(connection, &group.tenant, rows, scan_interval).await?;
    births.born.append(&mut born);
    Ok(())
}

/// A group under this transaction's lock, as it stood.
struct LockedGroup {
    id: u64,
    tenant: Tenant,
    task_id: Option<TaskId>,
    /// Of a group that a client named.
    key: Option<String>,
    state: GroupState,
}

impl LockedGroup {
    /// The rows to insert at the end of the present generation, which stands so.
    async fn follow_ups(
        &self,
        connection: &mut Connection,
        state: GroupState,
        trace_context: Option<&str>,
    ) -> Result<Vec<NewRow>, StoreError> {
        let stored: OnFinished = sql_query(
            "SELECT on_finished, UTC_TIMESTAMP(6) AS now FROM compensate_group WHERE id = ?",
        )
        .bind::<Unsigned<BigInt>, _>(self.id)
        .get_result(connection)
        .await?;
        let now = stored.now.and_utc();
        let Some(stored) = stored.on_finished else {
            return Ok(Vec::new());
        };
        let follow_ups: Vec<FollowUp> = serde_json::from_str(&stored)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let biz_id = BizId::parse(format!("{}/{}", self.id, self.state.generation))?;
        let row = |follow_up: FollowUp| NewRow {
            biz_type: follow_up.biz_type,
            biz_id: biz_id.clone(),
            lane: follow_up.lane,
            context: self.with_counts(follow_up.context, state),
            max_cnt: follow_up.max_cnt,
            group_id: None,
            task_id: self.task_id,
            priority: follow_up.priority,
            delay: follow_up.due.wait(now),
            trace_context: trace_context.map(str::to_owned),
        };
        Ok(follow_ups.into_iter().map(row).collect())
    }

    /// The context with what the group came to as its field `group`, if a client named the group and
    /// the context is an object that has no such field. It is the same at each try.
    fn with_counts(&self, context: String, state: GroupState) -> String {
        let Some(key) = &self.key else {
            return context;
        };
        let object: Result<Map<String, Value>, _> = serde_json::from_str(&context);
        let (Ok(object), Some(open)) = (object, context.trim_end().strip_suffix('}')) else {
            return context;
        };
        if object.contains_key(GROUP_FIELD) {
            return context;
        }
        let group = json!({
            "id": self.id.to_string(),
            "key": key,
            "generation": self.state.generation,
            "total": state.total,
            "succeeded": state.succeeded,
            "dead": state.dead,
            "cancelled": state.cancelled,
        });
        // As text: what the client wrote stays as it is, numbers of any length too.
        let comma = if object.is_empty() { "" } else { "," };
        format!("{open}{comma}\"{GROUP_FIELD}\":{group}}}")
    }
}

async fn lock(
    connection: &mut Connection,
    tenant: &Tenant,
    group: u64,
) -> Result<Option<LockedGroup>, StoreError> {
    let rows: Vec<GroupRow> = sql_query(
        "SELECT task_id, group_key, total, succeeded, dead, cancelled, sealed, generation, \
         ended_generation FROM compensate_group WHERE id = ? AND tenant = ? FOR UPDATE",
    )
    .bind::<Unsigned<BigInt>, _>(group)
    .bind::<Text, _>(tenant.as_str())
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(|row| LockedGroup {
        id: group,
        tenant: tenant.clone(),
        task_id: row.task_id.map(TaskId),
        key: row.group_key.clone(),
        state: row.into_state(),
    }))
}

async fn write(
    connection: &mut Connection,
    group: &LockedGroup,
    state: GroupState,
) -> Result<(), StoreError> {
    let matched = sql_query(format!(
        "UPDATE compensate_group SET total = {}, succeeded = {}, dead = {}, cancelled = {}, \
         sealed = {}, generation = {}, ended_generation = {}, updated_at = UTC_TIMESTAMP(6) \
         WHERE id = ?",
        state.total,
        state.succeeded,
        state.dead,
        state.cancelled,
        state.sealed,
        state.generation,
        state.ended_generation
    ))
    .bind::<Unsigned<BigInt>, _>(group.id)
    .execute(connection)
    .await?;
    if matched == 1 {
        Ok(())
    } else {
        Err(StoreError::Fenced)
    }
}

#[derive(QueryableByName)]
struct GroupRow {
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    task_id: Option<u64>,
    #[diesel(sql_type = Nullable<Text>)]
    group_key: Option<String>,
    #[diesel(sql_type = Unsigned<Integer>)]
    total: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    succeeded: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    dead: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    cancelled: u32,
    #[diesel(sql_type = Bool)]
    sealed: bool,
    #[diesel(sql_type = Unsigned<Integer>)]
    generation: u32,
    #[diesel(sql_type = Unsigned<Integer>)]
    ended_generation: u32,
}

impl GroupRow {
    fn into_state(self) -> GroupState {
        GroupState {
            total: self.total,
            succeeded: self.succeeded,
            dead: self.dead,
            cancelled: self.cancelled,
            sealed: self.sealed,
            generation: self.generation,
            ended_generation: self.ended_generation,
        }
    }
}

#[derive(QueryableByName)]
struct OnFinished {
    #[diesel(sql_type = Nullable<Text>)]
    on_finished: Option<String>,
    /// The database's clock.
    #[diesel(sql_type = Datetime)]
    now: NaiveDateTime,
}

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
}
