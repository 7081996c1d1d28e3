//! Business work that no definition names: a plain SQL client may ask for anything.
//!
//! What nobody takes for long enough becomes a dead letter. That somebody else knows the kind of work, a
//! worker of a newer deployment say, shows by the rows alone: of each such queue the rows that have been
//! due for longest are remembered, and as soon as one of them has moved, or a row of the queue is held,
//! somebody is at it, however long its backlog is. How often a row is rung in vain says nothing. Nobody
//! joins the lane's group, so whoever does know the kind finds all its rings. Rows of a lane that can be
//! no topic are given up alike, and looked after here alone: no relay, no sweeper and no other worker
//! knows of them. Shown by `tests/it/strays.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::{Failure, FailureCode, Lane, LaneState, Rung};
use engine::Announcer;
use store::{ClaimTerms, Claimed, Ending, Settled, Store, StoreError, Story};
use tokio_util::sync::CancellationToken;

/// How often lanes are looked for that no definition names.
const PAUSE: Duration = Duration::from_secs(5);

/// The shortest pause, whatever the patience.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Rows of each lane that are remembered.
const REMEMBERED: usize = 100;

/// Rows that are claimed at once.
const AT_ONCE: usize = 20;

/// Rows of a lane that are given up before its queue is looked at again, about.
const BETWEEN_LOOKS: usize = 1_000;

/// Who gives them up.
pub(crate) struct Strays {
    pub(crate) store: Store,
    pub(crate) announcer: Announcer,
    /// As whom, and with which lease.
    pub(crate) terms: ClaimTerms,
    /// For how long none of the oldest rows must have moved: another worker, of a newer deployment, may
    /// know them.
    pub(crate) patience: Duration,
    /// The lanes that definitions name.
    pub(crate) known: BTreeSet<Lane>,
}

/// What was due on a queue, and since when none of it has moved.
struct Watch {
    since: Instant,
    rows: Vec<Rung>,
}

/// The lanes of the rows of one queue: a worker that has no turn left for one of them has it for another.
type Queues = BTreeMap<Lane, Vec<Lane>>;

impl Strays {
    /// Looks for them until stopped. Trouble with the database is met by everybody, and told of by
    /// others.
    pub(crate) async fn give_up(self, soft: CancellationToken) {
        let pause = PAUSE.min(self.patience.max(SHORTEST_PAUSE));
        let looking = async {
            let mut watched = BTreeMap::new();
            let mut looked = Instant::now();
            loop {
                let queues = self.queues().await;
                // While the database is away nothing moves, whoever serves the queue; and nobody knows
                // what moved while this process stood still.
                if queues.is_err() || looked.elapsed() > pause + PAUSE {
                    watched.clear();
                }
                match queues {
                    Ok(queues) => watched = self.look(queues, watched).await,
                    Err(error) => tell_trouble(&error),
                }
                looked = Instant::now();
                tokio::time::sleep(pause).await;
            }
        };
        soft.run_until_cancelled(looking).await;
    }

    /// The queues that no definition names.
    async fn queues(&self) -> Result<Queues, StoreError> {
        let mut queues = Queues::new();
        for name in self.store.lanes_of_rows().await? {
            if let Some(lane) = strange(&name, &self.known) {
                queues.entry(lane.usual()).or_default().push(lane);
            }
        }
        Ok(queues)
    }

    /// What is to be remembered until the next look. One queue's trouble is not the next one's.
    async fn look(
        &self,
        queues: Queues,
        mut watched: BTreeMap<Lane, Watch>,
    ) -> BTreeMap<Lane, Watch> {
        let mut watch = BTreeMap::new();
        for (queue, lanes) in queues {
            match self.look_at(&queue, &lanes, watched.remove(&queue)).await {
                Ok(Some(seen)) => drop(watch.insert(queue, seen)),
                Ok(None) => {}
                Err(error) => tell_trouble(&error),
            }
        }
        watch
    }

    /// Once it is clear that nobody serves the queue, what becomes due there is given up as it is found.
    async fn look_at(
        &self,
        queue: &Lane,
        lanes: &[Lane],
        watch: Option<Watch>,
    ) -> Result<Option<Watch>, StoreError> {
        for lane in lanes.iter().filter(|lane| !is_topic(lane)) {
            self.store.sweep(lane, AT_ONCE).await?;
        }
        let mut since = Instant::now();
        if let Some(watch) = watch
            && self.nobody_serves(queue, lanes, &watch.rows).await?
        {
            // What was rung in vain is due again in a while.
            if watch.since.elapsed() < self.patience || self.give_up_due(lanes).await? == 0 {
                return Ok(Some(watch));
            }
            since = watch.since;
        }
        let mut rows = Vec::new();
        for lane in lanes {
            rows.append(&mut self.store.longest_due(lane, REMEMBERED).await?);
        }
        Ok((!rows.is_empty()).then_some(Watch { since, rows }))
    }

    async fn nobody_serves(
        &self,
        queue: &Lane,
        lanes: &[Lane],
        rows: &[Rung],
    ) -> Result<bool, StoreError> {
        if !self.store.wait_as_before(rows).await? {
            return Ok(false);
        }
        for lane in std::iter::once(queue).chain(lanes) {
            // On a lane that is paused work is late for another reason.
            let is_open = self.store.lane(lane).await?.state == LaneState::Open;
            if !is_open || self.store.is_at_work(lane).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives up what is due, and answers how many rows that were, about.
    async fn give_up_due(&self, lanes: &[Lane]) -> Result<usize, StoreError> {
        let mut all = 0;
        for lane in lanes {
            let mut given_up = 0;
            while given_up < BETWEEN_LOOKS {
                let rows = self.store.claim_due(lane, AT_ONCE, &self.terms).await?;
                if rows.is_empty() {
                    break;
                }
                given_up += rows.len();
                tracing::warn!(%lane, rows = rows.len(), "no definition names this lane: given up");
                self.give_up_held(rows).await;
            }
            all += given_up;
        }
        Ok(all)
    }

    async fn give_up_held(&self, rows: Vec<Claimed>) {
        for row in rows {
            let id = row.lease.id.0;
            if let Err(error) = self.give_up_one(row).await {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(
                    compensate_biz.id = id,
                    error,
                    "a row cannot be given up; it is tried again when its lease has ended"
                );
            }
        }
    }

    async fn give_up_one(&self, row: Claimed) -> Result<(), StoreError> {
        let told = format!("this worker has no handler for {}", row.biz_type);
        let failure = Failure::permanent(FailureCode::Internal, told);
        let ending = Ending::Failed(failure, Duration::ZERO);
        let settled = self
            .store
            .settle_held(&row.lease, ending, Story::default())
            .await?;
        if let Settled::Now(_, born) = settled {
            self.announcer.announce_all(born);
        }
        Ok(())
    }
}

/// The lane of that name, if no definition names it and its rows are for nobody else to give up.
fn strange(name: &str, known: &BTreeSet<Lane>) -> Option<Lane> {
    // Names are the same to the database whatever spaces they end with.
    let lane = Lane::stored(name.trim_end_matches(' ').to_owned());
    let ours = lane.is_biz() && !lane.is_dead_letters() && !known.contains(&lane);
    (ours || !is_topic(&lane)).then_some(lane)
}

fn is_topic(lane: &Lane) -> bool {
    Lane::parse(lane.as_str()).is_ok()
}

/// Trouble with the database, which every other statement meets, too.
fn tell_trouble(error: &StoreError) {
    tracing::debug!(%error, "it is not known which work is nobody's");
}
