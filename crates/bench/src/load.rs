//! Submits at a fixed rate, whatever the answers do ("open loop"): a gateway that falls behind is
//! asked on, and a submit's latency counts from the moment that it was due.

use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::bench::Bench;
use crate::figures::percentile;
use crate::gateway::Gateway;
use crate::record::{Line, Load, keep};
use crate::servers::{Meter, quiet};

const PER_SECOND: u32 = 200;
const SECONDS: u32 = 20;
/// Submits before the measured ones, which open connections.
const WARM_UP: u32 = 100;
/// Longest wait for the exports to be done, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// Measures.
pub(crate) async fn measure(bench: &mut Bench) -> Result<Load> {
    eprint!("  {PER_SECOND} submits a second for {SECONDS} s ... ");
    bench.worker_at(bench.own_level).await?;
    let gateway = Gateway::new(&bench.cli.url, &bench.cli.load_token)?;
    submit_all(&gateway, WARM_UP, 0).await;
    drain(bench).await?;
    quiet(bench.patience).await?;
    let before = bench.database.standing().await?;
    let meter = Meter::start(&bench.servers)?;
    let answers = submit_all(&gateway, PER_SECOND * SECONDS, WARM_UP).await;
    let taken = meter.stop()?;
    let mut load = judged(answers);
    let end = bench.database.standing().await?;
    load.done_at_end = end.succeeded - before.succeeded;
    load.drained_s = drain(bench).await?;
    let after = bench.database.standing().await?;
    load.drained = after.succeeded - end.succeeded;
    load.open = after.open;
    load.failed = after.otherwise;
    load.gateway_cpu_s = taken.gateway_s;
    load.worker_cpu_s = taken.worker_s;
    load.mysqld_cpu_s = taken.mysqld_s;
    load.other_cpu_s = taken.other_s;
    eprintln!("p99 {:.1} ms", load.p99_ms);
    keep(&bench.cli.results, &Line::Submit(&load))?;
    Ok(load)
}

/// The latency in milliseconds, or why there is none.
type Answer = Result<f64, String>;

/// `count` exports of one row each, from row `first` on, each sent when it is due.
async fn submit_all(gateway: &Gateway, count: u32, first: u32) -> Vec<Answer> {
    let begin = Instant::now() + Duration::from_millis(50);
    let mut answers = JoinSet::new();
    for number in 0..count {
        let due = begin + Duration::from_secs(1) * number / PER_SECOND;
        sleep_until(due.into()).await;
        answers.spawn(submit(gateway.clone(), first + number + 1, due));
    }
    let answers = answers.join_all().await;
    answers.into_iter().collect()
}

async fn submit(gateway: Gateway, row: u32, due: Instant) -> Answer {
    let body = json!({"dataset": "member", "filters": {"id": row}, "force": true});
    match gateway.try_submit(&body).await {
        Ok((StatusCode::ACCEPTED, _task)) => Ok(due.elapsed().as_secs_f64() * 1e3),
        Ok((status, answer)) => Err(format!("{status} {}", String::from_utf8_lossy(&answer))),
        Err(error) => Err(format!("{error:#}")),
    }
}

fn judged(answers: Vec<Answer>) -> Load {
    let mut load = Load {
        per_second: PER_SECOND,
        seconds: SECONDS,
        ..Load::default()
    };
    for answer in answers {
        match answer {
            Ok(latency) => load.latencies_ms.push(latency),
            Err(refusal) => {
                load.refused += 1;
                load.first_refusal.get_or_insert(refusal);
            }
        }
    }
    let of = |percent| percentile(&load.latencies_ms, percent).unwrap_or(f64::NAN);
    (load.p50_ms, load.p99_ms, load.max_ms) = (of(50), of(99), of(100));
    load
}

/// Waits until no export is open, as long as [`PATIENCE`]; for how many seconds.
async fn drain(bench: &Bench) -> Result<f64> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE && bench.database.standing().await?.open > 0 {
        sleep(PAUSE).await;
    }
    Ok(began.elapsed().as_secs_f64())
}
