//! Whether a lane is worked on, as its loop sees it: the row that all workers share, looked at every
//! few seconds and whenever an attempt has something to say. Shown by `tests/it/breaker.rs`.

use std::sync::Arc;

use domain::{BreakerTerms, Lane, LaneState, Verdict};
use store::{LaneProbe, LaneStanding, Store, StoreError};
use tokio::time::Instant;

use crate::board::LaneBoard;
use crate::breaker::Breaker;

/// The loop's view of its lane.
pub(crate) struct Gate {
    store: Store,
    lane: Lane,
    /// What a person pauses there stands still here, too.
    under: Option<Lane>,
    terms: BreakerTerms,
    breaker: Arc<Breaker>,
    board: LaneBoard,
    /// By which this worker knows a probe as its own.
    owner: String,
    next_look: Instant,
    /// Unknown before the first look.
    state: Option<LaneState>,
    /// How often a person had asked for a scan at the last look; unknown before the first one.
    scans: Option<u64>,
    scan_is_wanted: bool,
}

impl Gate {
    pub(crate) fn new(
        store: Store,
        (lane, under, terms): (Lane, Option<Lane>, BreakerTerms),
        worker: &str,
        breaker: Arc<Breaker>,
        board: LaneBoard,
    ) -> Self {
        Self {
            store,
            lane,
            under,
            terms,
            breaker,
            board,
            owner: format!("{worker}/{:016x}", rand::random::<u64>()),
            next_look: Instant::now(),
            state: None,
            scans: None,
            scan_is_wanted: false,
        }
    }

    /// Whether rows may be taken.
    pub(crate) fn is_open(&self) -> bool {
        self.state == Some(LaneState::Open)
    }

    /// Whether a person has asked for a scan since this was asked last. Whoever has just begun scans
    /// anyhow.
    pub(crate) fn take_wanted_scan(&mut self) -> bool {
        std::mem::take(&mut self.scan_is_wanted)
    }

    /// Ready when it is time to look. Safe to cancel.
    pub(crate) async fn due(&self) {
        while !self.breaker.has_news() && Instant::now() < self.next_look {
            tokio::select! {
                () = tokio::time::sleep_until(self.next_look) => {}
                () = self.breaker.news() => {}
            }
        }
    }

    /// Tells the lane what the attempts have to say of it, and looks how it stands. A probe, if this
    /// worker has one for which no row is at work.
    ///
    /// # Errors
    /// [`StoreError`]: nothing that is to be told is forgotten, and it is still time to look.
    pub(crate) async fn look(&mut self) -> Result<Option<LaneProbe>, StoreError> {
        self.tell_trip().await?;
        self.tell_reports().await?;
        let mut standing = self.store.lane(&self.lane).await?;
        if let Some(probe) = LaneProbe::held_by(&self.owner, &standing)
            && self.breaker.is_probing()
        {
            // However long its row takes, no second one is tried beside it.
            let (lane, limit) = (&self.lane, self.terms.probe);
            self.store.keep_probe(lane, &probe, limit).await?;
        } else if standing.probe_is_due {
            let (lane, owner) = (&self.lane, &self.owner);
            let taken = self.store.take_probe(lane, owner, self.terms.probe).await?;
            if taken.is_some() {
                // Should the row of one that was lost meanwhile still be at work: it says nothing.
                self.breaker.set_probing(None);
            }
            standing = self.store.lane(lane).await?;
        }
        if let Some(under) = &self.under {
            let other = self.store.lane(under).await?;
            if other.state != LaneState::Open && other.paused_by.is_some() {
                let (lane, scans) = (self.lane.clone(), standing.scans);
                standing = LaneStanding {
                    lane,
                    scans,
                    ..other
                };
            }
        }
        let probe = LaneProbe::held_by(&self.owner, &standing);
        self.note(standing);
        self.next_look = Instant::now() + self.terms.look;
        Ok(probe.filter(|_| !self.breaker.is_probing()))
    }

    async fn tell_trip(&self) -> Result<(), StoreError> {
        let Some(trip) = self.breaker.trip() else {
            return Ok(());
        };
        let reason = trip.to_string();
        let paused = self.store.trip_lane(&self.lane, &reason, &self.terms);
        if paused.await? {
            self.count_trip(trip.fault.as_str());
        }
        // Unheard of until the state is read again: no row is taken in between.
        self.breaker.set_shut(true);
        self.breaker.tripped();
        Ok(())
    }

    async fn tell_reports(&self) -> Result<(), StoreError> {
        while let Some((probe, verdict)) = self.breaker.oldest_report() {
            let fault = match verdict {
                Verdict::Good => {
                    self.store.probe_succeeded(&self.lane, &probe).await?;
                    None
                }
                Verdict::Bad(fault) => Some(fault.as_str()),
                Verdict::TriedAgain => Some("transient"),
                // The next row will tell.
                Verdict::Neither => None,
            };
            if let Some(fault) = fault {
                let reason = format!("a probe ended badly: {fault}");
                let lane = &self.lane;
                let paused = self.store.probe_failed(lane, &probe, &reason, &self.terms);
                if paused.await? {
                    self.count_trip(fault);
                }
            }
            self.breaker.told_oldest_report();
        }
        Ok(())
    }

    fn count_trip(&self, reason: &'static str) {
        metrics::counter!("quayside_lane_trips_total",
            "lane" => self.lane.to_string(), "reason" => reason)
        .increment(1);
    }

    fn note(&mut self, standing: LaneStanding) {
        let scans = self.scans.replace(standing.scans);
        self.scan_is_wanted |= scans.is_some_and(|before| before < standing.scans);
        let before = self.state.replace(standing.state);
        self.breaker.set_shut(standing.state != LaneState::Open);
        if before != Some(standing.state) {
            for state in LaneState::ALL {
                let is_this = f64::from(u8::from(*state == standing.state));
                metrics::gauge!("quayside_lane_state",
                    "lane" => self.lane.to_string(), "state" => state.as_str())
                .set(is_this);
            }
            self.log(before, &standing);
        }
        self.board.note(standing);
    }

    fn log(&self, before: Option<LaneState>, now: &LaneStanding) {
        let lane = &self.lane;
        match now.state {
            LaneState::Open if before.is_none() => {}
            LaneState::Open => tracing::info!(%lane, "the lane is open again"),
            LaneState::Probing => tracing::info!(%lane, trips = now.trips, "the lane is probed"),
            LaneState::Paused => {
                // What a person said of it is for people: it stands on the row.
                let by_itself = now.paused_by.is_none();
                let reason = now.reason.as_deref().filter(|_| by_itself);
                tracing::warn!(%lane, by_itself, reason, trips = now.trips, "the lane is paused");
            }
        }
    }
}
