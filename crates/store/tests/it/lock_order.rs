//! All transactions take their locks in one order: compensate_biz by id, group, task. Then there is
//! no deadlock among them, and the server, which counts, has counted none. (The door would repeat a
//! transaction that was rolled back, so no answer shows it.)

use std::sync::atomic::{AtomicUsize, Ordering};

use domain::Rung;
use store::{Claimed, Ending, Settled, Store, StoreSettings, Story};
use testkit::{TestDatabase, a_lane, terms};
use tokio::sync::Mutex;

use crate::group_import::{a_claimed_import, applied, finished, sealed, settled};
use crate::retry::{broken, by_the_owner};
use crate::settle::owner;

const BATCHES: u32 = 24;
const WORKERS: usize = 5;
const ROUNDS: usize = 5;

/// A user of the server that is one test's alone, whose deadlocks can be counted.
pub(crate) struct OwnUser {
    name: String,
    pub(crate) url: String,
}

impl OwnUser {
    pub(crate) async fn of(database: &TestDatabase) -> Self {
        let name: String = database
            .one("SELECT CONCAT('u', LEFT(REPLACE(UUID(), '-', ''), 24))")
            .await;
        database.execute(&format!("CREATE USER '{name}'")).await;
        database
            .execute(&format!("GRANT ALL ON *.* TO '{name}'"))
            .await;
        let url = database.url().replacen("//root@", &format!("//{name}@"), 1);
        Self { name, url }
    }

    /// Transactions that the server rolled back because of a deadlock.
    pub(crate) async fn deadlocks(&self, database: &TestDatabase) -> u64 {
        database
            .one(&format!(
                "SELECT CAST(COALESCE(SUM(SUM_ERROR_RAISED), 0) AS UNSIGNED) \
                 FROM performance_schema.events_errors_summary_by_user_by_error \
                 WHERE USER = '{}' AND ERROR_NAME = 'ER_LOCK_DEADLOCK'",
                self.name
            ))
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_finishes_retries_and_cancels_of_one_import_deadlock_never() {
    let database = TestDatabase::create().await;
    let user = OwnUser::of(&database).await;
    let settings = StoreSettings {
        url: user.url.clone(),
        pool_size: WORKERS + 3,
    };
    let store = Store::connect(settings).expect("a pool");
    for round in 0..ROUNDS {
        at_once(&store, round).await;
    }
    assert_eq!(user.deadlocks(&database).await, 0);
}

/// One import: its batches are applied or given up by some, put back, cancelled and swept by others.
async fn at_once(store: &Store, round: usize) {
    let (lane, batch_lane) = (a_lane(), a_lane());
    let (task, split) = a_claimed_import(store, &lane).await;
    let born = settled(
        store,
        &split,
        Ending::Finished(sealed(&lane, &batch_lane, BATCHES)),
    )
    .await;
    let rings: Vec<Rung> = born.into_iter().map(|(_, row)| row.rung).collect();
    let to_do = Mutex::new(rings.iter().copied().enumerate().rev().collect::<Vec<_>>());
    let at_work = AtomicUsize::new(WORKERS);
    let working = (0..WORKERS).map(|_| async {
        while let Some((number, ring)) = pop(&to_do).await {
            let claim = store.claim_rung(&batch_lane, &[ring], &terms("w")).await;
            let Some(row) = claim.expect("answered").claimed.pop() else {
                continue;
            };
            let dies = number % 3 == 0 && ring.epoch.0 == 0;
            let ending = if dies {
                Ending::Failed(broken(), std::time::Duration::ZERO)
            } else {
                applied(number)
            };
            for row in end(store, &row, ending).await {
                // What the last batch bears is the import's finish.
                let claim = store.claim_rung(&lane, &[row], &terms("w")).await;
                for row in claim.expect("answered").claimed {
                    end(store, &row, finished()).await;
                }
            }
        }
        at_work.fetch_sub(1, Ordering::SeqCst);
    });
    // What is put back when the last of them has left stays: nobody would take it.
    let goes_on = || at_work.load(Ordering::SeqCst) > 0;
    let putting_back = async {
        while goes_on() {
            let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
            if let store::Retried::Now(_, rows) = retried.expect("answered") {
                let mut to_do = to_do.lock().await;
                for (_, row) in rows {
                    let number = rings.iter().position(|ring| ring.id == row.rung.id);
                    to_do.extend(number.map(|number| (number, row.rung)));
                }
            }
        }
    };
    let sweeping = async {
        while goes_on() {
            store.sweep(&batch_lane, 100).await.expect("answered");
        }
    };
    let cancelling = async {
        // Of some imports all is done first.
        while round.is_multiple_of(2) && goes_on() && to_do.lock().await.len() > 4 * round {
            tokio::task::yield_now().await;
        }
        store.cancel_task(&owner(), task).await.expect("answered");
    };
    tokio::join!(
        futures::future::join_all(working),
        putting_back,
        sweeping,
        cancelling
    );
}

async fn pop<T>(to_do: &Mutex<Vec<T>>) -> Option<T> {
    to_do.lock().await.pop()
}

/// Ends the attempt, if it is still this one's; the rings of what was born.
async fn end(store: &Store, row: &Claimed, ending: Ending) -> Vec<Rung> {
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    match settled.expect("answered") {
        Settled::Now(_, born) => {
            let born = born.into_iter().filter(|(lane, _)| !lane.is_dead_letters());
            born.map(|(_, row)| row.rung).collect()
        }
        Settled::Lost => Vec::new(),
    }
}
