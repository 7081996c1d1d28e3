//! Submits, by many clients at once: as many as go, or each when it is due ("open loop": a latency
//! counts from the moment that the submit was due, whenever it was sent).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::Shape;
use super::grants::{Grants, Sent};

/// Pause between two looks at the backlog, and of a client that is too far ahead.
const LOOK: Duration = Duration::from_millis(100);
const WAIT: Duration = Duration::from_millis(2);

/// What was submitted.
pub(crate) struct Flood {
    pub(crate) accepted: u64,
    pub(crate) sent: Vec<Sent>,
    pub(crate) backlog_slope: f64,
}

/// What the clients share.
struct Shared {
    grants: Grants,
    began: Instant,
    until: Instant,
    items: usize,
    ahead: u64,
    /// Time between two requests that are due, of all clients together.
    pace: Option<Duration>,
    next: AtomicU64,
    backlog: AtomicU64,
    over: AtomicBool,
}

impl Flood {
    pub(crate) async fn run(grants: &Grants, shape: &Shape) -> Result<Self> {
        let began = Instant::now();
        let shared = Arc::new(Shared {
            grants: grants.clone(),
            began,
            until: began + Duration::from_secs(shape.seconds),
            items: shape.items,
            ahead: shape.ahead,
            pace: shape
                .rate
                .map(|rate| Duration::from_secs_f64(shape.items as f64 / rate)),
            next: AtomicU64::new(0),
            backlog: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let mut clients = JoinSet::new();
        for _ in 0..shape.clients {
            clients.spawn(client(shared.clone()));
        }
        let submitted = async {
            let sent = clients.join_all().await;
            shared.over.store(true, Ordering::Relaxed);
            sent
        };
        let (sent, backlogs) = tokio::join!(submitted, watch(&shared));
        let backlogs = backlogs?;
        let sent: Result<Vec<Vec<Sent>>> = sent.into_iter().collect();
        let sent: Vec<Sent> = sent?.into_iter().flatten().collect();
        Ok(Self {
            accepted: (sent.len() * shape.items) as u64,
            sent,
            backlog_slope: slope(&backlogs),
        })
    }
}

async fn client(shared: Arc<Shared>) -> Result<Vec<Sent>> {
    let mut sent = Vec::new();
    loop {
        let Some(due) = shared.turn().await else {
            return Ok(sent);
        };
        sent.push(shared.grants.submit(shared.items, due).await?);
    }
}

impl Shared {
    /// Waits until this client may submit; the moment from which the latency counts.
    async fn turn(&self) -> Option<Instant> {
        if let Some(pace) = self.pace {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = self.began + pace.mul_f64(number as f64);
            if due >= self.until {
                return None;
            }
            sleep_until(due.into()).await;
            return Some(due);
        }
        while self.backlog.load(Ordering::Relaxed) > self.ahead {
            sleep(WAIT).await;
        }
        let now = Instant::now();
        (now < self.until).then_some(now)
    }
}

/// The backlog at every look, until the submits are over.
async fn watch(shared: &Shared) -> Result<Vec<(f64, f64)>> {
    let mut seen = Vec::new();
    while !shared.over.load(Ordering::Relaxed) {
        let backlog = shared.grants.backlog().await?;
        shared.backlog.store(backlog, Ordering::Relaxed);
        seen.push((shared.began.elapsed().as_secs_f64(), backlog as f64));
        sleep(LOOK).await;
    }
    Ok(seen)
}

/// The least-squares slope of (x, y); 0 of fewer than two.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if variance > 0.0 {
        covariance / variance
    } else {
        0.0
    }
}
