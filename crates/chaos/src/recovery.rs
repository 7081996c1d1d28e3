//! How long things took to be well again, and whether that was as soon as promised: told, never
//! asserted, for how fast a machine is that others use too proves nothing. What was not well again
//! within a minute, though nothing else was broken, is a violation.

mod counts;
mod figures;
mod kind;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::database::Database;
use crate::fleet::{Member, Role};
use crate::journal::Journal;
use crate::weather::Weather;
use counts::{Count, Counts, Passes};

pub use figures::{End, Figures, Sum, Times};
pub use kind::Kind;

/// After this nobody looks any longer.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Watches the house come back.
pub(crate) struct Recovery {
    pub(crate) database: Database,
    pub(crate) journal: Arc<Journal>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) book: Arc<Book>,
    pub(crate) times: Times,
    /// Falls when clients stop.
    pub(crate) calm: CancellationToken,
    counts: Counts,
}

/// By what it is seen that all is well.
enum Sign {
    /// `/readyz` says so.
    Ready(Arc<Member>),
    /// The count is zero: the sweepers, of whom it is known what they had done, have seen to it.
    None(String, Vec<Passes>),
    /// A worker counts more than before.
    RingClaimed {
        lane: Option<String>,
        before: Vec<Count>,
    },
    /// A client was told something, and a row ended after the database's moment.
    WorkGoesOn { since: Instant, moment: String },
}

impl Sign {
    /// Whether it shows only while clients submit.
    const fn needs_work(&self) -> bool {
        match self {
            Self::RingClaimed { .. } | Self::WorkGoesOn { .. } => true,
            Self::Ready(_) | Self::None(..) => false,
        }
    }
}

impl Recovery {
    pub(crate) fn new(
        database: Database,
        (journal, weather, book): (Arc<Journal>, Arc<Weather>, Arc<Book>),
        members: Vec<Arc<Member>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            database,
            journal,
            weather,
            book,
            times: Times::default(),
            calm: CancellationToken::new(),
            counts: Counts::new(members)?,
        })
    }

    /// A process has died: until its successor is ready, and until somebody else has the rows that
    /// it held.
    pub(crate) async fn of_death(&self, member: &Arc<Member>, pid: i32, since: Instant) {
        let ready = async {
            let ready = Sign::Ready(Arc::clone(member));
            self.measure(Kind::Ready, since, ready).await;
            if member.role == Role::Sweeper {
                self.weather.gust(&member.name);
            }
        };
        let taken = async {
            if member.role == Role::Worker {
                self.of_rows(member.binary(), pid, Kind::KilledRows, since)
                    .await;
            }
        };
        futures::join!(ready, taken);
    }

    /// Until none of the rows that this life held is held by it.
    pub(crate) async fn of_rows(&self, binary: &str, pid: i32, kind: Kind, since: Instant) {
        let passes = self.counts.passes().await;
        let held = format!(
            "SELECT COUNT(*) FROM compensate_biz
             WHERE status = 'PROCESSING' AND lease_owner LIKE '{binary}@%#{pid}/%'"
        );
        // none at all is no recovery
        if self
            .answer::<u64>(&held, kind, since)
            .await
            .is_some_and(|rows| rows > 0)
        {
            self.measure(kind, since, Sign::None(held, passes)).await;
        }
    }

    /// Until a ring is claimed again, anywhere or on one lane that was rung before.
    pub(crate) async fn of_rings(&self, kind: Kind, lane: Option<&str>, since: Instant) {
        let lane = lane.map(str::to_owned);
        let before = self.counts.claimed_by_ring(lane.as_deref()).await;
        let is_used = |before: &(i32, f64)| before.1 > 0.0;
        if lane.is_some() && !before.iter().flatten().any(is_used) {
            return; // hardly a ring comes there
        }
        self.measure(kind, since, Sign::RingClaimed { lane, before })
            .await;
    }

    /// Until a submit was accepted and an attempt ended.
    pub(crate) async fn of_work(&self, kind: Kind, since: Instant) {
        let clock = "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)";
        if let Some(moment) = self.answer::<String>(clock, kind, since).await {
            let sign = Sign::WorkGoesOn { since, moment };
            self.measure(kind, since, sign).await;
        }
    }

    /// What the database says, once it does.
    async fn answer<T>(&self, query: &str, kind: Kind, since: Instant) -> Option<T>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        loop {
            match self.database.one::<T>(query).await {
                Ok(answer) => return Some(answer),
                Err(_away) if since.elapsed() > PATIENCE => {
                    self.ends(kind, since, End::NotSeen, true);
                    return None;
                }
                Err(_away) => sleep(POLL).await,
            }
        }
    }

    async fn measure(&self, kind: Kind, since: Instant, sign: Sign) {
        let end = loop {
            if self.shows(&sign).await {
                break End::Seen(since.elapsed().as_secs_f64());
            }
            let is_over = sign.needs_work() && self.calm.is_cancelled();
            if since.elapsed() > PATIENCE {
                break End::NotSeen;
            }
            if is_over {
                let is_late = kind.bound().is_some_and(|bound| since.elapsed() > bound);
                break if is_late { End::NotSeen } else { End::CutShort };
            }
            sleep(POLL).await;
        };
        let (prolonged, told) = match &sign {
            // A sweeper that was kept from acting before acts again by the time that the lease ends.
            Sign::None(_, before) => {
                let now = self.counts.passes().await;
                let kept = counts::kept(before, &now);
                let prolonged = self.weather.kept_sweepers_since(since, kept);
                (prolonged, Some(counts::ended(before, &now)))
            }
            Sign::Ready(_) | Sign::RingClaimed { .. } | Sign::WorkGoesOn { .. } => {
                (self.weather.was_bad_since(since), None)
            }
        };
        if self.ends(kind, since, end, prolonged) {
            let mut meanwhile = self.weather.happened_since(since);
            meanwhile.extend(told);
            self.times.explain(format!(
                "{} {}; meanwhile: {}",
                kind.word(),
                end.words(),
                meanwhile.join(", ")
            ));
        }
    }

    /// Whether it was late, and no other fault explains it.
    fn ends(&self, kind: Kind, since: Instant, end: End, prolonged: bool) -> bool {
        let took = since.elapsed().as_secs_f64();
        self.journal.note(
            "recovered",
            json!({"from": kind.word(), "s": took, "end": format!("{end:?}"), "beside others": prolonged}),
        );
        if end == End::NotSeen && !prolonged && kind.is_sure_to_show() {
            let word = kind.word();
            self.journal.violation(format!(
                "{word}: not seen for {took:.0} s, though nothing else was broken"
            ));
        }
        self.times.add(kind, end, prolonged)
    }

    async fn shows(&self, sign: &Sign) -> bool {
        match sign {
            Sign::Ready(member) => self.is_ready(member).await,
            Sign::None(query, _) => self
                .database
                .one::<u64>(query)
                .await
                .is_ok_and(|rows| rows == 0),
            Sign::RingClaimed { lane, before } => {
                let now = self.counts.claimed_by_ring(lane.as_deref()).await;
                now.iter().zip(before).any(|(now, before)| {
                    // a process that began anew counts from zero
                    let ((pid, claimed), before) = match (now, before) {
                        (Some(now), Some((pid, before))) if now.0 == *pid => (*now, *before),
                        (Some(now), _) => (*now, 0.0),
                        (None, _) => return false,
                    };
                    pid > 0 && claimed > before
                })
            }
            Sign::WorkGoesOn { since, moment } => {
                let ended = format!(
                    "SELECT EXISTS (SELECT 1 FROM compensate_biz WHERE finished_at > '{moment}')"
                );
                self.book.accepted_since(*since)
                    && self
                        .database
                        .one::<u64>(&ended)
                        .await
                        .is_ok_and(|found| found == 1)
            }
        }
    }

    /// What `/readyz` says now.
    pub(crate) async fn is_ready(&self, member: &Member) -> bool {
        self.counts.is_ready(member).await
    }
}
