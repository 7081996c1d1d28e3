//! Looking after rows whose worker has vanished: one loop, no leader, several may run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::{BizStatus, Lane};
use metrics::Unit;
use rand::RngExt;
use store::{Rescued, Store, StoreError, SweepPlace};
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::lanes::lanes_of_rows;

/// Rows rescued in one transaction.
const SWEEP_BATCH: usize = 100;

/// Steps (`Store::sweep_from`) of one walk over a lane in one pass: the next pass goes on behind them.
const STEPS_PER_PASS: usize = 30;

/// An answer that takes longer speaks of a pause in which heartbeats were late, too; a third of a
/// shorter lease does so before.
const SLOW: Duration = Duration::from_secs(3);

/// Pause between looks whether the database is there again.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Rows that the log line of a pass names; where more were rescued, their attempts tell.
const ROWS_NAMED: usize = 20;

/// Where the next pass goes on.
#[derive(Default)]
struct Places {
    /// Of lanes with more due rows than one pass looks at.
    of: BTreeMap<Lane, Walks>,
    /// The lane at which the database failed: it comes last now.
    failed: Option<Lane>,
}

/// How far the walks over a lane with a long backlog have come. What has just ended is at the end of
/// the due rows, however many wait before it.
#[derive(Clone)]
struct Walks {
    /// From the oldest row to the end, and again.
    all: SweepPlace,
    /// Along what has become due since.
    fresh: SweepPlace,
}

/// Rescues rows whose lease has ended (`Store::sweep`), on every lane that any row names: also on
/// those of retired queues, whose rows nobody else would miss.
///
/// Does nothing on a lane in the first lease period after its start or after the database was away:
/// workers that could not send heartbeats meanwhile get the time to (cases.md C 4). Each lane has a lease
/// of its own, so a long one keeps no other waiting. Shown by `tests/it/sweeper.rs`.
pub struct Sweeper {
    /// The truth.
    pub store: Store,
    /// How long workers hold rows without a heartbeat.
    pub leases: Leases,
    /// Pause between passes, plus up to half.
    pub interval: Duration,
}

/// How long workers hold rows of each lane without a heartbeat.
pub struct Leases {
    /// Of the lanes that definitions name.
    pub defined: BTreeMap<Lane, Duration>,
    /// Of the house's own lanes: exports, imports, dead letters.
    pub common: Duration,
}

impl Leases {
    /// Of business work that no definition names any more it is not known: the longest.
    fn of(&self, lane: &Lane) -> Duration {
        match self.defined.get(lane) {
            Some(lease) => *lease,
            None if lane.is_biz() && !lane.is_dead_letters() => self.longest(),
            None => self.common,
        }
    }

    fn longest(&self) -> Duration {
        self.all().fold(self.common, Duration::max)
    }

    /// When the next lease will have passed, after so long; none when all have.
    fn next_after(&self, calm: Duration) -> Option<Duration> {
        let ahead = self.all().filter_map(|lease| lease.checked_sub(calm));
        ahead.filter(|left| !left.is_zero()).min()
    }

    fn all(&self) -> impl Iterator<Item = Duration> {
        self.defined.values().copied().chain([self.common])
    }
}

impl From<Duration> for Leases {
    /// The same for every lane.
    fn from(common: Duration) -> Self {
        let defined = BTreeMap::new();
        Self { defined, common }
    }
}

impl Sweeper {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        describe();
        // since when the database is there, as far as workers can have noticed
        let mut there = Instant::now();
        let mut pause = None;
        let mut places = Places::default();
        loop {
            // as soon as one more lane may be looked at, and not before the first may
            let next = self.leases.next_after(there.elapsed());
            let wait = pause.into_iter().chain(next).min().unwrap_or_default();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            pause = if self.pass(there, &mut places).await {
                let jitter = 1.0 + 0.5 * rand::rng().random::<f64>();
                Some(self.interval.mul_f64(jitter))
            } else {
                // Counted from the moment when the database is there again, not from when it left.
                let back = until_answered(&self.store, self.bound());
                if stop.run_until_cancelled(back).await.is_none() {
                    return;
                }
                there = Instant::now();
                None
            };
        }
    }

    /// One pass over all lanes whose lease has passed since the database is there; whether it answered,
    /// and at once: after a pause of its own the workers' heartbeats must come first.
    async fn pass(&self, there: Instant, places: &mut Places) -> bool {
        let asked = Instant::now();
        let mut lanes = match lanes_of_rows(&self.store).await {
            Ok(lanes) if asked.elapsed() < self.bound() => lanes,
            Ok(_) => return waits("it is slow"),
            Err(error) => return waits(&Chain(&error).to_string()),
        };
        lanes.retain(|lane| there.elapsed() >= self.leases.of(lane));
        let failed = places.failed.take();
        if let Some(next) = lanes.iter().position(|lane| Some(lane) > failed.as_ref()) {
            lanes.rotate_left(next);
        }
        let mut rescued = Vec::new();
        for lane in lanes {
            let asked = Instant::now();
            if self.sweep(&lane, places, &mut rescued).await {
                continue;
            }
            // one statement that was cut is no outage: no worker has missed a heartbeat by it
            let patience = self.bound().saturating_sub(asked.elapsed());
            let answer = tokio::time::timeout(patience, self.store.ping()).await;
            if !matches!(answer, Ok(Ok(()))) {
                places.failed = Some(lane);
                break;
            }
        }
        let answered = places.failed.is_none();
        tell(&rescued);
        let outcome = if answered { "done" } else { "cut_short" };
        metrics::counter!("quayside_sweep_passes_total", "outcome" => outcome).increment(1);
        metrics::histogram!("quayside_sweep_pass_duration_seconds").record(asked.elapsed());
        answered
    }

    /// How soon the database must answer.
    fn bound(&self) -> Duration {
        SLOW.min(self.leases.longest() / 3)
    }

    /// Rescues what is to be rescued on a lane; whether the database answered. It walks on past what
    /// waits and what cannot be rescued: in this pass, and where that does not get to the end, in the
    /// next.
    async fn sweep(&self, lane: &Lane, places: &mut Places, rescued: &mut Vec<Rescued>) -> bool {
        let before = places.of.remove(lane);
        let walked = self.walk_both(lane, before.clone(), rescued).await;
        let (walks, answered) = match walked {
            Ok(walks) => (walks, true),
            Err(error) => {
                tracing::warn!(lane = %lane, error = %Chain(&error), "the sweep cannot look");
                (before, !error.is_transient())
            }
        };
        places.of.extend(walks.map(|walks| (lane.clone(), walks)));
        answered
    }

    /// None when the walk from the oldest row on has come to the end.
    async fn walk_both(
        &self,
        lane: &Lane,
        before: Option<Walks>,
        rescued: &mut Vec<Rescued>,
    ) -> Result<Option<Walks>, StoreError> {
        let (from, fresh) = before.map(|walks| (walks.all, walks.fresh)).unzip();
        let (all, _) = self.walk(lane, from, rescued).await?;
        let Some(all) = all else {
            return Ok(None);
        };
        // what ended since a pass looked at everything, with time to spare
        let since = || SweepPlace::since(2 * (self.leases.of(lane) + self.interval));
        let fresh = fresh.unwrap_or_else(since);
        let (_, seen) = self.walk(lane, Some(fresh.clone()), rescued).await?;
        let fresh = seen.unwrap_or(fresh);
        Ok(Some(Walks { all, fresh }))
    }

    /// Where it goes on, none at the end; and how far it looked, none when there was nothing.
    async fn walk(
        &self,
        lane: &Lane,
        mut from: Option<SweepPlace>,
        rescued: &mut Vec<Rescued>,
    ) -> Result<(Option<SweepPlace>, Option<SweepPlace>), StoreError> {
        let counter = metrics::counter!("quayside_rescued_total", "lane" => lane.to_string());
        let mut seen = None;
        for _ in 0..STEPS_PER_PASS {
            let mut swept = self.store.sweep_from(lane, from, SWEEP_BATCH).await?;
            counter.increment(swept.rescued.len() as u64);
            rescued.append(&mut swept.rescued);
            seen = swept.seen.or(seen);
            from = swept.next;
            if from.is_none() {
                break;
            }
        }
        Ok((from, seen))
    }
}

/// Asks the database, every second, until it answers within `bound`.
pub async fn until_answered(store: &Store, bound: Duration) {
    loop {
        let asked = Instant::now();
        if store.ping().await.is_ok() && asked.elapsed() < bound {
            return;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn waits(error: &str) -> bool {
    tracing::warn!(
        error,
        "the database is away or slow; the sweep waits, on each lane for its lease"
    );
    metrics::counter!("quayside_sweep_passes_total", "outcome" => "waited").increment(1);
    false
}

/// One line for what a pass did, if it did anything. Who held a row stands in its attempts.
fn tell(rescued: &[Rescued]) {
    if rescued.is_empty() {
        return;
    }
    let given_up = rescued
        .iter()
        .filter(|row| row.change.to == BizStatus::Failed);
    let named = rescued.iter().take(ROWS_NAMED).map(|row| row.id.0);
    tracing::warn!(
        rescued = rescued.len(),
        given_up = given_up.count(),
        rows = ?named.collect::<Vec<_>>(),
        "rescued rows whose lease had ended"
    );
}

fn describe() {
    metrics::describe_counter!(
        "quayside_rescued_total",
        Unit::Count,
        "Rows whose lease ended without a word from their worker. To be alerted on: a worker was \
         killed, hung, or cut off from the database."
    );
    metrics::describe_counter!(
        "quayside_sweep_passes_total",
        Unit::Count,
        "Passes over all lanes, by outcome: done, but for lanes whose lease has not passed since the \
         database is there; cut_short, by the database; waited, because it was away or slow."
    );
    metrics::describe_histogram!(
        "quayside_sweep_pass_duration_seconds",
        Unit::Seconds,
        "How long a pass over all lanes took."
    );
    metrics::describe_gauge!(
        "quayside_lanes_without_topic",
        Unit::Count,
        "Names in compensate_biz.lane that no topic can have: nobody can work on their rows. Only a \
         plain SQL insert can write one."
    );
}
