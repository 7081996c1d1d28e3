//! The processes of the house: each is kept running by a supervisor, as Kubernetes would, that says
//! of every death what it was. No person acts.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::journal::Journal;
use crate::kill_points::{Armed, Hits};
use crate::ports::Ports;
use crate::recovery::Recovery;
use crate::servers::signal;

/// From a death to the next life.
const RESTART_PAUSE: Duration = Duration::from_millis(300);
/// What an orderly end may take when the chaos is over.
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    /// Claims rows and holds leases.
    Worker,
    Sweeper,
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A fault of the plan ended it.
    Asked,
    /// At a kill point.
    KillPoint(&'static str),
    /// Another program was faster at its port; its next life has another one.
    PortTaken,
    /// Nobody wanted it.
    ByItself(String),
}

/// A process has ended.
pub(crate) struct Death {
    pub(crate) member: Arc<Member>,
    pub(crate) pid: i32,
    pub(crate) why: Why,
    pub(crate) at: Instant,
}

/// One process, through all its lives.
pub(crate) struct Member {
    /// `export-worker-2`.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) armed: Armed,
    ports: Ports,
    program: PathBuf,
    config: PathBuf,
    state: PathBuf,
    environment: Vec<(String, String)>,
    /// Zero between two lives.
    pid: AtomicI32,
    asked: AtomicBool,
}

/// Where processes find what they need.
pub(crate) struct Place {
    pub(crate) bin: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    /// The database, through the proxy.
    pub(crate) mysql: String,
}

impl Member {
    /// Process number `number` of a binary; not started yet.
    pub(crate) fn new(place: &Place, binary: &str, number: u32, role: Role) -> Result<Self> {
        let name = format!("{binary}-{number}");
        let armed = Armed::new(&place.state.join("kill").join(&name))?;
        let environment = vec![
            ("QUAYSIDE__MYSQL__URL".to_owned(), place.mysql.clone()),
            ("KILL_POINTS".to_owned(), armed.directory()),
        ];
        Ok(Self {
            ports: Ports::find(role == Role::Gateway)?,
            program: place.bin.join(binary),
            config: place.config.clone(),
            state: place.state.clone(),
            name,
            role,
            armed,
            environment,
            pid: AtomicI32::new(0),
            asked: AtomicBool::new(false),
        })
    }

    /// The program that it runs.
    pub(crate) fn binary(&self) -> &str {
        self.name
            .rsplit_once('-')
            .map_or(&self.name, |(binary, _)| binary)
    }

    /// `http://127.0.0.1:…` of its admin port, in this life or the last one.
    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.ports.admin())
    }

    /// The same of its public port.
    pub(crate) fn http(&self) -> Option<String> {
        self.ports.http().map(|http| format!("http://{http}"))
    }

    /// Of the present life.
    pub(crate) fn pid(&self) -> Option<i32> {
        let pid = self.pid.load(Ordering::SeqCst);
        (pid > 0).then_some(pid)
    }

    /// Ends the present life by this signal.
    pub(crate) fn end_by(&self, by: Signal) -> Result<()> {
        let pid = self.pid().context("it is between two lives")?;
        self.asked.store(true, Ordering::SeqCst);
        signal(pid, by)
    }

    /// SIGSTOP or SIGCONT to one life.
    pub(crate) fn nudge(&self, pid: i32, by: Signal) -> Result<()> {
        ensure!(self.pid() == Some(pid), "that life is over");
        signal(pid, by)
    }

    /// Keeps it running until told to stop, then lets it end in order.
    pub(crate) async fn keep(
        self: Arc<Self>,
        stop: CancellationToken,
        deaths: mpsc::UnboundedSender<Death>,
    ) -> Result<()> {
        while !stop.is_cancelled() {
            self.asked.store(false, Ordering::SeqCst);
            self.ports.find_again()?;
            let mut child = self.spawn()?;
            let pid = i32::try_from(child.id().context("it runs")?)?;
            self.remember(pid)?;
            self.pid.store(pid, Ordering::SeqCst);
            let status = tokio::select! {
                status = child.wait() => status?,
                () = stop.cancelled() => return self.see_out(child, pid).await,
            };
            let at = Instant::now();
            self.pid.store(0, Ordering::SeqCst);
            let why = self.judge(status);
            let member = self.clone();
            deaths
                .send(Death {
                    member,
                    pid,
                    why,
                    at,
                })
                .ok();
            tokio::time::sleep(RESTART_PAUSE).await;
        }
        Ok(())
    }

    fn spawn(&self) -> Result<Child> {
        let path = self.state.join(format!("log/{}.log", self.name));
        let log = OpenOptions::new().create(true).append(true).open(path)?;
        let mut command = Command::new(&self.program);
        if let Some(http) = self.ports.http() {
            command.env("QUAYSIDE__HTTP__LISTEN", http);
        }
        command
            .arg("--config")
            .arg(&self.config)
            .env("QUAYSIDE__ADMIN__LISTEN", self.ports.admin())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| self.program.display().to_string())
    }

    /// For lib.sh, which stops by these files what a killed harness leaves behind.
    fn remember(&self, pid: i32) -> Result<()> {
        let run = self.state.join("run");
        let mark = format!("{} --config", self.program.display());
        std::fs::write(run.join(format!("{}.mark", self.name)), mark + "\n")?;
        std::fs::write(run.join(format!("{}.pid", self.name)), format!("{pid}\n"))?;
        Ok(())
    }

    fn judge(&self, status: ExitStatus) -> Why {
        if status.signal() == Some(Signal::ABORT.as_raw())
            && let Some(point) = self.armed.hit()
        {
            return Why::KillPoint(point);
        }
        if self.asked.load(Ordering::SeqCst) {
            return Why::Asked;
        }
        if status.code().is_some() && self.ports.are_taken() {
            return Why::PortTaken;
        }
        Why::ByItself(status.to_string())
    }

    async fn see_out(&self, mut child: Child, pid: i32) -> Result<()> {
        signal(pid, Signal::TERM)?;
        if tokio::time::timeout(LAST_PATIENCE, child.wait())
            .await
            .is_err()
        {
            child.kill().await?;
        }
        Ok(())
    }
}

/// Tells of deaths, and watches over each recovery.
pub(crate) async fn mourn(
    mut died: mpsc::UnboundedReceiver<Death>,
    (journal, hits, recovery): (Arc<Journal>, Arc<Hits>, Arc<Recovery>),
    watching: TaskTracker,
) {
    while let Some(Death {
        member,
        pid,
        why,
        at,
    }) = died.recv().await
    {
        journal.note(
            "death",
            json!({"of": member.name, "pid": pid, "why": format!("{why:?}")}),
        );
        recovery.weather.happens(format!("{} died", member.name));
        match why {
            Why::Asked | Why::PortTaken => {}
            Why::KillPoint(point) => hits.count(point, member.binary()),
            Why::ByItself(status) => {
                journal.violation(format!(
                    "{} (pid {pid}) ended by itself: {status}",
                    member.name
                ));
            }
        }
        if member.role == Role::Sweeper {
            recovery.weather.gust(&member.name);
        }
        let recovery = Arc::clone(&recovery);
        watching.spawn(async move { recovery.of_death(&member, pid, at).await });
    }
}
