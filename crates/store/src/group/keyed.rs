//! Groups that clients name: opened by the first call that uses the key, added to until one seals
//! them. Shown by `tests/it/compensation/group.rs`.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;

use super::{FollowUp, Made, conclude, lock};
use crate::born::Births;
use crate::compensation::{GroupRefusal, NewCompensations, NewGroup};
use crate::error::StoreError;
use crate::once::FIND_TRIES;
use crate::operation_log::Actor;
use crate::pool::Connection;

/// The group that the key names; opens it where there is none. Locks no group that was there: its
/// rows come first in the order of locks.
pub(crate) async fn open(
    connection: &mut Connection,
    actor: &Actor,
    group: &NewGroup,
) -> Result<u64, StoreError> {
    for _ in 0..FIND_TRIES {
        if let Some(found) = find(connection, actor, group).await? {
            found.check_opener(actor, group)?;
            found.check_follow_ups(group)?;
            return Ok(found.id);
        }
        match insert(connection, actor, group).await {
            Err(StoreError::Duplicate(_)) => {}
            done => return done,
        }
    }
    Err(StoreError::Contended("the group comes and goes".into()))
}

/// Counts the rows that this transaction inserted for it, and seals it if that is wanted; it may end
/// with that. A call that adds nothing is taken by a sealed group, too: it repeats an earlier one.
pub(crate) async fn add(
    connection: &mut Connection,
    call: &NewCompensations,
    group: u64,
    seal: bool,
    rows: u32,
    births: &mut Births,
) -> Result<(), StoreError> {
    if rows == 0 && !seal {
        return Ok(());
    }
    let Some(locked) = lock(connection, &call.actor.tenant, group).await? else {
        return Err(StoreError::Corrupt(format!("there is no group {group}")));
    };
    let mut state = locked.state;
    if state.sealed {
        return if rows == 0 {
            Ok(())
        } else {
            Err(GroupRefusal::Sealed.raised())
        };
    }
    state.total = state.total.checked_add(rows).ok_or_else(|| {
        StoreError::Corrupt(format!("group {group} has more rows than can be counted"))
    })?;
    if seal {
        state = state.sealed();
    }
    let trace = call.trace_context.as_deref();
    conclude(connection, &locked, state, trace, births).await
}

async fn find(
    connection: &mut Connection,
    actor: &Actor,
    group: &NewGroup,
) -> Result<Option<Found>, StoreError> {
    let found: Vec<Found> = sql_query(
        "SELECT id, created_by, on_finished FROM compensate_group FORCE INDEX (tenant_group_key) \
         WHERE tenant = ? AND group_key = ?",
    )
    .bind::<Text, _>(actor.tenant.as_str())
    .bind::<Text, _>(&group.key)
    .load(connection)
    .await?;
    Ok(found.into_iter().next())
}

async fn insert(
    connection: &mut Connection,
    actor: &Actor,
    group: &NewGroup,
) -> Result<u64, StoreError> {
    let on_finished = group.on_finished.as_deref().unwrap_or_default();
    let on_finished = serde_json::to_string(on_finished)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sql_query(
        "INSERT INTO compensate_group (tenant, group_key, created_by, on_finished) \
         VALUES (?, ?, ?, ?)",
    )
    .bind::<Text, _>(actor.tenant.as_str())
    .bind::<Text, _>(&group.key)
    .bind::<Text, _>(actor.user.as_str())
    .bind::<Text, _>(on_finished)
    .execute(connection)
    .await?;
    let made: Made = sql_query("SELECT LAST_INSERT_ID() AS id")
        .get_result(connection)
        .await?;
    Ok(made.id)
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Nullable<Text>)]
    created_by: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    on_finished: Option<String>,
}

impl Found {
    fn check_opener(&self, actor: &Actor, group: &NewGroup) -> Result<(), StoreError> {
        if group.of_anyone || self.created_by.as_deref() == Some(actor.user.as_str()) {
            Ok(())
        } else {
            Err(GroupRefusal::Foreign.raised())
        }
    }

    /// What was given with the first call holds. A definition may have changed since, so lanes and
    /// tries are not compared.
    fn check_follow_ups(&self, group: &NewGroup) -> Result<(), StoreError> {
        let Some(given) = &group.on_finished else {
            return Ok(());
        };
        let stored = self.on_finished.as_deref().unwrap_or("[]");
        let stored: Vec<FollowUp> =
            serde_json::from_str(stored).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let alike = |(one, other): (&FollowUp, &FollowUp)| {
            (&one.biz_type, &one.context, one.priority, one.due)
                == (&other.biz_type, &other.context, other.priority, other.due)
        };
        if given.len() == stored.len() && given.iter().zip(&stored).all(alike) {
            Ok(())
        } else {
            Err(GroupRefusal::OtherFollowUps.raised())
        }
    }
}
