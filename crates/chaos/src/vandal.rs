//! Whoever does the faults of the plan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as Plain, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::json;
use testkit::MoodyProxy;
use tokio::sync::Mutex;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bell::Bell;
use crate::fleet::{Member, Role};
use crate::journal::Journal;
use crate::plan::Fault;
use crate::recovery::{Kind, Recovery};
use crate::servers::{Server, Servers};
use crate::weather::Weather;

/// What the faults need.
pub(crate) struct Vandal {
    pub(crate) servers: Servers,
    pub(crate) proxy: MoodyProxy,
    pub(crate) bell: Arc<Bell>,
    pub(crate) members: Vec<Arc<Member>>,
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) journal: Arc<Journal>,
    /// One fault at a time for each server.
    pub(crate) mysql: Mutex<()>,
    pub(crate) kafka: Mutex<()>,
    pub(crate) done: Plain<BTreeMap<&'static str, u64>>,
    /// Those that could not be done, for whatever reason: the journal has it.
    pub(crate) not_done: Plain<BTreeMap<&'static str, u64>>,
    pub(crate) commits_cut: AtomicU64,
}

impl Vandal {
    /// Does all of the plan, each fault at its moment, and returns when the last one is over.
    pub(crate) async fn run(
        self: Arc<Self>,
        plan: Vec<(Duration, Fault)>,
        stop: CancellationToken,
    ) {
        let faults = TaskTracker::new();
        let began = tokio::time::Instant::now();
        for (at, fault) in plan {
            let waited = stop.run_until_cancelled(sleep_until(began + at)).await;
            if waited.is_none() {
                break;
            }
            let vandal = Arc::clone(&self);
            faults.spawn(async move { vandal.one(fault).await });
        }
        faults.close();
        faults.wait().await;
        self.proxy.come_back();
        self.count_cuts(0);
    }

    async fn one(&self, fault: Fault) {
        self.journal.note("fault", json!(format!("{fault:?}")));
        self.weather.happens(fault.word().to_owned());
        let count = match self.apply(fault).await {
            Ok(()) => &self.done,
            Err(error) => {
                let text = format!("{fault:?}: {error:#}");
                self.journal.note("fault failed", json!(text));
                &self.not_done
            }
        };
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        *count.entry(fault.word()).or_default() += 1;
    }

    async fn apply(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Kill(draw) => self.victim(draw).end_by(Signal::KILL),
            Fault::Roll(draw) => self.victim(draw).end_by(Signal::TERM),
            Fault::Freeze(draw, millis) => self.freeze(self.victim(draw), millis).await,
            Fault::CutAtCommit(times) => {
                self.count_cuts(u64::from(times));
                self.proxy.cut_next_commits(usize::try_from(times)?);
                Ok(())
            }
            Fault::CutSome(one_in) => {
                self.proxy.cut_one_in(usize::try_from(one_in)?);
                Ok(())
            }
            Fault::Silence(millis) => self.silence(millis).await,
            Fault::KillMysql => self.restart(Server::Mysql, true).await,
            Fault::KillBroker => self.restart(Server::Kafka, true).await,
            Fault::StopBroker => self.restart(Server::Kafka, false).await,
            Fault::DeleteTopic(draw, millis) => self.delete_topic(draw, millis).await,
            Fault::Poison(draw) => {
                let what = self.bell.poison(draw).await?;
                self.journal.note("poison", json!(what));
                Ok(())
            }
        }
    }

    /// Those that were ordered before and have happened; the rest is dropped.
    fn count_cuts(&self, now: u64) {
        let left = self.proxy.cuts_left() as u64;
        self.commits_cut.fetch_add(now, Ordering::SeqCst);
        self.commits_cut.fetch_sub(left, Ordering::SeqCst);
        if now == 0 {
            self.proxy.cut_next_commits(0);
        }
    }

    fn victim(&self, draw: u32) -> &Arc<Member> {
        let all = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        &self.members[(draw % all) as usize]
    }

    async fn freeze(&self, member: &Member, millis: u64) -> Result<()> {
        let pid = member.pid().context("it is between two lives")?;
        let since = Instant::now();
        member.nudge(pid, Signal::STOP)?;
        let thawed = async {
            sleep(Duration::from_millis(millis)).await;
            if member.role == Role::Sweeper {
                self.weather.gust(&member.name);
            }
            // whoever was killed meanwhile needs no waking
            member.nudge(pid, Signal::CONT).ok();
        };
        let taken = self
            .recovery
            .of_rows(member.binary(), pid, Kind::FrozenRows, since);
        futures::join!(thawed, taken);
        Ok(())
    }

    async fn silence(&self, millis: u64) -> Result<()> {
        let _one = self.mysql.lock().await;
        let outage = self.weather.clouds(Server::Mysql);
        self.proxy.fall_silent();
        sleep(Duration::from_millis(millis)).await;
        self.proxy.come_back();
        self.weather.clears(outage);
        self.recovery
            .of_work(Kind::SilenceWork, Instant::now())
            .await;
        Ok(())
    }

    async fn restart(&self, server: Server, kill: bool) -> Result<()> {
        let lock = match server {
            Server::Mysql => &self.mysql,
            Server::Kafka => &self.kafka,
        };
        let _one = lock.lock().await;
        let outage = self.weather.clouds(server);
        let ended = if kill {
            self.servers.kill(server).await
        } else {
            self.servers.stop(server).await
        };
        let started = self.servers.start(server).await;
        self.weather.clears(outage);
        ended?;
        if let Err(error) = started {
            // without it nothing can go on
            self.journal
                .violation(format!("a server does not start: {error:#}"));
            return Err(error);
        }
        let back = Instant::now();
        match server {
            Server::Mysql => self.recovery.of_work(Kind::MysqlWork, back).await,
            Server::Kafka => {
                let rings = self.recovery.of_rings(Kind::BrokerRings, None, back);
                let work = self.recovery.of_work(Kind::BrokerWork, back);
                futures::join!(rings, work);
            }
        }
        Ok(())
    }

    async fn delete_topic(&self, draw: u32, millis: u64) -> Result<()> {
        let _one = self.kafka.lock().await;
        let topics = &self.bell.topics;
        let topic = &topics[draw as usize % topics.len()];
        let outage = self.weather.clouds(Server::Kafka);
        let deleted = self.bell.delete(topic).await;
        sleep(Duration::from_millis(millis)).await;
        let mut created = self.servers.create_topics().await;
        for _ in 0..20 {
            if created.is_ok() {
                break;
            }
            sleep(Duration::from_millis(500)).await;
            created = self.servers.create_topics().await;
        }
        self.weather.clears(outage);
        deleted?;
        created?;
        // hardly a ring comes on a lane of dead letters, or of what goes beyond a share
        if !topic.ends_with(".dlt") && !topic.ends_with(".rest") {
            let (kind, back) = (Kind::TopicRings, Instant::now());
            self.recovery.of_rings(kind, Some(topic), back).await;
        }
        Ok(())
    }
}
