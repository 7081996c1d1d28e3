//! Twice the rows, more than one sheet holds: whether the worker needs more memory for them.

use anyhow::Result;

use crate::bench::Bench;
use crate::contender::{Contender, Format};
use crate::record::{Line, Run, keep};

/// Adds as many rows as there are and exports all.
pub(crate) async fn measure(bench: &mut Bench) -> Result<Vec<Run>> {
    eprintln!("  adding {} rows ...", bench.cli.rows);
    bench.servers.add_rows(bench.cli.rows).await?;
    let mut runs = Vec::new();
    for format in [Format::Xlsx, Format::Csv] {
        let contender = Contender::Ours(format, bench.own_level);
        let run = contender.run(bench, 1, bench.cli.rows * 2).await?;
        keep(&bench.cli.results, &Line::Twice(&run))?;
        runs.push(run);
    }
    Ok(runs)
}
