//! The clients: what is asked of the house while it is being broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::business::{Business, Way};
use crate::client::Client;
use crate::database::Database;
use crate::journal::Journal;
use crate::wish::Wish;

/// Clients that submit at once.
pub(crate) const CLIENTS: u64 = 6;
/// Open rows above which clients wait: the house is to be broken at work, not behind a backlog.
const MOST_OPEN: u64 = 250;
/// How much of what is asked for is business work.
const BUSINESS: f64 = 0.3;

/// What all clients share.
pub(crate) struct Work {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) journal: Arc<Journal>,
    pub(crate) members: u64,
    /// The address of the service that is called.
    pub(crate) service: String,
    pub(crate) seed: u64,
    pub(crate) open: AtomicU64,
}

/// One client, until told to stop; what it has begun it has accepted.
pub(crate) async fn submit(work: Arc<Work>, number: u64, stop: CancellationToken) -> Result<()> {
    let mut random = StdRng::seed_from_u64(work.seed.wrapping_mul(31).wrapping_add(number));
    let mut made = 0_u32;
    while !stop.is_cancelled() {
        if work.open.load(Ordering::Relaxed) < MOST_OPEN {
            made += 1;
            let key = format!("s{}c{number}n{made}", work.seed);
            one(&work, &mut random, &key).await?;
        }
        let pause = Duration::from_millis(random.random_range(100..700));
        stop.run_until_cancelled(sleep(pause)).await;
    }
    Ok(())
}

async fn one(work: &Work, random: &mut StdRng, key: &str) -> Result<()> {
    if random.random_bool(BUSINESS) {
        return business(work, random, key).await;
    }
    let wish = Wish::draw(random, work.members);
    let Some(accepted) = work.client.submit(key, &wish).await? else {
        return Ok(());
    };
    if random.random_bool(0.12) {
        work.client.submit_again(&accepted).await?;
    }
    let Some(task) = accepted.task else {
        return Ok(());
    };
    if random.random_bool(0.12) {
        sleep(Duration::from_millis(random.random_range(0..1_500))).await;
        cancel(work, &format!("tasks/{task}")).await?;
    }
    Ok(())
}

async fn business(work: &Work, random: &mut StdRng, key: &str) -> Result<()> {
    let wish = Business::draw(random, &work.service);
    if wish.way == Way::Sql {
        let inserted = work.client.insert_business(key, &wish, &work.database);
        return inserted.await.map(drop);
    }
    let Some(accepted) = work.client.submit_business(key, &wish).await? else {
        return Ok(());
    };
    if random.random_bool(0.12) {
        work.client.submit_business_again(&accepted).await?;
    }
    if random.random_bool(0.2) {
        sleep(Duration::from_millis(random.random_range(0..1_500))).await;
        for row in accepted.rows.values().step_by(7) {
            cancel(work, &format!("compensations/{row}")).await?;
        }
    }
    Ok(())
}

async fn cancel(work: &Work, what: &str) -> Result<()> {
    let answer = work
        .client
        .act(&format!("{what}/cancel"), &json!({}))
        .await?;
    if ![202, 409].contains(&answer.status.as_u16()) {
        let (status, body) = (answer.status, answer.body);
        work.journal
            .violation(format!("cancel of {what}: {status} {body}"));
    }
    Ok(())
}

/// Looks how much is open.
pub(crate) async fn watch(work: Arc<Work>, stop: CancellationToken) -> Result<()> {
    while !stop.is_cancelled() {
        if let Ok((rows, _)) = work.database.open().await {
            work.open.store(rows, Ordering::Relaxed);
        }
        stop.run_until_cancelled(sleep(Duration::from_millis(500)))
            .await;
    }
    Ok(())
}
