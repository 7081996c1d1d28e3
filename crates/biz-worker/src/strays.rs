//! Business work that no definition names: a plain SQL client may ask for anything.
//!
//! What nobody has taken for long enough becomes a dead letter. Rows are claimed as a scan does, and
//! only while the lane's oldest is late: nobody joins the lane's group, so whoever does know the kind of
//! work, a worker of a newer deployment say, finds all its rings, and its rows from the moment on when
//! it takes them. Shown by `tests/it/process.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Failure, FailureCode, Lane, LaneState};
use engine::Announcer;
use store::{ClaimTerms, Claimed, Ending, Settled, Store, StoreError, Story};
use tokio_util::sync::CancellationToken;

/// How often lanes are looked for that no definition names.
const PAUSE: Duration = Duration::from_secs(5);

/// The shortest pause, whatever the patience.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Rows that are claimed at once.
const AT_ONCE: usize = 20;

/// Rows that are given up before the lane is looked at again, about.
const BETWEEN_LOOKS: usize = 1_000;

/// Who gives them up.
pub(crate) struct Strays {
    pub(crate) store: Store,
    pub(crate) announcer: Announcer,
    /// As whom, and with which lease.
    pub(crate) terms: ClaimTerms,
    /// How late work must be before it is nobody's: another worker, of a newer deployment, may know it.
    pub(crate) patience: Duration,
    /// The lanes that definitions name.
    pub(crate) known: BTreeSet<Lane>,
}

impl Strays {
    /// Looks for them until stopped. Trouble with the database is met by everybody, and told of by
    /// others.
    pub(crate) async fn give_up(self, soft: CancellationToken) {
        let pause = PAUSE.min(self.patience.max(SHORTEST_PAUSE));
        let looking = async {
            loop {
                if let Err(error) = self.look().await {
                    tell_trouble(&error);
                }
                tokio::time::sleep(pause).await;
            }
        };
        soft.run_until_cancelled(looking).await;
    }

    async fn look(&self) -> Result<(), StoreError> {
        for name in self.store.lanes_of_rows().await? {
            let Ok(lane) = Lane::parse(name) else {
                continue;
            };
            let ours = lane.is_biz() && !lane.is_dead_letters();
            if ours && !self.known.contains(&lane) {
                // One lane's trouble is not the next one's.
                self.give_up_all(&lane)
                    .await
                    .unwrap_or_else(|error| tell_trouble(&error));
            }
        }
        Ok(())
    }

    /// What is due comes after what is late, and is nobody's either.
    async fn give_up_all(&self, lane: &Lane) -> Result<(), StoreError> {
        // On a lane that is paused work is late for another reason.
        let is_open = self.store.lane(lane).await?.state == LaneState::Open;
        if !is_open || !self.is_late(lane).await? {
            return Ok(());
        }
        let mut given_up = 0;
        while given_up < BETWEEN_LOOKS {
            let rows = self.store.claim_due(lane, AT_ONCE, &self.terms).await?;
            if rows.is_empty() {
                return Ok(());
            }
            given_up += rows.len();
            tracing::warn!(%lane, rows = rows.len(), "no definition names this lane: given up");
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
        Ok(())
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

    /// Whether work has been due for so long that nobody else can be at it. Counts every open row.
    async fn is_late(&self, lane: &Lane) -> Result<bool, StoreError> {
        let open = self.store.backlog(lane).await?;
        Ok(open.rows > 0 && open.oldest_seconds >= self.patience.as_secs())
    }
}

/// Trouble with the database, which every other statement meets, too.
fn tell_trouble(error: &StoreError) {
    tracing::debug!(%error, "it is not known which work is nobody's");
}
