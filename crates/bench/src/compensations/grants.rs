//! Coupon grants: submitted over HTTP, counted by the worker, looked up in the database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{DRAIN_PATIENCE, WORKER};
use crate::bench::Bench;
use crate::database::{Database, TENANT};
use crate::gateway::Gateway;

/// The example's kind of work (deploy/handlers/coupon_grant.toml) and the table that it fills.
const BIZ_TYPE: &str = "coupon_grant";
/// The same without any batching (crates/bench/handlers).
const ALONE: &str = "coupon_grant_alone";
const TABLE: &str = "coupon_grant";
const BATCH: &str = "bench";
/// In trouble, one grant of so many can never be done.
const POISON_EVERY: u64 = 1_000;
/// Requests whose grants are looked up for their latency: enough for a p99, few for the database.
const LOOKED_UP: usize = 400;
/// A grant that is done this soon was brought by a ring.
const PROMPT: Duration = Duration::from_millis(500);

/// One request that was accepted.
pub(crate) struct Sent {
    due: Instant,
    /// Ids of its first and last grant.
    first: u64,
    last: u64,
}

/// Where grants go.
#[derive(Clone)]
pub(crate) struct Grants {
    gateway: Gateway,
    database: Database,
    http: reqwest::Client,
    /// `/metrics` of the worker.
    metrics: String,
    clock: Clock,
    accepted: Arc<AtomicU64>,
    /// Of these, grants that can never be done.
    poisoned: Arc<AtomicU64>,
    number: Arc<AtomicU64>,
    counted: Arc<Mutex<Counted>>,
    in_trouble: bool,
    biz_type: &'static str,
}

#[derive(Deserialize)]
struct Accepted {
    accepted: u64,
    duplicates: u64,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
}

impl Grants {
    pub(crate) async fn new(bench: &Bench) -> Result<Self> {
        let port = bench.servers.port(&format!("{WORKER}-admin"))?;
        Ok(Self {
            gateway: bench.gateway.clone(),
            database: bench.database.clone(),
            http: reqwest::Client::builder().no_proxy().build()?,
            metrics: format!("http://127.0.0.1:{port}/metrics"),
            clock: Clock::read(&bench.database).await?,
            accepted: Arc::default(),
            poisoned: Arc::default(),
            number: Arc::default(),
            counted: Arc::default(),
            in_trouble: false,
            biz_type: BIZ_TYPE,
        })
    }

    /// Goes on where these are, with one grant in [`POISON_EVERY`] that names no member, by a worker
    /// that may be away.
    pub(crate) fn in_trouble(&self) -> Self {
        Self {
            in_trouble: true,
            ..self.clone()
        }
    }

    /// Goes on where these are, with nothing batched: each request has a key, so that the gateway gives
    /// it a transaction and a ring of its own, and the worker a transaction to each row.
    pub(crate) fn alone(&self) -> Self {
        Self {
            biz_type: ALONE,
            ..self.clone()
        }
    }

    /// Grants so far that can never be done.
    pub(crate) fn poisoned(&self) -> u64 {
        self.poisoned.load(Ordering::Relaxed)
    }

    /// Single grants until one is done promptly: a worker that has just started finds work by its
    /// scan alone until it has joined its group.
    pub(crate) async fn warm_up(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let sent = Instant::now();
            self.submit(1, Instant::now()).await?;
            while self.backlog().await? > 0 {
                sleep(Duration::from_millis(5)).await;
                ensure!(
                    began.elapsed() < DRAIN_PATIENCE,
                    "the worker does no grants"
                );
            }
            if sent.elapsed() < PROMPT {
                return Ok(());
            }
        }
    }

    /// Submits `items` grants that must be accepted, all of them new.
    pub(crate) async fn submit(&self, items: usize, due: Instant) -> Result<Sent> {
        let first = self.number.fetch_add(items as u64, Ordering::Relaxed);
        let numbers = first..first + items as u64;
        let is_poison = |number: &u64| self.in_trouble && number.is_multiple_of(POISON_EVERY);
        let poisoned = numbers.clone().filter(is_poison).count() as u64;
        self.poisoned.fetch_add(poisoned, Ordering::Relaxed);
        let items_of = numbers.map(|number| item(self.biz_type, number, is_poison(&number)));
        let body = json!({ "items": items_of.collect::<Vec<_>>() });
        let key = (self.biz_type == ALONE).then(|| format!("bench-{first}"));
        // Counted before the answer: the backlog is never taken for less than it is.
        self.accepted.fetch_add(items as u64, Ordering::Relaxed);
        let (status, answer) = self
            .gateway
            .try_post_once("compensations", &body, key)
            .await?;
        ensure!(
            status == reqwest::StatusCode::ACCEPTED,
            "refused with {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        let answer: Accepted = serde_json::from_slice(&answer)?;
        ensure!(
            answer.accepted == items as u64 && answer.duplicates == 0,
            "of {items} new grants {} were accepted",
            answer.accepted
        );
        let id = |item: Option<&Item>| item.and_then(|item| item.id.parse().ok());
        Ok(Sent {
            due,
            first: id(answer.items.first()).context("an answer without ids")?,
            last: id(answer.items.last()).context("an answer without ids")?,
        })
    }

    /// Grants that were submitted and are not done, as the workers count: those that one has done since
    /// it was last asked end with it, and stay in the backlog. Of [`Grants::open_rows`] this is too much
    /// by a little and never too little, and costs the database nothing.
    pub(crate) async fn backlog(&self) -> Result<u64> {
        let accepted = self.accepted.load(Ordering::Relaxed);
        Ok(accepted.saturating_sub(self.done().await?))
    }

    /// Grants that are not done, as the rows say: each of them is counted.
    pub(crate) async fn open_rows(&self) -> Result<u64> {
        let mut conn = self.database.connect().await?;
        let open: Option<u64> = conn
            .exec_first(
                "SELECT COUNT(*) FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane IN (?, ?, ?) AND wake_at IS NOT NULL",
                Vec::from(
                    ["", ".high", ".rest"].map(|end| format!("quayside.biz.{BIZ_TYPE}{end}")),
                ),
            )
            .await?;
        conn.disconnect().await?;
        open.context("no count")
    }

    /// Grants that the workers have done, as far as they were asked.
    pub(crate) async fn done(&self) -> Result<u64> {
        let now = match self.done_by_this_one().await {
            Err(_) if self.in_trouble => None,
            done => Some(done?),
        };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(counted.with(now))
    }

    async fn done_by_this_one(&self) -> Result<u64> {
        let answer = self.http.get(&self.metrics).send().await?;
        let text = answer.error_for_status()?.text().await?;
        let wanted = |line: &&str| {
            line.starts_with("quayside_attempts_total{")
                && [BIZ_TYPE, ALONE]
                    .iter()
                    .any(|it| line.contains(&format!("biz_type=\"{it}\"")))
                && line.contains("outcome=\"success\"")
        };
        let mut done = 0;
        for line in text.lines().filter(wanted) {
            let value = line.rsplit(' ').next().unwrap_or_default();
            done += value.parse::<u64>().with_context(|| line.to_owned())?;
        }
        Ok(done)
    }

    /// From when a grant's submit was due until its row was finished by the database's clock (a
    /// moment before the commit), in milliseconds; of all grants of [`LOOKED_UP`] requests.
    pub(crate) async fn latencies(&self, sent: &[Sent]) -> Result<Vec<f64>> {
        let mut conn = self.database.connect().await?;
        let mut all = Vec::new();
        let step = sent.len().div_ceil(LOOKED_UP).max(1);
        for request in sent.iter().step_by(step) {
            let due = self.clock.micros(request.due);
            let query = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', finished_at) \
                         FROM compensate_biz WHERE id BETWEEN ? AND ? AND biz_type = ? \
                         AND finished_at IS NOT NULL";
            let ended: Vec<i64> = conn
                .exec(query, (request.first, request.last, self.biz_type))
                .await?;
            all.extend(ended.into_iter().map(|at| (at as f64 - due) / 1e3));
        }
        conn.disconnect().await?;
        Ok(all)
    }

    /// Every grant that was accepted stands in the table once, and its row is done; but poison is dead
    /// and has left nothing.
    pub(crate) async fn compare(&self) -> Result<()> {
        let poisoned = self.poisoned();
        let accepted = self.accepted.load(Ordering::Relaxed);
        let good = accepted - poisoned;
        let mut conn = self.database.connect().await?;
        let granted: Option<(u64, u64)> = conn
            .query_first(format!(
                "SELECT COUNT(*), COUNT(DISTINCT member_no, coupon) FROM {TABLE} \
                 WHERE tenant = '{TENANT}' AND batch = '{BATCH}'"
            ))
            .await?;
        let open: Option<(u64, u64)> = conn
            .exec_first(
                "SELECT COUNT(*), COUNT(IF(status = 'FAILED', 1, NULL)) FROM compensate_biz \
                 WHERE tenant = ? AND biz_type IN (?, ?) AND status <> 'SUCCESS'",
                (TENANT, BIZ_TYPE, ALONE),
            )
            .await?;
        conn.disconnect().await?;
        ensure!(
            granted == Some((good, good)) && open == Some((poisoned, poisoned)),
            "{good} good ones and {poisoned} of poison were accepted, rows and different ones are \
             {granted:?}, not done and dead {open:?}"
        );
        Ok(())
    }
}

/// What workers have done, each of which counts from the beginning.
#[derive(Default)]
struct Counted {
    /// By workers that are gone.
    before: u64,
    /// By the present one.
    last: u64,
}

impl Counted {
    /// All of it, when the present worker says `now`, or says nothing.
    fn with(&mut self, now: Option<u64>) -> u64 {
        let now = now.unwrap_or(self.last);
        if now < self.last {
            self.before += self.last;
        }
        self.last = now;
        self.before + now
    }
}

/// The database's clock beside ours.
#[derive(Clone, Copy)]
struct Clock {
    ours: Instant,
    /// Microseconds since 1970 at that moment.
    theirs: i64,
}

impl Clock {
    /// The reading that was answered soonest, of a few.
    async fn read(database: &Database) -> Result<Self> {
        let mut conn = database.connect().await?;
        let mut best: Option<(Duration, Self)> = None;
        for _ in 0..20 {
            let asked = Instant::now();
            let query = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))";
            let theirs: Option<i64> = conn.query_first(query).await?;
            let took = asked.elapsed();
            let theirs = theirs.context("the database has no clock")?;
            let ours = asked + took / 2;
            if best.is_none_or(|(least, _)| took < least) {
                best = Some((took, Self { ours, theirs }));
            }
        }
        conn.disconnect().await?;
        best.map(|(_, clock)| clock).context("no reading")
    }

    /// A moment of ours by the database's clock, in microseconds since 1970.
    fn micros(&self, at: Instant) -> f64 {
        let since = match at.checked_duration_since(self.ours) {
            Some(later) => later.as_secs_f64(),
            None => -(self.ours - at).as_secs_f64(),
        };
        self.theirs as f64 + since * 1e6
    }
}

fn item(biz_type: &str, number: u64, is_poison: bool) -> Value {
    let member = number / 2 + 1;
    let name = if is_poison { "nobody" } else { "member" };
    json!({
        "biz_type": biz_type,
        "biz_id": format!("bench-{number}"),
        "context": {
            "batch": BATCH,
            name: format!("B{member:09}"),
            "coupon": if number.is_multiple_of(2) { "A" } else { "B" },
        },
    })
}
