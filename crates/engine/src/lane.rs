//! One loop per lane: rows are taken by ring and by scan, as many as it has turns (`turns.rs`).
//!
//! Without a turn the consumer is polled on, and paused once enough rings are in hand, so a long job
//! never holds a partition and lag means work that nobody has claimed. A ring's offset is acknowledged when all its rows are
//! claimed, or known to be duplicates, or recorded as dead letters; never before. When the scan is
//! due it has the next turn, so that a saturated lane still serves its oldest row. When
//! MySQL is away the lane pauses, keeps polling, and tries again; so it does when a person or its
//! breaker has paused it (`gate.rs`). Shown by `tests/it/lane.rs`, `tests/it/mysql_away.rs` and
//! `tests/it/breaker.rs`.

mod take;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{BusError, RingConsumer};
use domain::{BizType, BreakerTerms, BudgetTerms, Lane, RetryPolicies};
use store::{ClaimTerms, Store, StoreError};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announce::Announcer;
use crate::board::LaneBoard;
use crate::breaker::Breaker;
use crate::budget::Budget;
use crate::chain::Chain;
use crate::ears::Ears;
use crate::gate::Gate;
use crate::handler::BizHandler;
use crate::run::Finishes;
use crate::turns::{Seat, Turns};

/// Pause after the database could not be asked, in milliseconds.
const DATABASE_PAUSE_MILLIS: u64 = 1_000;

/// Time for the consumer to commit its last offsets and leave the group, in seconds.
const LEAVE_SECONDS: u64 = 5;

/// How a lane is worked on.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The topic.
    pub lane: Lane,
    /// Rows that this worker runs at once, unless it shares them with other lanes; the one row that
    /// probes a paused lane comes on top.
    pub permits: usize,
    /// How long a row is held without a heartbeat.
    pub lease: Duration,
    /// How often due rows are looked for that no ring brought.
    pub scan_interval: Duration,
    /// An attempt that runs longer than this is ended for good: its row gets no further try.
    pub hard_deadline: Duration,
    /// How often and how soon failures are repeated, by the kind of work.
    pub retry: RetryPolicies,
    /// How many further tries this worker bears on the lane.
    pub budget: BudgetTerms,
    /// How long the lane stays paused when it is paused by itself.
    pub breaker: BreakerTerms,
    /// How long running attempts may take to finish at shutdown, before they are handed back.
    pub drain: Duration,
}

/// Works on one lane.
pub struct LaneWorker {
    store: Store,
    announcer: Announcer,
    settings: Arc<LaneSettings>,
    terms: ClaimTerms,
    handlers: HashMap<BizType, Arc<dyn BizHandler>>,
    seat: Seat,
    attempts: TaskTracker,
    hand_back: CancellationToken,
    breaker: Arc<Breaker>,
    budget: Arc<Budget>,
    finishes: Arc<Finishes>,
    board: LaneBoard,
}

impl LaneWorker {
    /// A worker called `name`, for the kinds of work that have a handler here. What its attempts
    /// bear is rung by `announcer`.
    #[must_use]
    pub fn new(
        name: &str,
        store: Store,
        announcer: Announcer,
        settings: LaneSettings,
        handlers: HashMap<BizType, Arc<dyn BizHandler>>,
    ) -> Self {
        let terms = ClaimTerms {
            worker: name.to_owned(),
            lease: settings.lease,
            retry: settings.retry.clone(),
            hard_deadline: settings.hard_deadline,
        };
        Self {
            store,
            announcer,
            terms,
            handlers,
            seat: Turns::new(settings.permits).seat(1, None),
            attempts: TaskTracker::new(),
            hand_back: CancellationToken::new(),
            breaker: Arc::new(Breaker::new(!settings.lane.is_dead_letters())),
            budget: Arc::new(Budget::new(&settings.lane, settings.budget)),
            finishes: Arc::default(),
            board: LaneBoard::default(),
            settings: Arc::new(settings),
        }
    }

    /// Notes on the board how it finds its lane.
    #[must_use]
    pub fn on_board(self, board: &LaneBoard) -> Self {
        let board = board.clone();
        Self { board, ..self }
    }

    /// Runs rows as it has turns there, instead of so many of its own.
    #[must_use]
    pub fn sharing(self, seat: Seat) -> Self {
        Self { seat, ..self }
    }

    fn gate(&self) -> Gate {
        let (lane, under) = (self.settings.lane.clone(), self.seat.under());
        let lane = (lane, under, self.settings.breaker);
        let (store, breaker) = (self.store.clone(), self.breaker.clone());
        Gate::new(store, lane, &self.terms.worker, breaker, self.board.clone())
    }

    /// Takes and runs rows until stopped; then lets running attempts finish, hands back those that
    /// take too long, commits the offsets and leaves the group.
    ///
    /// # Errors
    /// [`BusError`] when the consumer is beyond repair.
    pub async fn run(
        self,
        consumer: RingConsumer,
        stop: CancellationToken,
    ) -> Result<(), BusError> {
        let worked = self.take_until(&consumer, &stop).await;
        self.drain().await;
        if let Err(error) = consumer.close(Duration::from_secs(LEAVE_SECONDS)).await {
            tracing::warn!(lane = %self.settings.lane, error = %Chain(&error),
                "the last offsets were not committed; their rings will come again as duplicates");
        }
        worked
    }

    async fn take_until(
        &self,
        consumer: &RingConsumer,
        stop: &CancellationToken,
    ) -> Result<(), BusError> {
        let mut ears = Ears::new(consumer);
        let mut scan = tokio::time::interval(self.settings.scan_interval);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut scan_is_due = false;
        let mut gate = self.gate();
        loop {
            let wants = gate.is_open() && (scan_is_due || !ears.is_empty());
            let turn = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = gate.due() => {
                    self.look(&mut gate, &mut ears).await?;
                    scan_is_due |= gate.take_wanted_scan();
                    continue;
                }
                _ = scan.tick(), if gate.is_open() && !scan_is_due => {
                    scan_is_due = true;
                    continue;
                }
                turn = self.seat.take(), if wants => turn,
                heard = ears.hear() => {
                    heard?;
                    continue;
                }
            };
            let taken = if std::mem::take(&mut scan_is_due) {
                let scanned = self.scan(turn, &ears).await;
                scan_is_due = matches!(scanned, Ok(true));
                scanned.map(|_more| false)
            } else {
                self.answer(turn, &mut ears).await
            };
            match taken {
                Ok(false) => {}
                Ok(true) => ears.acknowledge_oldest()?,
                Err(error) => self.wait_for_the_database(&error, &mut ears).await?,
            }
        }
    }

    /// Looks whether the lane is worked on, and probes it if that is for this worker to do: by one
    /// row, which needs no turn, so that no busy lane beside it keeps it shut.
    async fn look(&self, gate: &mut Gate, ears: &mut Ears<'_>) -> Result<(), BusError> {
        let looked = match gate.look().await {
            Ok(Some(probe)) => self.probe(probe).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match looked {
            Ok(()) => ears.listen(gate.is_open()),
            Err(error) => self.wait_for_the_database(&error, ears).await,
        }
    }

    async fn wait_for_the_database(
        &self,
        error: &StoreError,
        ears: &mut Ears<'_>,
    ) -> Result<(), BusError> {
        tracing::warn!(lane = %self.settings.lane, error = %Chain(error),
            "the database cannot be asked; the lane waits");
        ears.listen_for(Duration::from_millis(DATABASE_PAUSE_MILLIS))
            .await
    }

    async fn drain(&self) {
        self.attempts.close();
        if tokio::time::timeout(self.settings.drain, self.attempts.wait())
            .await
            .is_err()
        {
            tracing::info!(lane = %self.settings.lane, attempts = self.attempts.len(),
                "handing back what did not finish in time");
            self.hand_back.cancel();
            self.attempts.wait().await;
        }
    }
}
