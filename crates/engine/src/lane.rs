//! One loop per lane: rows are taken by ring and by scan, as many as there are free permits.
//!
//! Without a permit the consumer is polled on, and paused once enough rings are in hand, so a long job
//! never holds a partition and lag means work that nobody has claimed. A ring's offset is acknowledged when all its rows are
//! claimed, or known to be duplicates, or recorded as dead letters; never before. When the scan is
//! due it has the next free permit, so that a saturated lane still serves its oldest row. When
//! MySQL is away the lane pauses, keeps polling, and tries again. Shown by `tests/it/lane.rs` and
//! `tests/it/mysql_away.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{BusError, RingConsumer, TraceHeaders};
use domain::{BizType, Lane, RetryPolicy, Rung};
use store::{ClaimTerms, Claimed, Poisoned, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announce::Announcer;
use crate::chain::Chain;
use crate::ears::{Content, Ears};
use crate::handler::{BizHandler, NoHandler};
use crate::run::Runner;

/// Pause after the database could not be asked, in milliseconds.
const DATABASE_PAUSE_MILLIS: u64 = 1_000;

/// Time for the consumer to commit its last offsets and leave the group, in seconds.
const LEAVE_SECONDS: u64 = 5;

/// How a lane is worked on.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The topic.
    pub lane: Lane,
    /// Rows that this worker runs at once.
    pub permits: usize,
    /// How long a row is held without a heartbeat.
    pub lease: Duration,
    /// How often due rows are looked for that no ring brought.
    pub scan_interval: Duration,
    /// After this long, counted from the first claim, a row gets no further try.
    pub hard_deadline: Duration,
    /// How often and how soon failures are repeated.
    pub retry: RetryPolicy,
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
    permits: Arc<Semaphore>,
    attempts: TaskTracker,
    hand_back: CancellationToken,
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
            max_cnt: settings.retry.max_cnt(),
            hard_deadline: settings.hard_deadline,
        };
        Self {
            store,
            announcer,
            terms,
            handlers,
            permits: Arc::new(Semaphore::new(settings.permits)),
            attempts: TaskTracker::new(),
            hand_back: CancellationToken::new(),
            settings: Arc::new(settings),
        }
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
        loop {
            let permit = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                permit = self.next_permit(&mut ears) => permit?,
            };
            let taken = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = scan.tick() => {
                    let scanned = self.scan(permit, &ears).await;
                    if let Ok(true) = scanned {
                        scan.reset_immediately();
                    }
                    scanned.map(|_more| false)
                }
                heard = ears.next() => {
                    heard?;
                    self.answer(permit, &mut ears).await
                }
            };
            match taken {
                Ok(false) => {}
                Ok(true) => ears.acknowledge_oldest()?,
                Err(error) => {
                    tracing::warn!(lane = %self.settings.lane, error = %Chain(&error),
                        "the database cannot be asked; the lane waits");
                    ears.listen_for(Duration::from_millis(DATABASE_PAUSE_MILLIS))
                        .await?;
                }
            }
        }
    }

    /// Waits for a free permit; the consumer is polled meanwhile.
    async fn next_permit(&self, ears: &mut Ears<'_>) -> Result<OwnedSemaphorePermit, BusError> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let permits = self.permits.clone();
        let free = async move { permits.acquire_owned().await };
        tokio::pin!(free);
        let permit = loop {
            tokio::select! {
                permit = &mut free => break permit,
                heard = ears.hear() => heard?,
            }
        };
        Ok(permit
            .unwrap_or_else(|closed| unreachable!("the lane never closes its permits: {closed}")))
    }

    /// Claims due rows: as many as are free, or the oldest one when rings are waiting as well. Whether
    /// to look again at once: no rings come, and every permit found a row, so there may be more.
    async fn scan(
        &self,
        permit: OwnedSemaphorePermit,
        ears: &Ears<'_>,
    ) -> Result<bool, StoreError> {
        let mut permits = vec![permit];
        let no_rings = ears.is_empty();
        if no_rings {
            permits.extend(self.further_permits());
        }
        let claimed = self
            .store
            .claim_due(&self.settings.lane, permits.len(), &self.terms)
            .await?;
        self.count("quayside_claimed_by_scan_total", claimed.len());
        let more = no_rings && claimed.len() == permits.len();
        for (row, permit) in claimed.into_iter().zip(permits) {
            self.start(row, permit, TraceHeaders::default());
        }
        Ok(more)
    }

    /// Deals with the oldest message that waits, as far as permits go. Whether all of it is done.
    async fn answer(
        &self,
        permit: OwnedSemaphorePermit,
        ears: &mut Ears<'_>,
    ) -> Result<bool, StoreError> {
        let Some(message) = ears.oldest() else {
            return Ok(false);
        };
        match &mut message.content {
            Content::Poison(poison) => self.store.record_poison(poison.clone()).await?,
            Content::Ring { left, trace } => {
                let trace = trace.clone();
                let wanted = left.len().saturating_sub(1);
                let mut permits = vec![permit];
                permits.extend(self.further_permits().take(wanted));
                let now = permits.len().min(left.len());
                self.claim(&left[..now], permits, &trace).await?;
                left.drain(..now);
                return Ok(left.is_empty());
            }
        }
        Ok(true)
    }

    async fn claim(
        &self,
        rung: &[Rung],
        permits: Vec<OwnedSemaphorePermit>,
        trace: &TraceHeaders,
    ) -> Result<(), StoreError> {
        let lane = &self.settings.lane;
        let claim = self.store.claim_rung(lane, rung, &self.terms).await?;
        self.count("quayside_claimed_by_ring_total", claim.claimed.len());
        self.count("quayside_ring_duplicates_total", claim.duplicates);
        // Started before anything else can fail: a claimed row must not wait for its lease to end.
        for (row, permit) in claim.claimed.into_iter().zip(permits) {
            self.start(row, permit, trace.clone());
        }
        for orphan in claim.orphans {
            let detail = format!("no row {} on this lane (epoch {})", orphan.id, orphan.epoch);
            let headers = trace.traceparent().unwrap_or_default().to_owned();
            let reason = "orphan";
            let letter = Poisoned {
                lane: lane.clone(),
                reason,
                detail,
                payload: Vec::new(),
                headers,
            };
            self.store.record_poison(letter).await?;
        }
        Ok(())
    }

    fn start(&self, row: Claimed, permit: OwnedSemaphorePermit, ring: TraceHeaders) {
        let (kind, handler) = match self.handlers.get_key_value(&row.biz_type) {
            Some((kind, handler)) => (kind.to_string(), handler.clone()),
            None => (
                "unknown".to_owned(),
                Arc::new(NoHandler) as Arc<dyn BizHandler>,
            ),
        };
        let runner = Runner {
            store: self.store.clone(),
            announcer: self.announcer.clone(),
            settings: self.settings.clone(),
            handler,
            kind,
            hand_back: self.hand_back.clone(),
        };
        self.attempts.spawn(async move {
            runner.run(row, ring).await;
            drop(permit);
        });
    }

    /// Every permit that is free now.
    fn further_permits(&self) -> impl Iterator<Item = OwnedSemaphorePermit> + '_ {
        std::iter::from_fn(|| self.permits.clone().try_acquire_owned().ok())
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

    fn count(&self, name: &'static str, rows: usize) {
        metrics::counter!(name, "lane" => self.settings.lane.to_string()).increment(rows as u64);
    }
}
