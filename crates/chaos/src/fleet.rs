//! The processes of the house: each is kept running by a supervisor, as Kubernetes would, that says
//! of every death what it was. No person acts.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU16, Ordering};
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
use crate::recovery::Recovery;
use crate::servers::signal;

/// From a death to the next life.
const RESTART_PAUSE: Duration = Duration::from_millis(300);
/// Where ports for the processes are looked for.
const FIRST_PORT: u16 = 26_200;
const LAST_PORT: u16 = 26_900;
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
    /// `http://127.0.0.1:…` of its admin port.
    pub(crate) admin: String,
    /// The same of its public port.
    pub(crate) http: Option<String>,
    pub(crate) armed: Armed,
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
        let admin = free_address()?;
        let http = (role == Role::Gateway).then(free_address).transpose()?;
        let armed = Armed::new(&place.state.join("kill").join(&name))?;
        let mut environment = vec![
            ("QUAYSIDE__ADMIN__LISTEN".to_owned(), admin.clone()),
            ("QUAYSIDE__MYSQL__URL".to_owned(), place.mysql.clone()),
            ("KILL_POINTS".to_owned(), armed.directory()),
        ];
        if let Some(http) = &http {
            environment.push(("QUAYSIDE__HTTP__LISTEN".to_owned(), http.clone()));
        }
        Ok(Self {
            admin: format!("http://{admin}"),
            http: http.map(|http| format!("http://{http}")),
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

    /// Of the present life.
    pub(crate) fn pid(&self) -> Option<i32> {
        let pid = self.pid.load(Ordering::SeqCst);
        (pid > 0).then_some(pid)
    }

    /// Ends the present life by this signal, if there is one.
    pub(crate) fn end_by(&self, by: Signal) -> Result<()> {
        let Some(pid) = self.pid() else {
            return Ok(());
        };
        self.asked.store(true, Ordering::SeqCst);
        signal(pid, by)
    }

    /// SIGSTOP or SIGCONT to one life.
    pub(crate) fn nudge(&self, pid: i32, by: Signal) -> Result<()> {
        if self.pid() == Some(pid) {
            signal(pid, by)?;
        }
        Ok(())
    }

    /// Keeps it running until told to stop, then lets it end in order.
    pub(crate) async fn keep(
        self: Arc<Self>,
        stop: CancellationToken,
        deaths: mpsc::UnboundedSender<Death>,
    ) -> Result<()> {
        while !stop.is_cancelled() {
            self.asked.store(false, Ordering::SeqCst);
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
        Command::new(&self.program)
            .arg("--config")
            .arg(&self.config)
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

/// A loopback address that is free, and that no outgoing connection is given while its process is
/// dead: below the ports that the kernel chooses from (32768 and more).
fn free_address() -> Result<String> {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    loop {
        let port = NEXT.fetch_add(1, Ordering::SeqCst);
        ensure!(port < LAST_PORT, "no port is free below {LAST_PORT}");
        let address = format!("127.0.0.1:{port}");
        if std::net::TcpListener::bind(&address).is_ok() {
            return Ok(address);
        }
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
        match why {
            Why::Asked => {}
            Why::KillPoint(point) => hits.count(point, member.binary()),
            Why::ByItself(status) => {
                journal.violation(format!(
                    "{} (pid {pid}) ended by itself: {status}",
                    member.name
                ));
            }
        }
        let recovery = Arc::clone(&recovery);
        watching.spawn(async move { recovery.of_death(&member, pid, at).await });
    }
}
