//! How long things took to be well again, and whether that was as soon as promised: told, never
//! asserted, for how fast a machine is that others use too proves nothing.

mod kind;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::database::Database;
use crate::fleet::{Member, Role};
use crate::journal::Journal;
use crate::weather::Weather;

pub(crate) use kind::Kind;

/// After this nobody looks any longer; whether all is well in the end is the checker's to say.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// What took how long, and whether another fault came in between.
type Times = BTreeMap<Kind, Vec<(Duration, bool)>>;

/// Watches the house come back.
pub(crate) struct Recovery {
    pub(crate) database: Database,
    pub(crate) journal: Arc<Journal>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) book: Arc<Book>,
    pub(crate) members: Vec<Arc<Member>>,
    /// Falls when clients stop.
    pub(crate) calm: CancellationToken,
    http: Client,
    times: Mutex<Times>,
}

/// By what it is seen that all is well.
enum Sign {
    /// `/readyz` says so.
    Ready(Arc<Member>),
    /// The count is zero.
    None(String),
    /// A worker counts more than before.
    RingClaimed {
        lane: Option<String>,
        before: Vec<Option<(i32, f64)>>,
    },
    /// A client was told something, and a row ended after the database's moment.
    WorkGoesOn { since: Instant, moment: String },
}

impl Sign {
    /// Whether it shows only while clients submit.
    const fn needs_work(&self) -> bool {
        match self {
            Self::RingClaimed { .. } | Self::WorkGoesOn { .. } => true,
            Self::Ready(_) | Self::None(_) => false,
        }
    }
}

/// The figures of one kind, in seconds: without another fault in between, and all.
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    pub(crate) clear: usize,
    /// Of these, those that took longer than they may.
    pub(crate) late: usize,
    pub(crate) median: f64,
    pub(crate) most: f64,
    pub(crate) all: usize,
    pub(crate) most_of_all: f64,
}

impl Recovery {
    pub(crate) fn new(
        database: Database,
        (journal, weather, book): (Arc<Journal>, Arc<Weather>, Arc<Book>),
        members: Vec<Arc<Member>>,
    ) -> anyhow::Result<Self> {
        let http = Client::builder()
            .timeout(Duration::from_secs(3))
            .no_proxy()
            .build()?;
        Ok(Self {
            database,
            journal,
            weather,
            book,
            members,
            calm: CancellationToken::new(),
            http,
            times: Mutex::default(),
        })
    }

    /// A process has died: until its successor is ready, and until somebody else has the rows that
    /// it held.
    pub(crate) async fn of_death(&self, member: &Arc<Member>, pid: i32, since: Instant) {
        let ready = Sign::Ready(Arc::clone(member));
        let ready = self.measure(Kind::Ready, since, ready);
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
        let held = format!(
            "SELECT COUNT(*) FROM compensate_biz
             WHERE status = 'PROCESSING' AND lease_owner LIKE '{binary}@%#{pid}/%'"
        );
        // none at all is no recovery
        let some = loop {
            match self.database.one::<u64>(&held).await {
                Ok(rows) => break rows > 0,
                Err(_away) if since.elapsed() > PATIENCE => return,
                Err(_away) => sleep(POLL).await,
            }
        };
        if some {
            self.measure(kind, since, Sign::None(held)).await;
        }
    }

    /// Until a ring is claimed again, anywhere or on one lane that was rung before.
    pub(crate) async fn of_rings(&self, kind: Kind, lane: Option<&str>, since: Instant) {
        let lane = lane.map(str::to_owned);
        let before = self.claimed_by_ring(lane.as_deref()).await;
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
        let Ok(moment) = self.database.one::<String>(clock).await else {
            return;
        };
        let sign = Sign::WorkGoesOn { since, moment };
        self.measure(kind, since, sign).await;
    }

    async fn measure(&self, kind: Kind, since: Instant, sign: Sign) {
        while !self.shows(&sign).await {
            if sign.needs_work() && self.calm.is_cancelled() {
                return;
            }
            if since.elapsed() > PATIENCE {
                self.journal.note("not seen to recover", json!(kind.word()));
                return;
            }
            sleep(POLL).await;
        }
        let took = since.elapsed();
        let bad = match sign {
            // A sweeper that was kept from acting before acts again by the time that the lease ends.
            Sign::None(_) => self.weather.kept_sweepers_since(since),
            Sign::Ready(_) | Sign::RingClaimed { .. } | Sign::WorkGoesOn { .. } => {
                self.weather.was_bad_since(since)
            }
        };
        self.journal.note(
            "recovered",
            json!({"from": kind.word(), "s": took.as_secs_f64(), "beside others": bad}),
        );
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.entry(kind).or_default().push((took, bad));
    }

    async fn shows(&self, sign: &Sign) -> bool {
        match sign {
            Sign::Ready(member) => self.is_ready(member).await,
            Sign::None(query) => self
                .database
                .one::<u64>(query)
                .await
                .is_ok_and(|rows| rows == 0),
            Sign::RingClaimed { lane, before } => {
                let now = self.claimed_by_ring(lane.as_deref()).await;
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
        let asked = self
            .http
            .get(format!("{}/readyz", member.admin()))
            .send()
            .await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// Of each process: its id, and what it counts.
    async fn claimed_by_ring(&self, lane: Option<&str>) -> Vec<Option<(i32, f64)>> {
        let all = self.members.iter().map(|member| async move {
            let pid = member.pid()?;
            let url = format!("{}/metrics", member.admin());
            let text = self.http.get(url).send().await.ok()?.text().await.ok()?;
            let counted = text
                .lines()
                .filter(|line| line.starts_with("quayside_claimed_by_ring_total"))
                .filter(|line| lane.is_none_or(|lane| line.contains(&format!("\"{lane}\""))))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum();
            Some((pid, counted))
        });
        futures::future::join_all(all).await
    }

    /// All figures, by kind.
    pub(crate) fn figures(&self) -> Vec<Figures> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = |(kind, times): (&Kind, &Vec<(Duration, bool)>)| {
            let seconds = |clear_only: bool| {
                let mut some: Vec<f64> = times
                    .iter()
                    .filter(|(_, bad)| !clear_only || !bad)
                    .map(|(took, _)| took.as_secs_f64())
                    .collect();
                some.sort_by(f64::total_cmp);
                some
            };
            let (clear, all) = (seconds(true), seconds(false));
            let is_late = |took: &&f64| {
                let bound = kind.bound().map(|bound| bound.as_secs_f64());
                bound.is_some_and(|bound| **took > bound)
            };
            Figures {
                kind: *kind,
                clear: clear.len(),
                late: clear.iter().filter(is_late).count(),
                median: clear.get(clear.len() / 2).copied().unwrap_or(f64::NAN),
                most: clear.last().copied().unwrap_or(f64::NAN),
                all: all.len(),
                most_of_all: all.last().copied().unwrap_or(f64::NAN),
            }
        };
        times.iter().map(figures).collect()
    }
}
