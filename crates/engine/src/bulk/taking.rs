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
    running: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// Batches that the database could not take.
    again: VecDeque<Batch>,
    scan: tokio::time::Interval,
    scanning: bool,
    /// The last scan left some, or failed.
    more: bool,
    /// Nothing is begun before: the database could not be asked.
    rest: Option<Instant>,
}

impl<'c> Loop<'c> {
    pub(super) fn new(worker: BulkWorker, consumer: &'c RingConsumer) -> Self {
        let BulkWorker { runner, board } = worker;
        let settings = &runner.settings;
        let mut scan = tokio::time::interval(settings.scan_interval);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lane = (settings.lane.clone(), settings.breaker);
        let (store, breaker) = (runner.store.clone(), runner.breaker.clone());
        Self {
            gate: Gate::new(store, lane, &runner.terms.worker, breaker, board),
            ears: Ears::new(consumer),
            running: FuturesUnordered::new(),
            again: VecDeque::new(),
            scan,
            scanning: false,
            more: false,
            rest: None,
            runner,
        }
    }

    pub(super) async fn take_until(&mut self, stop: &CancellationToken) -> Result<(), BusError> {
        loop {
            let is_free = self.is_free();
            if is_free && let Some(batch) = self.again.pop_front() {
                self.begin(Work::Rung(batch));
                continue;
            }
            if is_free && self.more && !self.scanning && self.ears.is_empty() {
                self.begin_scan();
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = rested(self.rest), if self.rest.is_some() => self.rest = None,
                () = self.gate.due(), if self.rest.is_none() => self.look().await?,
                Some(ended) = self.running.next() => self.ended(ended),
                _ = self.scan.tick(), if is_free && !self.scanning => self.begin_scan(),
                heard = listen(&mut self.ears, is_free) => {
                    heard?;
                    if is_free {
                        let batch = self.gather().await?;
                        self.begin(Work::Rung(batch));
                    }
                }
            }
        }
    }

    /// Whether something may be begun.
    fn is_free(&self) -> bool {
        let has_room = self.running.len() < self.runner.settings.batches.max(1);
        self.gate.is_open() && self.rest.is_none() && has_room
    }

    fn begin_scan(&mut self) {
        (self.scanning, self.more) = (true, false);
        self.begin(Work::Scan);
    }

    fn begin(&mut self, work: Work) {
        let runner = self.runner.clone();
        self.running
            .push(Box::pin(async move { runner.run(work).await }));
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
            // Others hold the rows, which says nothing of the database: the same is tried again.
            None | Some(StoreError::Contended(_)) => {}
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

    /// Looks whether the lane is worked on, and probes it if that is for this worker to do.
    async fn look(&mut self) -> Result<(), BusError> {
        let can_probe = self.running.len() < self.runner.settings.batches.max(1);
        match self.gate.look(can_probe).await {
            Ok(probe) => {
                if let Some(probe) = probe {
                    self.begin(Work::Probe(probe));
                }
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
        let drained = tokio::time::timeout(self.runner.settings.drain, async {
            while let Some(ended) = self.running.next().await {
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

async fn rested(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}

/// Ready when there is something to answer; without anybody to answer, when something was heard.
async fn listen(ears: &mut Ears<'_>, is_free: bool) -> Result<(), BusError> {
    if is_free {
        ears.next().await
    } else {
        ears.hear().await
    }
}
