//! Finishes of a lane that write nothing besides, gathered while the ones before are under way: one
//! commit for all that came meanwhile, and none of them waits for others to come. Shown by
//! `tests/it/finishes.rs`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Tenant;
use store::{Claimed, Lease, Settled, Store};
use tokio::sync::oneshot;

use crate::chain::Chain;

/// Those that wait for the one transaction that is under way.
#[derive(Default)]
pub(crate) struct Finishes {
    waiting: Mutex<Vec<Finish>>,
    turn: tokio::sync::Mutex<()>,
}

struct Finish {
    tenant: Tenant,
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
        let (told, mut mine) = oneshot::channel();
        self.lock().push(Finish {
            tenant: row.tenant.clone(),
            lease: row.lease.clone(),
            told,
        });
        let turn = async {
            let _turn = self.turn.lock().await;
            // Whoever had the turn before may have taken this one along.
            let all = std::mem::take(&mut *self.lock());
            finish(store, all, patience).await;
        };
        tokio::select! {
            biased;
            answer = &mut mine => return answer.ok(),
            () = turn => {}
        }
        mine.await.ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Finish>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One transaction for each tenant, all at once. Whom nothing is told goes alone: a transaction that
/// hangs goes on by itself, and must not keep the rows of other connections until their leases end.
async fn finish(store: &Store, all: Vec<Finish>, patience: Duration) {
    let mut of_tenant: BTreeMap<Tenant, Vec<Finish>> = BTreeMap::new();
    for one in all {
        of_tenant.entry(one.tenant.clone()).or_default().push(one);
    }
    let tenants = of_tenant.into_iter().map(|(tenant, some)| async move {
        let leases: Vec<Lease> = some.iter().map(|one| one.lease.clone()).collect();
        let settled = store.finish_together(&tenant, &leases);
        let error = match tokio::time::timeout(patience, settled).await {
            Ok(Ok(settled)) => {
                for (one, settled) in some.into_iter().zip(settled) {
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
    });
    futures::future::join_all(tenants).await;
}
