//! The loop of a bulk lane: what is heard, what is due and what is under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bus::{BusError, RingConsumer};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use store::StoreError;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::BulkWorker;
use super::batch::Batch;
use super::run::{Ended, Runner, Work};
use crate::chain::Chain;
use crate::ears::Ears;
use crate::gate::Gate;
use crate::turns::{Asked, Seat, Turn};

/// How long rings are waited for that may go into one batch, in milliseconds: next to nothing beside
/// a commit, and enough that a hundred single submits become a few batches.
const GATHER_MILLIS: u64 = 3;

/// Pause after the database could not be asked, in milliseconds.
const DATABASE_PAUSE_MILLIS: u64 = 1_000;

/// The loop and what it has under way.
pub(super) struct Loop<'c> {
    pub(super) runner: Arc<Runner>,
    ears: Ears<'c>,
    gate: Gate,
    seat: Seat,
    /// What is under way, and the turns by which it is.
    running: FuturesUnordered<BoxFuture<'static, (Ended, Option<Turn>)>>,
    /// The next turn, while there is something to begin: kept from round to round, as a turn that was
    /// given to whoever asks anew has gone to another lane.
    asked: Option<Asked>,
    /// Batches that the database could not take.
    again: VecDeque<Batch>,
    scan: tokio::time::Interval,
    scan_is_due: bool,
    scanning: bool,
    /// The last scan left some, or failed.
    more: bool,
    /// Nothing is begun before: the database could not be asked.
    rest: Option<Instant>,
    /// What ended last had lost the database: one more, and it is away.
    shaken: bool,
}

impl<'c> Loop<'c> {
    pub(super) fn new(worker: BulkWorker, consumer: &'c RingConsumer) -> Self {
        let BulkWorker {
            runner,
            seat,
            board,
        } = worker;
        let settings = &runner.settings;
        let mut scan = tokio::time::interval(settings.scan_interval);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lane = (settings.lane.clone(), seat.under(), settings.breaker);
        let (store, breaker) = (runner.store.clone(), runner.breaker.clone());
        Self {
            gate: Gate::new(store, lane, &runner.terms.worker, breaker, board),
            ears: Ears::new(consumer),
            running: FuturesUnordered::new(),
            asked: None,
            again: VecDeque::new(),
            scan,
            scan_is_due: false,
            scanning: false,
            more: false,
            rest: None,
            shaken: false,
            seat,
            runner,
        }
    }

    pub(super) async fn take_until(&mut self, stop: &CancellationToken) -> Result<(), BusError> {
        loop {
            let may_scan = self.may_begin() && !self.scanning && !self.scan_is_due;
            self.ask();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = rested(self.rest), if self.rest.is_some() => self.rest = None,
                () = self.gate.due(), if self.rest.is_none() => self.look().await?,
                Some((ended, turn)) = self.running.next() => {
                    self.ended(ended);
                    // Where there is more to begin, this lane is among those that wait for the turn.
                    self.ask();
                    drop(turn);
                }
                _ = self.scan.tick(), if may_scan => self.scan_is_due = true,
                turn = given(&mut self.asked) => {
                    self.asked = None;
                    self.take(turn).await?;
                }
                heard = self.ears.hear() => heard?,
            }
        }
    }

    /// Whether anything may be begun.
    fn may_begin(&self) -> bool {
        self.gate.is_open() && self.rest.is_none()
    }

    /// Waits for a turn as long as there is something to begin.
    fn ask(&mut self) {
        if !self.wants() {
            self.asked = None;
        } else if self.asked.is_none() {
            self.asked = Some(self.seat.ask());
        }
    }

    /// Whether there is something to begin.
    fn wants(&self) -> bool {
        let waits = !self.again.is_empty() || !self.ears.is_empty() || self.wants_scan();
        self.may_begin() && waits
    }

    fn wants_scan(&self) -> bool {
        let more = self.more && self.ears.is_empty();
        !self.scanning && (self.scan_is_due || more)
    }

    /// Begins what there is to begin.
    async fn take(&mut self, turn: Turn) -> Result<(), BusError> {
        if let Some(batch) = self.again.pop_front() {
            self.begin(Work::Rung(batch), Some(turn));
        } else if self.wants_scan() {
            (self.scanning, self.scan_is_due, self.more) = (true, false, false);
            self.begin(Work::Scan, Some(turn));
        } else if !self.ears.is_empty() {
            let batch = self.gather().await?;
            self.begin(Work::Rung(batch), Some(turn));
        }
        Ok(())
    }

    fn begin(&mut self, work: Work, turn: Option<Turn>) {
        let runner = self.runner.clone();
        let run = async move { (runner.run(work).await, turn) };
        self.running.push(Box::pin(run));
    }

    /// Rings that wait, and those that come within a moment, as far as a batch goes.
    async fn gather(&mut self) -> Result<Batch, BusError> {
        let most = self.runner.settings.batch_size;
        let until = Instant::now() + Duration::from_millis(GATHER_MILLIS);
        let mut batch = Batch::default();
        loop {
            while self
                .ears
                .oldest()
                .is_some_and(|it| batch.has_room(it, most))
            {
                if let Some(message) = self.ears.take_oldest()? {
                    batch.add(message);
                }
            }
            if !self.ears.is_empty() || batch.rows() >= most {
                return Ok(batch);
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(batch),
                heard = self.ears.hear() => heard?,
            }
        }
    }

    fn ended(&mut self, ended: Ended) {
        let failed = match ended {
            Ended::Rung(batch, ran) => {
                self.rung(batch, ran.is_ok());
                ran.err()
            }
            Ended::Scan(scanned) => {
                self.scanning = false;
                let failed = scanned.as_ref().is_err_and(StoreError::is_transient);
                self.more = failed || matches!(scanned, Ok(true));
                scanned.err()
            }
            Ended::Probe(probed) => probed.err(),
        };
        match failed {
            None => self.shaken = false,
            // Others hold the rows, which says nothing of the database: the same is tried again.
            Some(StoreError::Contended(_)) => {}
            // One connection that broke says no more.
            Some(error) if !self.shaken => {
                self.shaken = true;
                tracing::warn!(lane = %self.runner.settings.lane, error = %Chain(&error),
                    "a batch lost the database and is tried again");
            }
            Some(error) => self.wait_for_the_database(&error),
        }
    }

    /// Acknowledges what has been dealt with; the rest is to be asked again.
    fn rung(&mut self, batch: Batch, ran: bool) {
        if !ran || batch.rows() > 0 {
            self.again.push_back(batch);
            return;
        }
        for at in batch.at {
            self.ears.acknowledge(at);
        }
    }

    /// Looks whether the lane is worked on, and probes it if that is for this worker to do: by one
    /// row, which needs no turn, so that no busy lane beside it keeps it shut.
    async fn look(&mut self) -> Result<(), BusError> {
        match self.gate.look().await {
            Ok(probe) => {
                if let Some(probe) = probe {
                    self.begin(Work::Probe(probe), None);
                }
                self.scan_is_due |= self.gate.take_wanted_scan();
                let is_open = self.gate.is_open();
                self.ears.listen(is_open)
            }
            Err(error) => {
                self.wait_for_the_database(&error);
                Ok(())
            }
        }
    }

    /// What is under way goes on meanwhile, and rings are heard.
    fn wait_for_the_database(&mut self, error: &StoreError) {
        tracing::warn!(lane = %self.runner.settings.lane, error = %Chain(error),
            "the database cannot be asked; the lane waits");
        self.rest = Some(Instant::now() + Duration::from_millis(DATABASE_PAUSE_MILLIS));
    }

    /// Waits for what is under way.
    pub(super) async fn drain(&mut self) {
        self.asked = None;
        let drained = tokio::time::timeout(self.runner.settings.drain, async {
            while let Some((ended, _turn)) = self.running.next().await {
                if let Ended::Rung(batch, ran) = ended {
                    self.rung(batch, ran.is_ok());
                }
            }
        });
        if drained.await.is_err() {
            tracing::warn!(lane = %self.runner.settings.lane, batches = self.running.len(),
                "batches did not end in time; their rings will come again");
        }
    }
}

/// The turn, once it is there; never, where none is waited for.
async fn given(asked: &mut Option<Asked>) -> Turn {
    match asked {
        Some(asked) => asked.await,
        None => std::future::pending().await,
    }
}

async fn rested(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}
