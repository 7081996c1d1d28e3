//! One loop per lane of a kind of work whose effects lie in this database: rows are run by the
//! hundred, each batch taken, run and finished in one transaction (`store::batch_run`), without lease
//! and heartbeat.
//!
//! Rings are gathered for a few milliseconds into batches; the scan makes batches of what no ring
//! brought; several batches are under way at once. A ring's offset is acknowledged when all its rows
//! are done, or have failed, or are known to be duplicates, or are recorded as dead letters; never
//! before. A batch that cannot be run as a whole, because the handler panics or the database refuses
//! what it writes, is halved until what is at fault is alone, and that fails alone; once the lane is
//! paused, what is left of the batch waits, too. When MySQL is away the lane waits; a person or its
//! breaker may pause it as any other. Shown by `tests/it/bulk.rs`.

mod batch;
mod run;
mod taking;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{BusError, RingConsumer};
use domain::{BizType, BreakerTerms, BudgetTerms, Failure, Lane, RetryPolicy};
use store::{BatchRow, BatchTx, ClaimTerms, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::announce::Announcer;
use crate::board::LaneBoard;
use crate::breaker::Breaker;
use crate::budget::Budget;
use crate::chain::Chain;
use crate::turns::{Seat, Turns};
use run::Runner;
use taking::Loop;

/// Time for the consumer to commit its last offsets and leave the group, in seconds.
const LEAVE_SECONDS: u64 = 5;

/// Rows that fail are claimed and let go in one transaction: any time would do.
const HELD: Duration = Duration::from_secs(600);

/// Writes the effects of many rows at once.
#[async_trait]
pub trait BulkHandler: Send + Sync + 'static {
    /// Writes the effects of the rows in the transaction that finishes them, and answers which it
    /// refuses, by their place, each once: of those nothing is written. May be called more than once
    /// for the same rows, each time in a fresh transaction.
    ///
    /// # Errors
    /// [`StoreError`] ends the transaction. What is not transient counts against single rows, which
    /// are sought by halving the batch.
    async fn run(
        &self,
        tx: &mut BatchTx<'_>,
        rows: &[BatchRow],
    ) -> Result<Vec<(usize, Failure)>, StoreError>;
}

/// How a lane is worked on in bulk.
#[derive(Debug, Clone)]
pub struct BulkSettings {
    /// The topic.
    pub lane: Lane,
    /// The kind of work; rows of any other have no handler here.
    pub biz_type: BizType,
    /// Rows of one transaction, about: a ring is never cut.
    pub batch_size: usize,
    /// Transactions of this worker at once, unless it shares them with other lanes.
    pub batches: usize,
    /// What each transaction holds one of, shared by all lanes of the process, so that they leave
    /// connections to everybody else.
    pub connections: Arc<Semaphore>,
    /// How often due rows are looked for that no ring brought.
    pub scan_interval: Duration,
    /// How often and how soon failures are repeated.
    pub retry: RetryPolicy,
    /// How many further tries this worker bears on the lane.
    pub budget: BudgetTerms,
    /// How long the lane stays paused when it is paused by itself.
    pub breaker: BreakerTerms,
    /// How long batches that are under way may take to finish at shutdown. What takes longer ends by
    /// itself, and its rings come again as duplicates.
    pub drain: Duration,
}

/// Works on one lane in bulk.
pub struct BulkWorker {
    runner: Arc<Runner>,
    seat: Seat,
    board: LaneBoard,
}

impl BulkWorker {
    /// A worker called `name`. What its rows bear is rung by `announcer`.
    #[must_use]
    pub fn new(
        name: &str,
        store: Store,
        announcer: Announcer,
        settings: BulkSettings,
        handler: Arc<dyn BulkHandler>,
    ) -> Self {
        let seat = Turns::new(settings.batches).seat(1, None);
        let runner = Runner {
            store,
            announcer,
            terms: ClaimTerms {
                worker: name.to_owned(),
                lease: HELD,
                retry: settings.retry.clone().into(),
                hard_deadline: HELD,
            },
            handler,
            breaker: Arc::new(Breaker::new(!settings.lane.is_dead_letters())),
            budget: Arc::new(Budget::new(&settings.lane, settings.budget)),
            settings,
        };
        Self {
            runner: Arc::new(runner),
            seat,
            board: LaneBoard::default(),
        }
    }

    /// Notes on the board how it finds its lane.
    #[must_use]
    pub fn on_board(self, board: &LaneBoard) -> Self {
        let board = board.clone();
        Self { board, ..self }
    }

    /// Runs batches as it has turns there, instead of so many of its own.
    #[must_use]
    pub fn sharing(self, seat: Seat) -> Self {
        Self { seat, ..self }
    }

    /// Runs rows until stopped; then lets the batches that are under way finish, commits the offsets
    /// and leaves the group.
    ///
    /// # Errors
    /// [`BusError`] when the consumer is beyond repair.
    pub async fn run(
        self,
        consumer: RingConsumer,
        stop: CancellationToken,
    ) -> Result<(), BusError> {
        let mut loops = Loop::new(self, &consumer);
        let worked = loops.take_until(&stop).await;
        loops.drain().await;
        let lane = loops.runner.settings.lane.clone();
        drop(loops);
        if let Err(error) = consumer.close(Duration::from_secs(LEAVE_SECONDS)).await {
            tracing::warn!(%lane, error = %Chain(&error),
                "the last offsets were not committed; their rings will come again as duplicates");
        }
        worked
    }
}
