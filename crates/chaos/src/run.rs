//! One run: start, break, let recover, check, tell.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::check::{Checker, Tally};
use crate::cli::Cli;
use crate::kill_points;
use crate::operator;
use crate::plan::plan;
use crate::report::{self, Report};
use crate::scene::Scene;
use crate::servers::Server;
use crate::workload::{self, CLIENTS, Work};

/// The lease that chaos.sh writes into the settings, and the longest that sweeps lie apart.
pub(crate) const LEASE: Duration = Duration::from_secs(4);
pub(crate) const SWEEP: Duration = Duration::from_millis(1_500);
/// Until all processes are ready.
const START: Duration = Duration::from_secs(60);
/// Until what clients have begun is accepted, once nothing is broken any more.
const LAST_ANSWERS: Duration = Duration::from_secs(60);
/// Until no work is open.
const QUIET: Duration = Duration::from_secs(180);

/// Runs; true when no promise was broken.
pub(crate) async fn run(cli: &Cli) -> Result<bool> {
    let mut scene = Scene::open(cli).await?;
    let ran = whole(cli, &mut scene).await;
    scene.close().await?;
    let report = Report {
        cli,
        tally: ran?,
        journal: &scene.journal,
        book: &scene.book,
        hits: &scene.hits,
        recovery: &scene.recovery,
        vandal: &scene.vandal,
    };
    let well = report::tell(&report)?;
    if !well {
        report::keep_tables(&scene.database, &cli.evidence).await?;
    }
    Ok(well)
}

/// Says it, and writes down when.
fn stage(scene: &Scene, text: &str) {
    scene.journal.note("stage", json!(text));
    report::say(text);
}

async fn whole(cli: &Cli, scene: &mut Scene) -> Result<Tally> {
    scene.all_ready(START).await?;
    let (ready, seconds) = (scene.members.len(), cli.seconds);
    stage(
        scene,
        &format!("{ready} processes are ready; {seconds} s of chaos begin"),
    );
    break_it(cli, scene).await?;
    stage(
        scene,
        "The faults are over; waiting until all work has ended ...",
    );
    scene.vandal.servers.start(Server::Mysql).await?;
    scene.vandal.servers.start(Server::Kafka).await?;
    let checker = Checker {
        database: scene.database.clone(),
        client: scene.client.clone(),
        journal: Arc::clone(&scene.journal),
        service: Arc::clone(&scene.service),
        members: cli.members,
    };
    checker.quiet(QUIET).await?;
    stage(
        scene,
        "Mending what was broken on purpose, redriving what died of it ...",
    );
    mend(cli, scene).await?;
    checker.quiet(QUIET).await?;
    scene.all_ready(START).await?;
    stage(scene, "Checking ...");
    let (tasks, business) = (scene.book.accepted(), scene.book.business());
    checker.check(&tasks, &business).await
}

/// The part in which things break.
async fn break_it(cli: &Cli, scene: &mut Scene) -> Result<()> {
    let length = Duration::from_secs(cli.seconds);
    let every = Duration::from_millis(cli.fault_every_ms);
    let faults = plan(cli.seed, length, every, LEASE);
    let lines: Vec<String> = faults
        .iter()
        .map(|(at, fault)| format!("{:7.1} s  {fault:?}", at.as_secs_f64()))
        .collect();
    std::fs::write(cli.evidence.join("plan.txt"), lines.join("\n"))?;

    let calm = scene.recovery.calm.clone();
    let work = Arc::new(work(cli, scene));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(workload::submit(Arc::clone(&work), number, calm.clone()));
    }
    clients.spawn(workload::watch(Arc::clone(&work), calm.clone()));
    clients.spawn(operator::try_again(Arc::clone(&work), calm.clone()));
    clients.spawn(operator::dead_letters(Arc::clone(&work), calm.clone()));
    clients.spawn(Arc::clone(&scene.vandal.bell).copy(cli.seed, calm.clone()));
    clients.spawn(kill_points::arm(
        scene.members.clone(),
        (Arc::clone(&scene.hits), Arc::clone(&scene.journal)),
        (cli.seed, cli.kill_points_each, length),
        calm.clone(),
    ));
    let breaking = Arc::clone(&scene.vandal).run(faults, calm.clone());
    let timed = async {
        sleep(length).await;
        calm.cancel();
    };
    futures::join!(breaking, timed);
    // Nothing is broken from here on: whoever is still asking must soon be answered.
    let last = async {
        while let Some(client) = clients.join_next().await {
            client??;
        }
        anyhow::Ok(())
    };
    timeout(LAST_ANSWERS, last)
        .await
        .context("a client was not answered within a minute of calm")?
}

fn work(cli: &Cli, scene: &Scene) -> Work {
    Work {
        client: scene.client.clone(),
        database: scene.database.clone(),
        journal: Arc::clone(&scene.journal),
        members: cli.members,
        service: scene.service.url.clone(),
        seed: cli.seed,
        open: AtomicU64::new(0),
    }
}

/// What a person does afterwards: mends the table that nobody could read, and redrives half of the
/// exports that died.
async fn mend(cli: &Cli, scene: &Scene) -> Result<()> {
    let mended = "ALTER TABLE chaos_broken DROP COLUMN number,
                  ADD COLUMN number BIGINT AS (7) VIRTUAL";
    scene.database.execute(mended).await?;
    let dead = "SELECT COUNT(*) FROM dead_letter WHERE status = 'OPEN' AND biz_type = 'EXPORT'";
    let dead: u64 = scene.database.one(dead).await?;
    if dead > 0 {
        operator::redrive(&work(cli, scene), "EXPORT", dead.div_ceil(2), &[200]).await?;
    }
    Ok(())
}
