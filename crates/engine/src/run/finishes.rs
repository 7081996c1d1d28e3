//! Finishes of a lane that write nothing besides, gathered while the ones before are under way: one
//! commit for all of a tenant that came meanwhile, and none of them waits for others to come. Shown by
//! `tests/it/finishes.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Tenant;
use store::{Claimed, Lease, Settled, Store};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::chain::Chain;

/// Those that end, by tenant: no tenant waits for the commit of another.
#[derive(Default)]
pub(crate) struct Finishes {
    of: Mutex<BTreeMap<Tenant, Arc<OfTenant>>>,
}

/// Those that wait for the one transaction of their tenant that is under way.
#[derive(Default)]
struct OfTenant {
    waiting: Mutex<Vec<Finish>>,
    turn: tokio::sync::Mutex<()>,
}

struct Finish {
    lease: Lease,
    told: oneshot::Sender<Settled>,
}

impl Finishes {
    /// Finishes the row together with others. None when that came to nothing, or to nothing within
    /// `patience`: it is to be settled by itself then, which tells whether it had been finished.
    pub(crate) async fn finish(
        &self,
        store: &Store,
        row: &Claimed,
        patience: Duration,
    ) -> Option<Settled> {
        let ours = self.of(&row.tenant);
        let (told, mut mine) = oneshot::channel();
        lock(&ours.waiting).push(Finish {
            lease: row.lease.clone(),
            told,
        });
        let turn = tokio::select! {
            biased;
            answer = &mut mine => return answer.ok(),
            turn = ours.turn.lock() => turn,
        };
        // Whoever had the turn before may have taken this one along. Otherwise it is among those that
        // wait, and nothing ends what is begun for them: with their answers goes what is to be rung.
        match mine.try_recv() {
            Err(TryRecvError::Empty) => {}
            answer => return answer.ok(),
        }
        let all = std::mem::take(&mut *lock(&ours.waiting));
        finish(store, &row.tenant, all, patience).await;
        drop(turn);
        mine.await.ok()
    }

    /// Tenants of whom nothing ends are forgotten.
    fn of(&self, tenant: &Tenant) -> Arc<OfTenant> {
        let mut of = lock(&self.of);
        of.retain(|_, theirs| Arc::strong_count(theirs) > 1);
        of.entry(tenant.clone()).or_default().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In one transaction. Whom nothing is told goes alone: a transaction that hangs goes on by itself, and
/// must not keep the rows of other connections until their leases end.
async fn finish(store: &Store, tenant: &Tenant, all: Vec<Finish>, patience: Duration) {
    let leases: Vec<Lease> = all.iter().map(|one| one.lease.clone()).collect();
    let settled = store.finish_together(tenant, &leases);
    let error = match tokio::time::timeout(patience, settled).await {
        Ok(Ok(settled)) => {
            for (one, settled) in all.into_iter().zip(settled) {
                if let Some(settled) = settled {
                    // it may have been stopped meanwhile
                    drop(one.told.send(settled));
                }
            }
            return;
        }
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(_silence) => "the database is silent".to_owned(),
    };
    tracing::debug!(
        error,
        rows = leases.len(),
        "not finished together; each goes alone"
    );
}
