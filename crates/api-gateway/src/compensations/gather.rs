//! Small calls that come at the same time go in one transaction: its commit is most of what each of
//! them costs (facts.md).
//!
//! Nobody waits for company: a call goes at once while few transactions are under way, and what comes
//! meanwhile goes together with the next. What several wait for together is tried once; where it
//! does not go, each call goes alone. Calls are submitted, and their rows rung, on tasks of their
//! own: a client that goes away leaves no row behind that nobody rings. Shown by
//! `tests/it/compensations/gathered.rs`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{HandlerCatalog, Lane};
use engine::Announcer;
use store::{
    Announced, CompensationsOnce, NewCompensations, Store, StoreError, SubmittedCompensations,
};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::Bell;
use super::share::Shares;

/// Most items of a call that is gathered with others,
const SMALL: usize = 100;

/// and most bytes of its contexts.
const SMALL_BYTES: usize = 256 << 10;

/// Items of one transaction; facts.md: best size.
const ITEMS_TOGETHER: usize = 1_000;

/// Bytes of the contexts of one transaction: nobody is to wait for megabytes of others.
const BYTES_TOGETHER: usize = 1 << 20;

/// Transactions under way at once.
const TRANSACTIONS: usize = 2;

/// Where small calls wait for a transaction.
pub(crate) struct Gatherer {
    store: Store,
    shares: Shares,
    bell: Bell,
    desk: Mutex<Desk>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Desk {
    waiting: VecDeque<Waiting>,
    under_way: usize,
}

struct Waiting {
    call: NewCompensations,
    told: oneshot::Sender<Told>,
}

/// What a caller is told: what its call came to, why nothing was accepted, or nothing: then it must
/// see for itself.
type Told = Option<Result<SubmittedCompensations, StoreError>>;

impl Gatherer {
    pub(crate) fn new(store: Store, announcer: Announcer, handlers: &HandlerCatalog) -> Arc<Self> {
        Arc::new(Self {
            shares: Shares::new(store.clone(), handlers),
            bell: Bell::new(announcer, handlers),
            store,
            desk: Mutex::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Submits a call, with others, if it is a small one that needs nothing of its own, and rings its
    /// rows.
    pub(super) async fn submit(
        self: &Arc<Self>,
        mut call: NewCompensations,
    ) -> Result<CompensationsOnce, StoreError> {
        let tenant = call.actor.tenant.clone();
        let placed = self.shares.keep(&tenant, &mut call.items).await;
        let submitted = self.submit_placed(call).await;
        let done = match &submitted {
            Ok(CompensationsOnce::Now(done, _)) => Some(done),
            // It stands, or may do so, and takes its share.
            Ok(CompensationsOnce::Remembered(_)) | Err(StoreError::UnknownCommit(_)) => {
                return submitted;
            }
            Ok(
                CompensationsOnce::Replayed(_)
                | CompensationsOnce::KeyReused
                | CompensationsOnce::Refused(_),
            )
            | Err(_) => None,
        };
        self.shares.count_back(&tenant, placed, done);
        submitted
    }

    async fn submit_placed(
        self: &Arc<Self>,
        call: NewCompensations,
    ) -> Result<CompensationsOnce, StoreError> {
        let is_small = (1..=SMALL).contains(&call.items.len()) && bytes(&call) <= SMALL_BYTES;
        if call.key.is_some() || call.group.is_some() || !is_small {
            return self.submit_alone(call).await;
        }
        match self.wait_for(call.clone()).await {
            Ok(Some(done)) => done.map(|done| CompensationsOnce::Now(done, None)),
            Ok(None) | Err(_) => self.submit_alone(call).await,
        }
    }

    /// Rings rows of business work.
    pub(super) fn ring(&self, rows: Vec<(Lane, Announced)>) {
        self.bell.ring(rows);
    }

    async fn submit_alone(
        self: &Arc<Self>,
        call: NewCompensations,
    ) -> Result<CompensationsOnce, StoreError> {
        let gatherer = self.clone();
        let submitting = async move {
            let mut done = gatherer.store.submit_compensations(call).await;
            if let Ok(CompensationsOnce::Now(done, _)) = &mut done {
                gatherer.bell.ring(std::mem::take(&mut done.rung));
            }
            done
        };
        let submitted = self.tasks.spawn_on(submitting, self.store.runtime());
        submitted
            .await
            .unwrap_or_else(|stopped| Err(StoreError::UnknownCommit(Box::new(stopped))))
    }

    fn wait_for(self: &Arc<Self>, call: NewCompensations) -> oneshot::Receiver<Told> {
        let (told, answer) = oneshot::channel();
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.waiting.push_back(Waiting { call, told });
        if desk.under_way < TRANSACTIONS {
            desk.under_way += 1;
            let working = self.clone().work();
            self.tasks.spawn_on(working, self.store.runtime());
        }
        answer
    }

    /// Transaction after transaction, until nobody waits.
    async fn work(self: Arc<Self>) {
        while let Some((calls, told)) = self.next() {
            metrics::counter!("quayside_compensations_transactions_total").increment(1);
            let done = self.store.submit_gathered(calls.into()).await;
            // A caller that has gone need not be told.
            match done {
                Ok(mut done) => {
                    let rung = done.iter_mut();
                    let rung = rung.flat_map(|done| std::mem::take(&mut done.rung));
                    self.bell.ring(rung.collect());
                    for (told, done) in told.into_iter().zip(done) {
                        drop(told.send(Some(Ok(done))));
                    }
                }
                Err(error) => {
                    for told in told {
                        drop(told.send(same(&error).map(Err)));
                    }
                }
            }
        }
    }

    /// The calls of the next transaction; none, and one transaction less, when nobody waits.
    fn next(&self) -> Option<(Vec<NewCompensations>, Vec<oneshot::Sender<Told>>)> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if desk.waiting.is_empty() {
            desk.under_way -= 1;
            return None;
        }
        let (mut items, mut contexts) = (0, 0);
        let fits = |waiting: &&Waiting| {
            items += waiting.call.items.len();
            contexts += bytes(&waiting.call);
            items <= ITEMS_TOGETHER && contexts <= BYTES_TOGETHER
        };
        let many = desk.waiting.iter().take_while(fits).count();
        let now = desk.waiting.drain(..many);
        Some(now.map(|waiting| (waiting.call, waiting.told)).unzip())
    }
}

/// Bytes of a call's contexts.
fn bytes(call: &NewCompensations) -> usize {
    call.items.iter().map(|item| item.context.len()).sum()
}

/// The error once more, where it may be that the calls were accepted. Any other may be due to what
/// they were together (too slow, a connection that broke) or to one of them, as a key that somebody
/// else has locked: nothing was accepted then, and each call sees for itself.
fn same(error: &StoreError) -> Option<StoreError> {
    match error {
        StoreError::UnknownCommit(cause) => {
            Some(StoreError::UnknownCommit(cause.to_string().into()))
        }
        StoreError::Unavailable(_)
        | StoreError::Contended(_)
        | StoreError::Fenced
        | StoreError::Duplicate(_)
        | StoreError::InProgress(_)
        | StoreError::Refused(_)
        | StoreError::Corrupt(_) => None,
    }
}
