//! Who imports: our workers, LOAD DATA, a peer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use super::Imports;
use crate::bench::Bench;
use crate::machine;
use crate::peer::Peer;
use crate::record::DISTURBED;
use crate::servers::{Meter, Taken};

/// Pause between two looks at a task that takes seconds.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest that an import may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// One line of the table.
pub(crate) enum Way {
    /// LOAD DATA of the rows as text: what the database alone needs.
    LoadData,
    /// Over HTTP, with so many import workers.
    Ours(u32),
    /// A program that imports the workbook by itself.
    Peer(Peer),
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ImportRun {
    pub(crate) name: String,
    pub(crate) round: u32,
    pub(crate) rows: u64,
    /// From the first byte of the upload to SUCCESS as seen by polling, or the life of a process.
    pub(crate) wall_s: f64,
    /// From the first byte of the upload to its 202.
    pub(crate) upload_s: Option<f64>,
    /// The workers' CPU, or the peer's.
    pub(crate) client_cpu_s: f64,
    pub(crate) gateway_cpu_s: f64,
    pub(crate) mysqld_cpu_s: f64,
    pub(crate) other_cpu_s: f64,
    /// Of the worker that took most.
    pub(crate) peak_mib: f64,
    /// Why the run does not count.
    pub(crate) fault: Option<String>,
}

impl ImportRun {
    pub(crate) fn new(name: String, round: u32, rows: u64) -> Self {
        Self {
            name,
            round,
            rows,
            wall_s: f64::NAN,
            upload_s: None,
            client_cpu_s: f64::NAN,
            gateway_cpu_s: f64::NAN,
            mysqld_cpu_s: f64::NAN,
            other_cpu_s: f64::NAN,
            peak_mib: f64::NAN,
            fault: None,
        }
    }

    fn take(&mut self, taken: &Taken, client_cpu_s: f64) {
        self.wall_s = taken.wall_s;
        self.client_cpu_s = client_cpu_s;
        self.gateway_cpu_s = taken.gateway_s;
        self.mysqld_cpu_s = taken.mysqld_s;
        self.other_cpu_s = taken.other_s;
    }

    pub(crate) fn is_disturbed(&self) -> bool {
        self.other_cpu_s > DISTURBED * self.wall_s
    }

    /// For the person who waits.
    pub(crate) fn line(&self) -> String {
        match &self.fault {
            Some(fault) => format!("VOID: {fault}"),
            None => format!(
                "{:.2} s, {:.0} MiB, others {:.2} s of CPU",
                self.wall_s, self.peak_mib, self.other_cpu_s
            ),
        }
    }
}

impl Way {
    pub(crate) fn all(bench: &Bench) -> Result<Vec<Self>> {
        let mut ways = vec![Self::LoadData, Self::Ours(1), Self::Ours(2)];
        if let Some(built) = bench.cli.peers.as_deref() {
            let java = |name, directory, class| {
                let classes = built.join("java").join(directory).join("cls");
                let built = classes.is_dir().then_some(built);
                built
                    .map(|built| Self::Peer(Peer::java(name, built, directory, class)))
                    .with_context(|| format!("{name} was not built in {}", classes.display()))
            };
            ways.push(java("dhatim fastexcel-reader", "dhatim", "DhatimImport")?);
            ways.push(java("EasyExcel", "easyexcel", "EasyImport")?);
        }
        Ok(ways)
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::LoadData => "LOAD DATA of the text".to_owned(),
            Self::Ours(1) => "quayside, one worker".to_owned(),
            Self::Ours(workers) => format!("quayside, {workers} workers"),
            Self::Peer(peer) => peer.name.clone(),
        }
    }

    /// How many of our workers must run; none where it does not matter.
    pub(crate) fn workers(&self) -> Option<u32> {
        match self {
            Self::Ours(workers) => Some(*workers),
            Self::LoadData | Self::Peer(_) => None,
        }
    }

    /// Whether the rows go into the peers' own table.
    pub(crate) fn is_for_peers(&self) -> bool {
        match self {
            Self::Peer(_) => true,
            Self::LoadData | Self::Ours(_) => false,
        }
    }

    pub(crate) async fn run(&self, imports: &Imports<'_>, run: &mut ImportRun) -> Result<()> {
        match self {
            Self::LoadData => load_data(imports, run).await,
            Self::Ours(workers) => ours(imports, *workers, run).await,
            Self::Peer(peer) => {
                let bench = imports.bench;
                let (taken, peak) = peer.import(bench, &imports.workbook).await?;
                run.take(&taken, taken.peer_s);
                run.peak_mib = peak;
                Ok(())
            }
        }
    }
}

async fn load_data(imports: &Imports<'_>, run: &mut ImportRun) -> Result<()> {
    let meter = Meter::of(&imports.bench.servers, &[])?;
    imports.table.load_data(&imports.text, run.rows).await?;
    let taken = meter.stop()?;
    run.take(&taken, taken.bench_s);
    run.peak_mib = 0.0;
    Ok(())
}

/// From the upload's first byte to SUCCESS, as a client sees it.
async fn ours(imports: &Imports<'_>, workers: u32, run: &mut ImportRun) -> Result<()> {
    let names = imports.worker_names(workers);
    let gateway = &imports.bench.gateway;
    let meter = imports.meter(&names)?;
    let began = Instant::now();
    let task = gateway.import(&imports.workbook).await?;
    run.upload_s = Some(began.elapsed().as_secs_f64());
    gateway.succeeded(&task.id, PAUSE, PATIENCE).await?;
    let taken = meter.stop()?;
    run.take(&taken, taken.worker_s);
    let mut peak: f64 = 0.0;
    for name in &names {
        let pid = imports.bench.servers.pid(name)?;
        let own = machine::peak_mib(pid).ok_or_else(|| anyhow!("{name} has ended"))?;
        peak = peak.max(own);
    }
    run.peak_mib = peak;
    Ok(())
}
