//! The servers that are measured: their process ids, and the script that owns them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use tokio::time::sleep;

use crate::machine;

/// A machine is quiet when less than this part of one core was busy, all processes together.
const QUIET: f64 = 0.12;
/// How long that is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The servers of deploy/local/bench-servers.sh.
pub(crate) struct Servers {
    script: PathBuf,
    state: PathBuf,
}

impl Servers {
    pub(crate) fn new(script: PathBuf, state: PathBuf) -> Self {
        Self { script, state }
    }

    /// The id of a server that runs now.
    pub(crate) fn pid(&self, name: &str) -> Result<u32> {
        let path = self.state.join("run").join(format!("{name}.pid"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().parse()?)
    }

    /// The port of this name that was found free.
    pub(crate) fn port(&self, name: &str) -> Result<u16> {
        let path = self.state.join("ports").join(name);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().parse()?)
    }

    /// Stops the worker and starts it with these settings (`QUAYSIDE__…=…`) beside those of the
    /// file; returns when it is ready.
    pub(crate) async fn restart_worker(&self, settings: &[String]) -> Result<()> {
        self.script("worker", settings).await
    }

    /// Kills a worker without a word and starts it again; returns when it is ready.
    pub(crate) async fn kill_worker(&self, name: &str) -> Result<()> {
        self.script("kill", &[name.to_owned()]).await
    }

    /// Makes sure that so many import workers run, started anew.
    pub(crate) async fn import_workers(&self, workers: u32) -> Result<()> {
        self.script("import-workers", &[workers.to_string()]).await
    }

    /// Adds as many rows to the table.
    pub(crate) async fn add_rows(&self, rows: u64) -> Result<()> {
        self.script("seed", &[rows.to_string(), "--append".to_owned()])
            .await
    }

    async fn script(&self, verb: &str, arguments: &[String]) -> Result<()> {
        let mut command = Command::new(&self.script);
        let status = command.arg(verb).args(arguments).status().await?;
        ensure!(
            status.success(),
            "{} {verb}: {status}",
            self.script.display()
        );
        Ok(())
    }

    /// The zip level that the worker has when nobody says otherwise, from the settings that it
    /// logs at its start.
    pub(crate) fn zip_level(&self) -> Result<u8> {
        let path = self.state.join("log/export-worker.log");
        let log = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let behind = log.split("zip_level").nth(1);
        let digit = behind.and_then(|text| text.chars().find_map(|sign| sign.to_digit(10)));
        match digit.map(u8::try_from) {
            Some(Ok(level)) => Ok(level),
            _ => bail!("{} tells no zip_level", path.display()),
        }
    }

    /// A directory for files in the making.
    pub(crate) fn temp_dir(&self) -> PathBuf {
        self.state.join("tmp")
    }

    /// A file for what a peer prints.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.state.join("log").join(name)
    }
}

/// Waits until the machine is quiet, as long as `patience` at most.
pub(crate) async fn quiet(patience: Duration) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < patience {
        let before = machine::busy()?;
        sleep(LOOK).await;
        if machine::busy()? - before < QUIET * LOOK.as_secs_f64() {
            break;
        }
    }
    Ok(())
}

/// Reads the clocks of everything that takes part.
pub(crate) struct Meter {
    began: Instant,
    /// Gateway, mysqld, broker, then the workers.
    pids: Vec<u32>,
    before: Reading,
}

/// CPU seconds of one moment.
struct Reading {
    busy: f64,
    servers: Vec<f64>,
    own: f64,
    children: f64,
}

/// What a run took.
pub(crate) struct Taken {
    pub(crate) wall_s: f64,
    pub(crate) worker_s: f64,
    pub(crate) gateway_s: f64,
    pub(crate) mysqld_s: f64,
    pub(crate) broker_s: f64,
    /// Child processes of the bench that ended meanwhile: a peer.
    pub(crate) peer_s: f64,
    /// The bench itself.
    pub(crate) bench_s: f64,
    /// What nobody of these used: by others on the machine.
    pub(crate) other_s: f64,
}

impl Meter {
    /// Begins now, with the export worker.
    pub(crate) fn start(servers: &Servers) -> Result<Self> {
        Self::of(servers, &["export-worker"])
    }

    /// Begins now, with these workers.
    pub(crate) fn of(servers: &Servers, workers: &[&str]) -> Result<Self> {
        let broker = servers
            .pid("broker")
            .or_else(|_none| servers.pid("kafka-main"))?;
        let mut pids = vec![
            servers.pid("api-gateway")?,
            servers.pid("mysql-main")?,
            broker,
        ];
        for worker in workers {
            pids.push(servers.pid(worker)?);
        }
        Ok(Self {
            before: Reading::of(&pids)?,
            pids,
            began: Instant::now(),
        })
    }

    /// What was taken since the start.
    pub(crate) fn stop(&self) -> Result<Taken> {
        let wall_s = self.began.elapsed().as_secs_f64();
        let (before, after) = (&self.before, Reading::of(&self.pids)?);
        let took: Vec<f64> = after
            .servers
            .iter()
            .zip(&before.servers)
            .map(|(after, before)| after - before)
            .collect();
        let (gateway_s, mysqld_s, broker_s) = (took[0], took[1], took[2]);
        let worker_s: f64 = took[3..].iter().sum();
        let peer_s = after.children - before.children;
        let bench_s = after.own - before.own;
        let ours = worker_s + gateway_s + mysqld_s + broker_s + peer_s + bench_s;
        Ok(Taken {
            wall_s,
            worker_s,
            gateway_s,
            mysqld_s,
            broker_s,
            peer_s,
            bench_s,
            other_s: (after.busy - before.busy - ours).max(0.0),
        })
    }
}

impl Reading {
    fn of(pids: &[u32]) -> Result<Self> {
        let (own, children) = machine::own_cpu()?;
        let servers = pids.iter().map(|pid| machine::cpu(*pid));
        let servers = servers.collect::<Result<_>>()?;
        Ok(Self {
            busy: machine::busy()?,
            servers,
            own,
            children,
        })
    }
}
