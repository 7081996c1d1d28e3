//! Taking rows: by scan, by ring, and one to probe a lane that is paused.

use std::sync::Arc;

use bus::TraceHeaders;
use domain::{LaneFault, Rung, Verdict};
use store::{Claimed, LaneProbe, StoreError};

use super::LaneWorker;
use crate::ears::{Content, Ears, about_orphans};
use crate::handler::{BizHandler, NoHandler};
use crate::run::Runner;
use crate::turns::Turn;

impl LaneWorker {
    /// Claims due rows: as many as are free, or the oldest one when rings are waiting as well. Whether
    /// to look again at once: no rings come, and every turn found a row, so there may be more.
    pub(super) async fn scan(&self, turn: Turn, ears: &Ears<'_>) -> Result<bool, StoreError> {
        let mut turns = vec![turn];
        let no_rings = ears.is_empty();
        if no_rings {
            turns.extend(self.further_turns());
        }
        let claimed = self
            .store
            .claim_due(&self.settings.lane, turns.len(), &self.terms)
            .await?;
        self.count("quayside_claimed_by_scan_total", claimed.len());
        #[cfg(feature = "failpoints")]
        if !claimed.is_empty() {
            fail::fail_point!("after_claim");
        }
        let more = no_rings && claimed.len() == turns.len();
        for (row, turn) in claimed.into_iter().zip(turns) {
            self.start(row, Some(turn), TraceHeaders::default(), None);
        }
        Ok(more)
    }

    /// Deals with the oldest message that waits, as far as turns go. Whether all of it is done.
    pub(super) async fn answer(&self, turn: Turn, ears: &mut Ears<'_>) -> Result<bool, StoreError> {
        let Some(message) = ears.oldest() else {
            return Ok(false);
        };
        match &mut message.content {
            Content::Poison(poison) => {
                self.store.record_poison(poison.clone()).await?;
                self.breaker.record(Verdict::Bad(LaneFault::Undecodable));
            }
            Content::Ring {
                left,
                orphans,
                trace,
            } => {
                if !left.is_empty() {
                    let wanted = left.len() - 1;
                    let mut turns = vec![turn];
                    turns.extend(self.further_turns().take(wanted));
                    let now = turns.len().min(left.len());
                    orphans.extend(self.claim(&left[..now], turns, trace).await?);
                    left.drain(..now);
                }
                if !left.is_empty() {
                    return Ok(false);
                }
                if !orphans.is_empty() {
                    let letter = about_orphans(&self.settings.lane, orphans, trace);
                    self.store.record_poison(letter).await?;
                }
            }
        }
        Ok(true)
    }

    /// Claims rows and starts them. Answers those that do not exist on this lane.
    async fn claim(
        &self,
        rung: &[Rung],
        turns: Vec<Turn>,
        trace: &TraceHeaders,
    ) -> Result<Vec<Rung>, StoreError> {
        let lane = &self.settings.lane;
        let claim = self.store.claim_rung(lane, rung, &self.terms).await?;
        self.count("quayside_claimed_by_ring_total", claim.claimed.len());
        self.count("quayside_ring_duplicates_total", claim.duplicates);
        #[cfg(feature = "failpoints")]
        if !claim.claimed.is_empty() {
            fail::fail_point!("after_claim");
        }
        // Started before anything else can fail: a claimed row must not wait for its lease to end.
        for (row, turn) in claim.claimed.into_iter().zip(turns) {
            self.start(row, Some(turn), trace.clone(), None);
        }
        Ok(claim.orphans)
    }

    /// Claims the oldest due row of a lane that is not open, to see how it ends. Whether there is one
    /// or not: the probe's time goes on, and the next look comes here again.
    pub(super) async fn probe(&self, probe: LaneProbe) -> Result<(), StoreError> {
        let lane = &self.settings.lane;
        let claimed = self.store.claim_due(lane, 1, &self.terms).await?;
        if let Some(row) = claimed.into_iter().next() {
            tracing::info!(%lane, compensate_biz.id = row.lease.id.0, "probing the lane by a row");
            self.breaker.set_probing(Some(probe.clone()));
            self.start(row, None, TraceHeaders::default(), Some(probe));
        }
        Ok(())
    }

    fn start(
        &self,
        row: Claimed,
        turn: Option<Turn>,
        ring: TraceHeaders,
        probe: Option<LaneProbe>,
    ) {
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
            budget: self.budget.clone(),
            finishes: self.finishes.clone(),
            hand_back: self.hand_back.clone(),
        };
        let breaker = self.breaker.clone();
        self.attempts.spawn(async move {
            let verdict = runner.run(row, ring).await;
            // Before the turn is free: the loop hears of it before it takes the next row.
            match probe {
                None => breaker.record(verdict),
                Some(probe) => breaker.report(probe, verdict),
            }
            drop(turn);
        });
    }

    /// Every turn that is free now.
    fn further_turns(&self) -> impl Iterator<Item = Turn> + '_ {
        std::iter::from_fn(|| self.seat.try_take())
    }

    fn count(&self, name: &'static str, rows: usize) {
        metrics::counter!(name, "lane" => self.settings.lane.to_string()).increment(rows as u64);
    }
}
