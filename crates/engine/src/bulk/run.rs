//! A batch from its rings to its commit: run as a whole, halved where that does not go, told of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::{BizStatus, Failure, FailureCode, LaneFault, Rung, Verdict};
use store::{
    BatchFault, BatchRan, BatchWrites, ClaimTerms, FailedItem, LaneProbe, RefusedItem, Store,
    StoreError, Wanted,
};
use tracing::Instrument;

use super::batch::Batch;
use super::writer::{Writer, delay};
use super::{BulkHandler, BulkSettings};
use crate::announce::Announcer;
use crate::breaker::Breaker;
use crate::budget::Budget;
use crate::chain::Chain;
use crate::ears::about_orphans;
use crate::measures::count_failure;

/// When a row that can neither be run nor be given up is looked at again.
const BROKEN_ROW_RESTS: Duration = Duration::from_secs(60);

/// What is to be done.
pub(super) enum Work {
    /// These messages.
    Rung(Batch),
    /// What is due.
    Scan,
    /// One row, to see how it ends.
    Probe(LaneProbe),
}

/// How it went; an error is the database's.
pub(super) enum Ended {
    /// What it still names is to be asked again.
    Rung(Batch, Result<(), StoreError>),
    /// Whether there may be more.
    Scan(Result<bool, StoreError>),
    Probe(Result<(), StoreError>),
}

/// What all batches of a lane have in common.
pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) announcer: Announcer,
    pub(super) settings: BulkSettings,
    pub(super) terms: ClaimTerms,
    pub(super) handler: Arc<dyn BulkHandler>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) budget: Arc<Budget>,
}

impl Runner {
    pub(super) async fn run(self: Arc<Self>, work: Work) -> Ended {
        match work {
            Work::Rung(mut batch) => {
                let ran = self.answer(&mut batch).await;
                Ended::Rung(batch, ran)
            }
            Work::Scan => Ended::Scan(self.scan().await),
            Work::Probe(probe) => {
                self.breaker.set_probing(Some(probe.clone()));
                let probed = self.run_rows(Wanted::Due(1)).await;
                if let Ok(Some(verdict)) = probed.as_ref().map(|ran| ran.verdict) {
                    self.breaker.report(probe, verdict);
                } else {
                    self.breaker.set_probing(None);
                }
                Ended::Probe(probed.map(drop))
            }
        }
    }

    async fn scan(&self) -> Result<bool, StoreError> {
        let limit = self.settings.batch_size;
        let ran = self.run_rows(Wanted::Due(limit)).await?;
        self.count("quayside_claimed_by_scan_total", ran.rows);
        Ok(ran.rows >= limit || !ran.left.is_empty())
    }

    /// Deals with messages. What has been recorded is taken out, so that it may be asked again.
    async fn answer(&self, batch: &mut Batch) -> Result<(), StoreError> {
        while let Some(poison) = batch.poison.last() {
            self.store.record_poison(poison.clone()).await?;
            self.breaker.record(Verdict::Bad(LaneFault::Undecodable));
            batch.poison.pop();
        }
        if batch.rung.is_empty() {
            return Ok(());
        }
        let span = tracing::info_span!("batch", otel.kind = "consumer",
            biz_type = %self.settings.biz_type, rows = batch.rung.len());
        batch.trace.link(&span);
        let rows = self.run_rows(Wanted::Rung(batch.rung.clone()));
        let ran = rows.instrument(span).await?;
        self.count("quayside_claimed_by_ring_total", ran.rows);
        self.count("quayside_ring_duplicates_total", ran.duplicates);
        if !ran.orphans.is_empty() {
            let letter = about_orphans(&self.settings.lane, &ran.orphans, &batch.trace);
            self.store.record_poison(letter).await?;
        }
        batch.rung = ran.left;
        Ok(())
    }

    /// Runs rows, as a whole or in halves of halves. When the lane is paused meanwhile, the halves
    /// that are not begun are left.
    async fn run_rows(&self, wanted: Wanted) -> Result<Told, StoreError> {
        let mut told = Told::default();
        let mut waiting = vec![wanted];
        let mut halved = false;
        while let Some(wanted) = waiting.pop() {
            if let Wanted::Rung(rows) = &wanted
                && halved
                && self.breaker.is_shut()
            {
                told.left.extend(rows);
                continue;
            }
            let panicked = Arc::new(AtomicBool::new(false));
            let began = Instant::now();
            let ran = self.run_once(wanted, self.writes(&panicked)).await;
            let BatchFault { error, rows } = match ran {
                Ok(ran) => {
                    self.tell(&ran, began.elapsed(), false);
                    told.add(ran, false);
                    continue;
                }
                Err(fault) => fault,
            };
            if error.is_transient() || rows.is_empty() {
                return Err(error);
            }
            tracing::warn!(rows = rows.len(), error = %Chain(&error), "a batch is refused");
            if let [one] = rows.as_slice() {
                let panicked = panicked.load(Ordering::Relaxed);
                let ran = self.fail_alone(*one, &error, panicked).await?;
                told.add(ran, panicked);
            } else {
                let (first, second) = rows.split_at(rows.len() / 2);
                halved = true;
                waiting.extend([second, first].map(|half| Wanted::Rung(half.to_vec())));
            }
        }
        Ok(told)
    }

    async fn run_once(
        &self,
        wanted: Wanted,
        writes: Arc<BatchWrites>,
    ) -> Result<BatchRan, BatchFault> {
        // It is never closed.
        let _connection = self.settings.connections.acquire().await;
        let ran = self
            .store
            .run_batch(&self.settings.lane, wanted, &self.terms, writes)
            .await?;
        self.announcer.announce_all(ran.born.clone());
        for _ in 0..ran.first_tries {
            self.budget.first_try();
        }
        Ok(ran)
    }

    /// The row that is at fault fails. One that cannot even fail is left to people, and to the scan of
    /// a later time: it must not hold up the others, nor keep the lane shut as the row of every probe.
    async fn fail_alone(
        &self,
        row: Rung,
        error: &StoreError,
        panicked: bool,
    ) -> Result<BatchRan, StoreError> {
        let told = Chain(error);
        let failure = if panicked {
            Failure::transient(FailureCode::Internal, told)
        } else {
            Failure::permanent(FailureCode::Internal, told)
        };
        let (retry, budget) = (self.settings.retry.clone(), self.budget.clone());
        let writes: Arc<BatchWrites> = Arc::new(move |_, rows| {
            let refuse = |(place, row)| {
                let delay = delay(&retry, &budget, row, failure.kind);
                let failure = failure.clone();
                RefusedItem {
                    place,
                    failure,
                    delay,
                }
            };
            let refused: Vec<RefusedItem> = rows.iter().enumerate().map(refuse).collect();
            Box::pin(async move { Ok(refused) })
        });
        let began = Instant::now();
        match self.run_once(Wanted::Rung(vec![row]), writes).await {
            Ok(ran) => {
                self.tell(&ran, began.elapsed(), panicked);
                Ok(ran)
            }
            Err(BatchFault { error, .. }) if error.is_transient() => Err(error),
            Err(BatchFault { error, .. }) => {
                tracing::error!(compensate_biz.id = row.id.0, error = %Chain(&error),
                    "a row can neither be run nor be given up");
                self.store.put_off(row, BROKEN_ROW_RESTS).await?;
                Ok(BatchRan::default())
            }
        }
    }

    /// What is written for a batch: the handler's effects, with panics as errors. Rows of another
    /// kind have no handler here.
    fn writes(&self, panicked: &Arc<AtomicBool>) -> Arc<BatchWrites> {
        let writer = Writer {
            handler: self.handler.clone(),
            settings: self.settings.clone(),
            budget: self.budget.clone(),
            panicked: panicked.clone(),
        };
        let writer = Arc::new(writer);
        Arc::new(move |tx, rows| {
            let writer = writer.clone();
            Box::pin(async move { writer.write(tx, rows).await })
        })
    }

    /// Counts and logs, and lets the lane hear of it.
    fn tell(&self, ran: &BatchRan, took: Duration, panicked: bool) {
        let kind = self.settings.biz_type.to_string();
        for _ in 0..ran.done {
            self.breaker.record(Verdict::Good);
        }
        let count = |outcome: &'static str, rows: usize| {
            metrics::counter!("quayside_attempts_total",
                "biz_type" => kind.clone(), "outcome" => outcome)
            .increment(rows as u64);
        };
        if ran.done > 0 {
            count("success", ran.done);
        }
        for failed in &ran.failed {
            count_failure(&kind, failed.status == BizStatus::Failed);
            self.breaker.record(verdict(failed, panicked));
            count(
                if panicked {
                    "panicked"
                } else {
                    failed.failure.kind.as_str()
                },
                1,
            );
        }
        if ran.tried() == 0 {
            return;
        }
        metrics::histogram!("quayside_batch_duration_seconds", "biz_type" => kind.clone())
            .record(took);
        metrics::histogram!("quayside_batch_rows", "biz_type" => kind).record(ran.tried() as f64);
        if let Some(first) = ran.failed.first() {
            tracing::warn!(rows = ran.failed.len(), first.id = first.id.0,
                first.failure = %first.failure, "rows failed");
        }
        tracing::debug!(
            done = ran.done,
            failed = ran.failed.len(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "batch ended"
        );
    }

    fn count(&self, name: &'static str, rows: usize) {
        let lane = self.settings.lane.to_string();
        metrics::counter!(name, "lane" => lane).increment(rows as u64);
    }
}

fn verdict(failed: &FailedItem, panicked: bool) -> Verdict {
    Verdict::of(
        &failed.failure,
        panicked,
        failed.status == BizStatus::Failed,
    )
}

/// What became of rows, all halves together.
#[derive(Default)]
struct Told {
    /// Rows that were tried.
    rows: usize,
    duplicates: usize,
    orphans: Vec<Rung>,
    /// Rows that were not tried: the lane was paused, or their contexts went beyond a batch.
    left: Vec<Rung>,
    /// Of the last row that was tried.
    verdict: Option<Verdict>,
}

impl Told {
    fn add(&mut self, ran: BatchRan, panicked: bool) {
        self.rows += ran.tried();
        self.duplicates += ran.duplicates;
        self.orphans.extend(ran.orphans);
        self.left.extend(ran.left);
        let failed = ran.failed.last().map(|failed| verdict(failed, panicked));
        let good = (ran.done > 0).then_some(Verdict::Good);
        self.verdict = failed.or(good).or(self.verdict);
    }
}
