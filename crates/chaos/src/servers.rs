//! MySQL and Kafka, by the scripts that own them. A script finds the server that it starts again on
//! the port that it had.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

/// Between two looks whether a killed server is gone.
const GONE_POLL: Duration = Duration::from_millis(20);

/// The two servers.
pub(crate) struct Servers {
    pub(crate) scripts: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) quay: PathBuf,
    pub(crate) datasets: PathBuf,
    pub(crate) handlers: PathBuf,
    pub(crate) kafka: String,
}

/// As `quay topics create` tells it.
#[derive(Deserialize)]
struct Topic {
    name: String,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Mysql,
    Kafka,
}

impl Server {
    const fn script(self) -> &'static str {
        match self {
            Self::Mysql => "mysql.sh",
            Self::Kafka => "kafka.sh",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Mysql => "mysql-main",
            Self::Kafka => "kafka-main",
        }
    }
}

impl Servers {
    /// SIGKILL, and until its port is free.
    pub(crate) async fn kill(&self, server: Server) -> Result<()> {
        let path = self.state.join(format!("run/{}.pid", server.name()));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let pid: i32 = text.trim().parse()?;
        signal(pid, Signal::KILL)?;
        let port: u16 = self.port(server)?.trim().parse()?;
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            sleep(GONE_POLL).await;
        }
        Ok(())
    }

    /// Until it takes connections, where it took them before.
    pub(crate) async fn start(&self, server: Server) -> Result<()> {
        let before = self.port(server)?;
        self.script(server, "start").await?;
        let now = self.port(server)?;
        ensure!(now == before, "another program took port {before}");
        Ok(())
    }

    /// SIGTERM, and until it has ended.
    pub(crate) async fn stop(&self, server: Server) -> Result<()> {
        self.script(server, "stop").await
    }

    /// Creates the topics that are missing; the names of all.
    pub(crate) async fn create_topics(&self) -> Result<Vec<String>> {
        let mut command = Command::new(&self.quay);
        command
            .args(["topics", "create", "--json"])
            .args(["--replication", "1", "--partitions", "4"])
            .args(["--kafka", &self.kafka, "--datasets"])
            .arg(&self.datasets)
            .arg("--handlers")
            .arg(&self.handlers);
        let told = run(command, "topics").await?;
        let topics: Vec<Topic> = serde_json::from_slice(&told)?;
        Ok(topics.into_iter().map(|topic| topic.name).collect())
    }

    fn port(&self, server: Server) -> Result<String> {
        let path = self.state.join("ports").join(server.name());
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    async fn script(&self, server: Server, verb: &str) -> Result<()> {
        let script = self.scripts.join(server.script());
        let mut command = Command::new(&script);
        command.arg(verb).arg("main");
        let done = run(command, &format!("{} {verb}", server.script())).await;
        done.map(drop)
    }
}

/// What it says.
async fn run(mut command: Command, what: &str) -> Result<Vec<u8>> {
    let done = command.output().await.context(what.to_owned())?;
    let told = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{what}: {} {told}", done.status);
    Ok(done.stdout)
}

/// Sends a signal to a process that this harness, or its scripts, started.
pub(crate) fn signal(pid: i32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid).context("no process id")?;
    kill_process(pid, signal).with_context(|| format!("signal to {pid:?}"))
}
