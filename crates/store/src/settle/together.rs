//! Attempts that are done and write nothing besides: finished by the hundred in one transaction, as
//! they were claimed. Shown by `tests/it/finish_together.rs`.

use std::collections::{BTreeMap, BTreeSet};

use domain::{BizStatus, CompensateBizId, Event, Tenant};

use super::{Case, Settled, settle_all, settled_before};
use crate::Store;
use crate::born::Births;
use crate::claim::Lease;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::{LockedRow, lock_free_by_ids};

impl Store {
    /// Ends attempts at rows of one tenant as [`Store::settle_held`] ends one that is finished without
    /// effects; answers what became of each, in their order, and nothing of one that somebody else has
    /// locked, which is to be settled by itself then. What was born is told with the first that was
    /// ended. Tried once: others' locks on a group or a task hold up the rows of these alone.
    ///
    /// # Errors
    /// [`StoreError`]: of none it is known that it ended. Each may be settled by itself then.
    pub async fn finish_together(
        &self,
        tenant: &Tenant,
        held: &[Lease],
    ) -> Result<Vec<Option<Settled>>, StoreError> {
        match self.finish_together_once(tenant, held).await {
            Err(StoreError::UnknownCommit(_)) => self.finish_together_once(tenant, held).await,
            settled => settled,
        }
    }

    async fn finish_together_once(
        &self,
        tenant: &Tenant,
        held: &[Lease],
    ) -> Result<Vec<Option<Settled>>, StoreError> {
        let (tenant, held) = (tenant.clone(), held.to_vec());
        self.transact(
            Op::SettleTogether,
            async move |connection: &mut Connection| {
                let ids: BTreeSet<u64> = held.iter().map(|lease| lease.id.0).collect();
                let locked = lock_free_by_ids(connection, &tenant, ids.into_iter()).await?;
                let is_held = |row: &LockedRow| held.iter().any(|lease| row.is_held_by(lease));
                let (ours, others): (Vec<LockedRow>, Vec<LockedRow>) =
                    locked.into_iter().partition(is_held);
                let mut births = Births::rung();
                let case = Case::new(Event::Finish);
                settle_all(connection, &ours, &case, &mut births).await?;
                let rows: BTreeMap<CompensateBizId, &LockedRow> = ours
                    .iter()
                    .chain(&others)
                    .map(|row| (row.id, row))
                    .collect();
                let told = held.iter().map(|lease| match rows.get(&lease.id) {
                    Some(row) if row.is_held_by(lease) => {
                        let born = std::mem::take(&mut births.born);
                        Some(Settled::Now(BizStatus::Success, born))
                    }
                    Some(row) => Some(settled_before(row, lease, Event::Finish)),
                    None => None,
                });
                Ok(told.collect())
            },
        )
        .await
    }
}
