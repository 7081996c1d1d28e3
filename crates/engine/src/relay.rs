//! The relay: finds rows that became due (retry, delay, redrive, hand-back, plain SQL inserts) and
//! rings them. Safe to run in several processes. Shown by `tests/it/kafka_away.rs` and
//! `tests/it/relay.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{HandlerDef, HandlerKind, Lane, Levels};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rand::RngExt;
use store::{Announced, StoreError, Walk};
use tokio_util::sync::CancellationToken;

use crate::announce::Announcer;
use crate::chain::Chain;
use crate::lanes::lanes_of_rows;

/// Rows that the relay takes from one lane in one pass.
const RELAY_BATCH: usize = 500;

/// Pause between passes of the relay that found nothing, in milliseconds, plus up to half.
const RELAY_PAUSE_MILLIS: u64 = 500;

/// Rows of business work in one ring, at most (facts.md: best size).
const BIZ_RING_SIZE: usize = 250;

/// A worker has what it may have at once from so many rings or more.
const PARTS: u32 = 4;

/// How often [`RelayAll`] looks for lanes that are new.
const NEW_LANES_SECONDS: u64 = 5;

/// What a pass under way is given to ring what it has marked, once the relay is told to stop. What it
/// does not get done by then is found by the scan.
const LAST_PASS: Duration = Duration::from_secs(2);

/// Finds rows that became due and rings them: one loop, safe to run in several processes.
pub struct Relay {
    /// Where the rows are and how they are rung.
    pub announcer: Announcer,
    /// The lanes that it looks after, each with its rows per ring and scan interval.
    pub lanes: Vec<RelayLane>,
}

/// One lane of the relay.
#[derive(Debug, Clone)]
pub struct RelayLane {
    /// The topic.
    pub lane: Lane,
    /// Rows in one ring.
    pub ring_size: usize,
    /// When the scan looks at an announced row.
    pub scan_interval: Duration,
    /// Of a queue of business work: the lanes beside it, and the due rows of one tenant beyond which
    /// they go to the rest.
    pub levels: Option<(Levels, usize)>,
}

impl RelayLane {
    /// The lanes of a definition: no more rows in one ring than are worked on together. What is done
    /// one by one is claimed together all the same, but by a worker only a part of what it may have at
    /// once: another may be free.
    pub fn of(handler: &HandlerDef) -> impl Iterator<Item = Self> {
        let together = match handler.kind {
            HandlerKind::Rows(_) | HandlerKind::OperationLog => handler.batch_size,
            HandlerKind::Http(_) | HandlerKind::Code(_) | HandlerKind::Notify(_) => {
                handler.batch_size.max(handler.concurrency / PARTS)
            }
        };
        let together = usize::try_from(together).unwrap_or(BIZ_RING_SIZE);
        handler.lanes().map(move |lane| Self {
            lane: lane.clone(),
            ring_size: together.clamp(1, BIZ_RING_SIZE),
            scan_interval: handler.scan_interval,
            levels: handler.levels_of(lane).map(|levels| {
                let share = usize::try_from(handler.share).unwrap_or(usize::MAX);
                (levels.clone(), share)
            }),
        })
    }
}

impl Relay {
    /// Runs until stopped, each lane by itself: a lane whose topic is missing holds up no other.
    /// Errors are logged and tried again later. While a lane's rings fail, none of its rows is marked
    /// before Kafka answers, so that the scan sees them all; then one row is the probe; and passes
    /// become rarer, so that an outage does not become a storm.
    pub async fn run(self, stop: CancellationToken) {
        let lanes = self.lanes.into_iter();
        let lanes = lanes.map(|lane| look_after(&self.announcer, lane, &stop));
        futures::future::join_all(lanes).await;
    }
}

/// As [`Relay`], for every lane that any row names, from the moment when the first one does: lanes of
/// retired queues and of kinds of work that this process knows nothing of are served, too.
pub struct RelayAll {
    /// Where the rows are and how they are rung.
    pub announcer: Announcer,
    /// Lanes that are rung as their definitions say.
    pub defined: Vec<RelayLane>,
    /// When the scan looks at an announced row of any other lane.
    pub scan_interval: Duration,
}

impl RelayAll {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut known = BTreeSet::new();
        let mut looking = FuturesUnordered::new();
        while !stop.is_cancelled() {
            let looked = lanes_of_rows(&self.announcer.store);
            let Some(looked) = stop.run_until_cancelled(looked).await else {
                break;
            };
            match looked {
                Ok(lanes) => {
                    for lane in lanes {
                        if known.insert(lane.clone()) {
                            looking.push(look_after(&self.announcer, self.of(lane), &stop));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "the relay cannot look for lanes");
                }
            }
            let pause = tokio::time::sleep(Duration::from_secs(NEW_LANES_SECONDS));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = &mut pause => break,
                    // they end only when stopped
                    Some(()) = looking.next() => {}
                }
            }
        }
        while looking.next().await.is_some() {}
    }

    /// Exports, imports and dead letters are rung row by row.
    fn of(&self, lane: Lane) -> RelayLane {
        let mut defined = self.defined.iter();
        if let Some(defined) = defined.find(|defined| defined.lane == lane) {
            return defined.clone();
        }
        let together = lane.is_biz() && !lane.is_dead_letters();
        RelayLane {
            lane,
            ring_size: if together { BIZ_RING_SIZE } else { 1 },
            scan_interval: self.scan_interval,
            levels: None,
        }
    }
}

async fn look_after(announcer: &Announcer, lane: RelayLane, stop: &CancellationToken) {
    let (mut failures, mut walk) = (0_u32, Walk::default());
    while !stop.is_cancelled() {
        let passed = pass_or_probe(announcer, &lane, failures, &mut walk);
        let Some(passed) = unless_stopped(stop, passed).await else {
            return;
        };
        failures = match passed {
            Pass::Rung(_) => 0,
            Pass::Failed => failures.saturating_add(1),
        };
        if let Pass::Rung(0) | Pass::Failed = passed {
            let wait = Duration::from_millis(RELAY_PAUSE_MILLIS << failures.min(5));
            let wait = wait.mul_f64(1.0 + 0.5 * rand::rng().random::<f64>());
            stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }
}

/// None when it was not done within [`LAST_PASS`] of the stop.
async fn unless_stopped(
    stop: &CancellationToken,
    passed: impl Future<Output = Pass>,
) -> Option<Pass> {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_PASS).await;
    };
    tokio::select! {
        passed = passed => Some(passed),
        () = too_late => None,
    }
}

/// After a failure one row is rung, and none before Kafka answers.
async fn pass_or_probe(
    announcer: &Announcer,
    lane: &RelayLane,
    failures: u32,
    walk: &mut Walk,
) -> Pass {
    if failures == 0 {
        pass(announcer, lane, RELAY_BATCH, walk).await
    } else if announcer.kafka_answers().await {
        pass(announcer, lane, 1, walk).await
    } else {
        Pass::Failed
    }
}

async fn pass(announcer: &Announcer, lane: &RelayLane, limit: usize, walk: &mut Walk) -> Pass {
    let due = match announce(announcer, lane, limit, walk).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(lane = %lane.lane, error = %Chain(&error), "the relay cannot look");
            return Pass::Failed;
        }
    };
    let rings = due.iter().flat_map(|(lane_of, rows)| {
        let rings = rows.chunks(lane.ring_size.max(1));
        rings.map(move |rows| announcer.ring(lane_of, rows))
    });
    let delivered = futures::future::join_all(rings).await;
    let rung = due.values().map(Vec::len).sum();
    metrics::counter!("quayside_relayed_rows_total", "lane" => lane.lane.to_string())
        .increment(rung as u64);
    if delivered.contains(&false) {
        Pass::Failed
    } else {
        Pass::Rung(rung)
    }
}

/// Due rows, marked, with the lanes that they are to be rung on.
async fn announce(
    announcer: &Announcer,
    lane: &RelayLane,
    limit: usize,
    walk: &mut Walk,
) -> Result<BTreeMap<Lane, Vec<Announced>>, StoreError> {
    let (store, interval) = (&announcer.store, lane.scan_interval);
    let Some((levels, share)) = &lane.levels else {
        let due = store.announce_due(&lane.lane, limit, interval).await?;
        return Ok(BTreeMap::from([(lane.lane.clone(), due)]));
    };
    let due = store.announce_due_by_level(levels, *share, limit, interval, walk);
    let mut of_lane: BTreeMap<Lane, Vec<Announced>> = BTreeMap::new();
    for (lane, row) in due.await? {
        of_lane.entry(lane).or_default().push(row);
    }
    Ok(of_lane)
}

enum Pass {
    Rung(usize),
    Failed,
}
