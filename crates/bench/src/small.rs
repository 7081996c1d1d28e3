//! 10,000 rows from submit to SUCCESS, one export after the other.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bench::{Bench, SMALL_ROWS, small_export};
use crate::contender::check;
use crate::gateway::Task;
use crate::record::{Line, Small, keep};
use crate::servers::{Meter, quiet};

/// How many.
const EXPORTS: usize = 30;
/// Pause between two looks: what is seen is late by half of it, and the gateway is busy with it.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest that one may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures, and then compares every file.
pub(crate) async fn measure(bench: &mut Bench) -> Result<Small> {
    eprint!("  {EXPORTS} exports of {SMALL_ROWS} rows ... ");
    bench.worker_at(bench.own_level).await?;
    quiet(bench.patience).await?;
    let mut small = Small {
        rows: SMALL_ROWS,
        ..Small::default()
    };
    let meter = Meter::start(&bench.servers)?;
    let mut tasks = Vec::new();
    for _ in 0..EXPORTS {
        let began = Instant::now();
        let task = one(bench).await?;
        small.seen_ms.push(began.elapsed().as_secs_f64() * 1e3);
        small.told_ms.push(task.told_s() * 1e3);
        small.waited_ms.push(task.waited_s() * 1e3);
        tasks.push(task);
    }
    let taken = meter.stop()?;
    small.other_cpu_s = taken.other_s;
    small.wall_s = taken.wall_s;
    for task in tasks {
        if let Err(error) = right(bench, &task).await {
            small.fault = Some(format!("task {}: {error:#}", task.id));
        }
    }
    eprintln!("{}", small.fault.as_deref().unwrap_or("done"));
    keep(&bench.cli.results, &Line::Small(&small))?;
    Ok(small)
}

async fn one(bench: &Bench) -> Result<Task> {
    let task = bench.gateway.submit(&small_export()).await?;
    bench.gateway.succeeded(&task.id, PAUSE, PATIENCE).await
}

async fn right(bench: &Bench, task: &Task) -> Result<()> {
    let file = bench.servers.temp_dir().join("small.xlsx");
    bench.gateway.download(&task.id, &file).await?;
    check(bench, &file, SMALL_ROWS).await
}
