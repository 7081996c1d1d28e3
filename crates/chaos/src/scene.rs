//! All that lives through a run, put together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::MoodyProxy;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bell::Bell;
use crate::book::Book;
use crate::cli::Cli;
use crate::client::{Address, Client};
use crate::database::Database;
use crate::fleet::{Death, Member, Place, Role, mourn};
use crate::journal::Journal;
use crate::kill_points::Hits;
use crate::recovery::Recovery;
use crate::servers::Servers;
use crate::service::Service;
use crate::vandal::Vandal;
use crate::weather::Weather;

/// The processes, and how many of each.
const HOUSE: [(&str, u32, Role); 6] = [
    ("api-gateway", 2, Role::Gateway),
    ("export-worker", 2, Role::Worker),
    ("import-worker", 2, Role::Worker),
    ("biz-worker", 2, Role::Worker),
    ("stuck-task-sweeper", 2, Role::Sweeper),
    ("dead-letter-handler", 1, Role::Worker),
];

/// Pause between two looks whether a process is ready.
const READY_POLL: Duration = Duration::from_millis(200);

/// The house, who works at it and who breaks it.
pub(crate) struct Scene {
    pub(crate) database: Database,
    pub(crate) journal: Arc<Journal>,
    pub(crate) book: Arc<Book>,
    pub(crate) hits: Arc<Hits>,
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) members: Vec<Arc<Member>>,
    pub(crate) vandal: Arc<Vandal>,
    pub(crate) client: Client,
    /// Whom business work calls.
    pub(crate) service: Arc<Service>,
    /// Ends the processes.
    stop: CancellationToken,
    /// Ends the clients' patience.
    end: CancellationToken,
    keeping: JoinSet<Result<()>>,
}

impl Scene {
    /// Starts the processes, behind a proxy; does not wait for them.
    pub(crate) async fn open(cli: &Cli) -> Result<Self> {
        let journal = Arc::new(Journal::begin(&cli.evidence)?);
        let database = Database::new(&cli.mysql)?;
        let service = Arc::new(Service::open(cli.service_port).await?);
        let servers = servers(cli);
        let topics = servers.create_topics().await?;
        let proxy = MoodyProxy::before(&cli.mysql).await;
        let members = members(cli, &proxy)?;
        let (book, hits) = (Arc::<Book>::default(), Arc::<Hits>::default());
        let weather = Arc::<Weather>::default();
        let recovery = Arc::new(Recovery::new(
            database.clone(),
            (journal.clone(), weather.clone(), book.clone()),
            members.clone(),
        )?);
        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let (deaths, died) = mpsc::unbounded_channel();
        let keeping = keep(&members, &stop, &deaths);
        let watching = TaskTracker::new();
        let seen_by = (journal.clone(), hits.clone(), recovery.clone());
        watching.spawn(mourn(died, seen_by, watching.clone()));
        let gateways = members.iter().filter(|it| it.role == Role::Gateway);
        let gateways = gateways
            .cloned()
            .map(|gateway| -> Address { Box::new(move || gateway.http().unwrap_or_default()) });
        let told = (book.clone(), journal.clone());
        let client = Client::new(gateways.collect(), &cli.token, told, end.clone())?;
        let vandal = Vandal {
            servers,
            proxy,
            bell: Arc::new(Bell::new(&cli.kafka, topics)?),
            members: members.clone(),
            recovery: recovery.clone(),
            weather,
            journal: journal.clone(),
            mysql: tokio::sync::Mutex::default(),
            kafka: tokio::sync::Mutex::default(),
            done: std::sync::Mutex::default(),
            not_done: std::sync::Mutex::default(),
            commits_cut: std::sync::atomic::AtomicU64::new(0),
        };
        Ok(Self {
            database,
            journal,
            book,
            hits,
            recovery,
            members,
            vandal: Arc::new(vandal),
            client,
            service,
            stop,
            end,
            keeping,
        })
    }

    /// Waits until every process says that it is ready. No person helps.
    pub(crate) async fn all_ready(&mut self, patience: Duration) -> Result<()> {
        let (recovery, members) = (self.recovery.clone(), self.members.clone());
        let waiting = async {
            for member in &members {
                while !recovery.is_ready(member).await {
                    sleep(READY_POLL).await;
                }
            }
        };
        tokio::select! {
            waited = timeout(patience, waiting) => if waited.is_err() {
                let seconds = patience.as_secs();
                self.journal.violation(format!("not every process is ready after {seconds} s"));
            },
            ended = self.keeping.join_next() => {
                ended.context("nothing runs")???;
                bail!("a supervisor has ended");
            }
        }
        Ok(())
    }

    /// Lets the processes end in order.
    pub(crate) async fn close(&mut self) -> Result<()> {
        self.end.cancel();
        self.stop.cancel();
        while let Some(kept) = self.keeping.join_next().await {
            kept??;
        }
        Ok(())
    }
}

fn members(cli: &Cli, proxy: &MoodyProxy) -> Result<Vec<Arc<Member>>> {
    let place = Place {
        bin: cli.bin.clone(),
        config: cli.config.clone(),
        state: cli.state.clone(),
        mysql: proxy.url(&cli.mysql),
    };
    let mut members = Vec::new();
    for (binary, count, role) in HOUSE {
        for number in 1..=count {
            members.push(Arc::new(Member::new(&place, binary, number, role)?));
        }
    }
    Ok(members)
}

fn keep(
    members: &[Arc<Member>],
    stop: &CancellationToken,
    deaths: &mpsc::UnboundedSender<Death>,
) -> JoinSet<Result<()>> {
    let mut keeping = JoinSet::new();
    for member in members {
        keeping.spawn(Arc::clone(member).keep(stop.clone(), deaths.clone()));
    }
    keeping
}

fn servers(cli: &Cli) -> Servers {
    Servers {
        scripts: cli.scripts.clone(),
        state: cli.state.clone(),
        quay: cli.bin.join("quay"),
        datasets: cli.datasets.clone(),
        handlers: cli.handlers.clone(),
        kafka: cli.kafka.clone(),
    }
}
