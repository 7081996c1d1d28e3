//! Imports: a workbook with shared strings becomes rows of the table, by one and by two workers,
//! beside LOAD DATA of the same rows as text into the same table, and beside the peers.
//!
//! The workbook is written by the peers' own generator. After every run the rows in the table are
//! compared with those that the workbook was made of; a run whose rows differ is void.

mod report;
mod table;
mod way;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use mysql_async::prelude::Queryable;
use tokio::process::Command;

use crate::bench::Bench;
use crate::machine;
use crate::record::{Line, keep};
use crate::servers::{Meter, quiet};
use report::Checked;
use table::Table;
use way::Way;

pub(crate) use report::ImportReport;
pub(crate) use way::ImportRun;

/// Rows of a small import, and how many of them.
const SMALL_ROWS: u64 = 1_000;
const SMALL_IMPORTS: usize = 30;
/// Pause between two looks at a small import.
const SMALL_PAUSE: Duration = Duration::from_millis(5);
/// Longest that a small import may take.
const SMALL_PATIENCE: Duration = Duration::from_secs(30);
/// A small import that is done this soon was brought by rings alone. In seconds.
const PROMPT_S: f64 = 1.0;
/// Longest wait for started workers to hear rings.
const JOIN_PATIENCE: Duration = Duration::from_secs(60);
/// Longest that the large workbook may be checked.
const CHECK_PATIENCE: Duration = Duration::from_secs(120);

/// What all runs share.
pub(crate) struct Imports<'b> {
    pub(crate) bench: &'b Bench,
    pub(crate) table: Table,
    pub(crate) workbook: PathBuf,
    pub(crate) small: PathBuf,
    /// The rows as LOAD DATA reads them.
    pub(crate) text: PathBuf,
}

/// Measures all of it.
pub(crate) async fn measure(bench: &Bench) -> Result<ImportReport> {
    let Some(built) = bench.cli.generator.clone() else {
        bail!("imports need the peers' generator: --generator");
    };
    let temp = bench.servers.temp_dir();
    let imports = Imports {
        bench,
        table: Table::new(&bench.database),
        workbook: temp.join("import.xlsx"),
        small: temp.join("small.xlsx"),
        text: temp.join("import.tsv"),
    };
    imports.prepare(&built).await?;
    let mut report = ImportReport::new(bench, std::fs::metadata(&imports.workbook)?.len());
    let mut workers = 0;
    for round in 1..=bench.cli.runs {
        for way in Way::all(bench)? {
            if let Some(wanted) = way.workers()
                && wanted != workers
            {
                bench.servers.import_workers(wanted).await?;
                workers = wanted;
                imports.hear_rings().await?;
            }
            let run = imports.one(&way, round).await?;
            keep(&bench.cli.results, &Line::Import(&run))?;
            report.runs.push(run);
        }
    }
    bench.servers.import_workers(1).await?;
    imports.hear_rings().await?;
    report.small_ms = imports.small_imports().await?;
    report.checked = Some(imports.checked().await?);
    Ok(report)
}

impl Imports<'_> {
    /// The peers' table, the workbooks that their generator makes of it, and the text.
    async fn prepare(&self, generator: &std::path::Path) -> Result<()> {
        let Bench { cli, database, .. } = self.bench;
        let schema = cli.peer_schema.as_deref();
        let Some(schema) = schema else {
            bail!("imports need the peers' schema: --peer-schema");
        };
        eprintln!("  making the workbooks ...");
        database.copy_for_peers(schema).await?;
        for (file, rows) in [(&self.workbook, cli.rows), (&self.small, SMALL_ROWS)] {
            let status = Command::new(generator)
                .arg(file)
                .arg(rows.to_string())
                .env("MODE", "mem")
                .env("PEERS_MYSQL_PORT", database.port().to_string())
                .status()
                .await?;
            ensure!(status.success(), "the generator ended with {status}");
        }
        self.table.write_text(&self.text, cli.rows).await
    }

    /// One run, on an empty table; then its rows are compared.
    async fn one(&self, way: &Way, round: u32) -> Result<ImportRun> {
        eprint!("  round {round}: {} ... ", way.name());
        self.table.clear().await?;
        quiet(self.bench.patience).await?;
        let mut run = ImportRun::new(way.name(), round, self.bench.cli.rows);
        let done = match way.run(self, &mut run).await {
            Ok(()) => self.table.compare(way.is_for_peers(), run.rows).await,
            Err(error) => Err(error),
        };
        run.fault = done.err().map(|error| format!("{error:#}"));
        eprintln!("{}", run.line());
        Ok(run)
    }

    /// Small imports until one is done promptly.
    async fn hear_rings(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            if self.small_import().await? < PROMPT_S {
                return Ok(());
            }
            ensure!(
                began.elapsed() < JOIN_PATIENCE,
                "the workers do not hear rings"
            );
        }
    }

    /// Seconds from the submit to SUCCESS, as a client sees it.
    async fn small_import(&self) -> Result<f64> {
        self.table.clear().await?;
        let began = Instant::now();
        let gateway = &self.bench.gateway;
        let task = gateway.import(&self.small).await?;
        gateway
            .succeeded(&task.id, SMALL_PAUSE, SMALL_PATIENCE)
            .await?;
        let seen = began.elapsed().as_secs_f64();
        self.table.compare(false, SMALL_ROWS).await?;
        Ok(seen)
    }

    async fn small_imports(&self) -> Result<Vec<f64>> {
        eprint!("  {SMALL_IMPORTS} imports of {SMALL_ROWS} rows ... ");
        quiet(self.bench.patience).await?;
        let mut seen = Vec::new();
        for _ in 0..SMALL_IMPORTS {
            seen.push(self.small_import().await? * 1e3);
        }
        eprintln!("done");
        Ok(seen)
    }

    /// The large workbook read and checked, and nothing written: from the end of its upload until it has
    /// been read whole, and what is left of the import is to go through its batches.
    async fn checked(&self) -> Result<Checked> {
        eprint!("  the workbook checked, and nothing written ... ");
        self.table.clear().await?;
        quiet(self.bench.patience).await?;
        let gateway = &self.bench.gateway;
        let task = gateway.check(&self.workbook).await?;
        let meter = self.meter(&self.worker_names(1))?;
        self.until_read(&task.id).await?;
        let taken = meter.stop()?;
        gateway
            .succeeded(&task.id, SMALL_PAUSE, CHECK_PATIENCE)
            .await?;
        self.table.compare(false, 0).await?;
        eprintln!("read after {:.2} s", taken.wall_s);
        Ok(Checked {
            wall_s: taken.wall_s,
            cpu_s: taken.worker_s,
        })
    }

    /// Waits until the task's file has been read.
    async fn until_read(&self, task: &str) -> Result<()> {
        let mut conn = self.bench.database.connect().await?;
        let began = Instant::now();
        loop {
            let read: Option<u64> = conn
                .exec_first(
                    "SELECT COUNT(*) FROM compensate_biz \
                     WHERE task_id = ? AND biz_type = 'IMPORT' AND status = 'SUCCESS'",
                    (task,),
                )
                .await?;
            if read == Some(1) {
                return Ok(conn.disconnect().await?);
            }
            ensure!(began.elapsed() < CHECK_PATIENCE, "the file is not read");
            tokio::time::sleep(SMALL_PAUSE).await;
        }
    }

    /// The processes that run now and import.
    pub(crate) fn worker_names(&self, workers: u32) -> Vec<String> {
        let names = (1..=workers).map(|number| match number {
            1 => "import-worker".to_owned(),
            other => format!("import-worker-{other}"),
        });
        names.collect()
    }

    pub(crate) fn meter(&self, workers: &[String]) -> Result<Meter> {
        for name in workers {
            machine::forget_peak(self.bench.servers.pid(name)?)?;
        }
        let names: Vec<&str> = workers.iter().map(String::as_str).collect();
        Meter::of(&self.bench.servers, &names)
    }
}
