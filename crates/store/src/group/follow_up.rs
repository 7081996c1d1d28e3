//! Which rows are follow-ups, and which of those are superseded: their group has gone on to another
//! generation (design.md §5). A row is a follow-up where the group that its `biz_id` names asks for
//! its kind of work; so a row that somebody called `123/4` is none. Shown by `tests/it/batch_run.rs`,
//! `tests/it/dead_letter_acts.rs` and engine's `tests/it/attempt.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, CompensateBizId, Tenant};
use serde::Deserialize;

use super::{follow_up_of, hold, is_superseded};
use crate::Store;
use crate::claim::Claimed;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::LockedRow;
use crate::submit::{IMPORT_BATCH, IMPORT_FINISH};

impl Store {
    /// Whether the row is a follow-up whose group has gone on to another generation, as it stands now:
    /// then there is nothing to be done for it. Costs nothing where the `biz_id` cannot be a
    /// follow-up's, and with rows of imports, whose end asks in the transaction that writes it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_superseded(&self, row: &Claimed) -> Result<bool, StoreError> {
        let of_import = [IMPORT_BATCH, IMPORT_FINISH].contains(&row.biz_type.as_str());
        if of_import || follow_up_of(&row.biz_id).is_none() {
            return Ok(false);
        }
        let (tenant, biz_type) = (row.tenant.clone(), row.biz_type.clone());
        let biz_id = row.biz_id.clone();
        self.transact(
            Op::ReadCompensations,
            async move |connection: &mut Connection| {
                let row = Named {
                    tenant: &tenant,
                    biz_type: biz_type.as_str(),
                    biz_id: &biz_id,
                };
                let is_follow_up = groups_of(connection, &[row]).await?[0].is_some();
                Ok(is_follow_up && is_superseded(connection, &tenant, &biz_id).await?)
            },
        )
        .await
    }
}

/// Those of the rows that are superseded follow-ups. The answer holds until the commit: where there
/// are follow-ups, their groups and those of all the rows are locked, in one order.
pub(crate) async fn superseded_among(
    connection: &mut Connection,
    rows: &[&LockedRow],
) -> Result<HashSet<CompensateBizId>, StoreError> {
    // A follow-up is no group's member; the batches of an import are, and are named alike.
    let free = rows.iter().copied().filter(|row| row.group_id.is_none());
    let free: Vec<&LockedRow> = free
        .filter(|row| follow_up_of(&row.biz_id).is_some())
        .collect();
    let named: Vec<Named<'_>> = free.iter().map(|row| Named::of(row)).collect();
    let groups = groups_of(connection, &named).await?;
    let follow_ups = free.into_iter().zip(groups);
    let follow_ups = follow_ups.filter_map(|(row, group)| Some((row, group?)));
    let follow_ups: Vec<(&LockedRow, u64)> = follow_ups.collect();
    if follow_ups.is_empty() {
        return Ok(HashSet::new());
    }
    let mut held: BTreeMap<&Tenant, BTreeSet<u64>> = BTreeMap::new();
    let members = rows.iter().filter_map(|row| Some((*row, row.group_id?)));
    for (row, group) in members.chain(follow_ups.iter().copied()) {
        held.entry(&row.tenant).or_default().insert(group);
    }
    for (tenant, groups) in held {
        hold(connection, tenant, groups).await?;
    }
    let mut superseded = HashSet::new();
    for (row, _) in follow_ups {
        if is_superseded(connection, &row.tenant, &row.biz_id).await? {
            superseded.insert(row.id);
        }
    }
    Ok(superseded)
}

/// What a row is known by.
#[derive(Clone, Copy)]
struct Named<'r> {
    tenant: &'r Tenant,
    biz_type: &'r str,
    biz_id: &'r BizId,
}

impl<'r> Named<'r> {
    fn of(row: &'r LockedRow) -> Self {
        Self {
            tenant: &row.tenant,
            biz_type: &row.biz_type,
            biz_id: &row.biz_id,
        }
    }

    fn group(&self) -> Option<u64> {
        follow_up_of(self.biz_id).map(|(group, _)| group)
    }
}

/// For each of the rows the group whose follow-up it is. Locks nothing: what a group asks for does not
/// change.
async fn groups_of(
    connection: &mut Connection,
    rows: &[Named<'_>],
) -> Result<Vec<Option<u64>>, StoreError> {
    let ids: BTreeSet<u64> = rows.iter().filter_map(Named::group).collect();
    if ids.is_empty() {
        return Ok(vec![None; rows.len()]);
    }
    let found: Vec<Asking> = sql_query(format!(
        "SELECT id, tenant, on_finished FROM compensate_group FORCE INDEX (PRIMARY) \
         WHERE id IN ({})",
        list(ids)
    ))
    .load(connection)
    .await?;
    let asked: HashMap<u64, (String, Vec<Kind>)> = found.into_iter().map(Asking::kinds).collect();
    let group_of = |row: &Named<'_>| {
        row.group().filter(|group| {
            asked.get(group).is_some_and(|(tenant, kinds)| {
                tenant == row.tenant.as_str()
                    && kinds.iter().any(|kind| kind.biz_type == row.biz_type)
            })
        })
    };
    Ok(rows.iter().map(group_of).collect())
}

#[derive(QueryableByName)]
struct Asking {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Nullable<Text>)]
    on_finished: Option<String>,
}

#[derive(Deserialize)]
struct Kind {
    biz_type: String,
}

impl Asking {
    /// A group whose follow-ups cannot be read has borne none.
    fn kinds(self) -> (u64, (String, Vec<Kind>)) {
        let stored = self.on_finished.as_deref().unwrap_or("[]");
        let kinds = serde_json::from_str(stored).unwrap_or_default();
        (self.id, (self.tenant, kinds))
    }
}
