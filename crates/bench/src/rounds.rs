//! All rows to a file: ours and the peers' in turn, so that each round sees one state of the
//! machine. Every other round goes backwards, so that no one always comes after the same.

use anyhow::{Context, Result};

use crate::bench::Bench;
use crate::contender::{Contender, Format};
use crate::peer::Peer;
use crate::record::{Line, Run, keep};

/// The round that warms up and does not count.
const WARM_UP: u32 = 0;

/// Runs all rounds.
pub(crate) async fn measure(bench: &mut Bench) -> Result<Vec<Run>> {
    let rows = bench.cli.rows;
    if let Some(schema) = &bench.cli.peer_schema {
        eprintln!("  copying the rows for the peers ...");
        bench.database.copy_for_peers(schema).await?;
    }
    let warm_up = Contender::Ours(Format::Xlsx, bench.own_level);
    let warmed = warm_up.run(bench, WARM_UP, rows).await?;
    if let Some(fault) = warmed.fault {
        anyhow::bail!("the warm-up failed: {fault}");
    }
    let contenders = contenders(bench)?;
    let mut runs = Vec::new();
    for round in 1..=bench.cli.runs {
        let forwards = round % 2 == 1;
        for at in 0..contenders.len() {
            let at = if forwards {
                at
            } else {
                contenders.len() - 1 - at
            };
            let run = contenders[at].run(bench, round, rows).await?;
            keep(&bench.cli.results, &Line::Export(&run))?;
            runs.push(run);
        }
    }
    Ok(runs)
}

/// The worker's own level first; those at one level together, since another needs a new worker.
fn contenders(bench: &Bench) -> Result<Vec<Contender>> {
    let own = bench.own_level;
    let mut contenders = vec![
        Contender::Ours(Format::Xlsx, own),
        Contender::Ours(Format::Csv, own),
    ];
    let built = bench.cli.peers.as_deref();
    let bare = |level| built.map(|built| Contender::Peer(Peer::bare(built, level)));
    contenders.extend(bare(own));
    if let Some(built) = built {
        let java = |name, directory, class| {
            let classes = built.join("java").join(directory).join("cls");
            let built = classes.is_dir().then_some(built);
            built
                .map(|built| Contender::Peer(Peer::java(name, built, directory, class)))
                .with_context(|| format!("{name} was not built in {}", classes.display()))
        };
        contenders.push(java("dhatim fastexcel", "dhatim", "DhatimExport")?);
        contenders.push(java("EasyExcel", "easyexcel", "EasyExport")?);
    }
    let mut levels = bench.cli.levels.clone();
    levels.sort_unstable();
    levels.dedup();
    for level in levels.into_iter().filter(|level| *level != own) {
        contenders.push(Contender::Ours(Format::Xlsx, level));
        contenders.extend(bare(level));
    }
    Ok(contenders)
}
