//! The peers of `../shared/peers`: processes that export the table by themselves.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};
use tokio::time::interval;

use crate::bench::Bench;
use crate::machine;
use crate::record::Run;
use crate::servers::{Meter, Taken};

/// How often a peer's peak of memory is read: what it takes last, it may take unseen.
const LOOK: Duration = Duration::from_millis(20);
/// Longest that a peer may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// One peer.
pub(crate) struct Peer {
    pub(crate) name: String,
    program: PathBuf,
    /// Before the file's name and the number of rows.
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Peer {
    /// Bare rust_xlsxwriter, as `built` holds it, at a zip level.
    pub(crate) fn bare(built: &Path, level: u8) -> Self {
        Self {
            name: format!("bare rust_xlsxwriter, level {level}"),
            program: built.join("rust/release/export"),
            arguments: Vec::new(),
            environment: vec![("LEVEL".to_owned(), level.to_string())],
        }
    }

    /// A Java class, with the heap that the peers' own bench gives it.
    pub(crate) fn java(name: &str, built: &Path, directory: &str, class: &str) -> Self {
        let home = built.join("java").join(directory);
        let classes = format!("{0}/cls:{0}/lib/*", home.display());
        let arguments = ["-Xmx1g", "-cp", &classes, class];
        Self {
            name: name.to_owned(),
            program: "java".into(),
            arguments: arguments.map(str::to_owned).to_vec(),
            environment: Vec::new(),
        }
    }

    /// Imports a workbook into the peers' table: what the whole process took, and its peak in MiB.
    pub(crate) async fn import(&self, bench: &Bench, workbook: &Path) -> Result<(Taken, f64)> {
        let mut command = self.command(bench)?;
        command.arg(workbook);
        self.measure(bench, command).await
    }

    /// Measures the whole process, its start included.
    pub(crate) async fn run(&self, bench: &Bench, run: &mut Run) -> Result<PathBuf> {
        let temp = bench.servers.temp_dir();
        let file = temp.join("peer.xlsx");
        if file.exists() {
            std::fs::remove_file(&file)?;
        }
        let mut command = self.command(bench)?;
        command.arg(&file).arg(run.rows.to_string());
        let (taken, peak) = self.measure(bench, command).await?;
        run.peak_mib = peak;
        run.take(&taken, taken.peer_s);
        run.file_bytes = std::fs::metadata(&file)?.len();
        Ok(file)
    }

    fn command(&self, bench: &Bench) -> Result<Command> {
        let temp = bench.servers.temp_dir();
        let log = File::create(bench.servers.log("peer.log"))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("PEERS_MYSQL_PORT", bench.database.port().to_string())
            .env("TMPDIR", &temp)
            .env(
                "JAVA_TOOL_OPTIONS",
                format!("-Djava.io.tmpdir={}", temp.display()),
            )
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }

    async fn measure(&self, bench: &Bench, mut command: Command) -> Result<(Taken, f64)> {
        let meter = Meter::start(&bench.servers)?;
        let child = command
            .spawn()
            .with_context(|| self.program.display().to_string())?;
        let watched = tokio::time::timeout(PATIENCE, watch(child)).await;
        let taken = meter.stop()?;
        Ok((taken, watched.context("it took too long")??))
    }
}

/// Until the process has ended; its peak of memory in MiB.
async fn watch(mut child: Child) -> Result<f64> {
    let pid = child.id().context("it has ended already")?;
    let mut looks = interval(LOOK);
    let mut peak: f64 = 0.0;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                ensure!(status.success(), "{status}; see log/peer.log");
                return Ok(peak);
            }
            _ = looks.tick() => peak = peak.max(machine::peak_mib(pid).unwrap_or(0.0)),
        }
    }
}
