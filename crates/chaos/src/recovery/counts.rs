//! What processes count of themselves, by `/metrics`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use reqwest::Client;

use crate::fleet::{Member, Role};

/// How long a process has for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// One life of a process, and what it counts; none of one that does not answer.
pub(super) type Count = Option<(i32, f64)>;

/// Asks processes.
pub(super) struct Counts {
    http: Client,
    members: Vec<Arc<Member>>,
}

/// What each sweeper has done so far.
pub(super) struct Passes {
    sweeper: String,
    /// Passes that were cut short, or after which it waits for a lease: by an outage, for all it knows.
    kept: Count,
    done: Count,
}

impl Counts {
    pub(super) fn new(members: Vec<Arc<Member>>) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self { http, members })
    }

    /// What `/readyz` says now.
    pub(super) async fn is_ready(&self, member: &Member) -> bool {
        let asked = self.http.get(format!("{}/readyz", member.admin()));
        let asked = asked.send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// Rows that each process has claimed by a ring, of all lanes or of one.
    pub(super) async fn claimed_by_ring(&self, lane: Option<&str>) -> Vec<Count> {
        let of_lane = |line: &str| lane.is_none_or(|lane| line.contains(&format!("\"{lane}\"")));
        let claimed =
            |line: &str| line.starts_with("quayside_claimed_by_ring_total") && of_lane(line);
        join_all(self.members.iter().map(|member| self.sum(member, claimed))).await
    }

    /// What the sweepers have done so far.
    pub(super) async fn passes(&self) -> Vec<Passes> {
        let sweepers = self.members.iter().filter(|it| it.role == Role::Sweeper);
        let passes = sweepers.map(|member| async move {
            let pass = |line: &str| line.starts_with("quayside_sweep_passes_total");
            let is_done = |line: &str| line.contains("\"done\"");
            Passes {
                sweeper: member.name.clone(),
                kept: self.sum(member, |line| pass(line) && !is_done(line)).await,
                done: self.sum(member, |line| pass(line) && is_done(line)).await,
            }
        });
        join_all(passes).await
    }

    async fn sum(&self, member: &Member, is_meant: impl Fn(&str) -> bool) -> Count {
        let pid = member.pid()?;
        let url = format!("{}/metrics", member.admin());
        let text = self.http.get(url).send().await.ok()?.text().await.ok()?;
        let lines = text.lines().filter(|line| is_meant(line));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Some((pid, values.sum()))
    }
}

/// The sweepers that did not act all the time: another life, no answer, or a wait for a lease.
pub(super) fn kept(before: &[Passes], now: &[Passes]) -> BTreeSet<String> {
    let both = before.iter().zip(now);
    let kept = both.filter(|(before, now)| before.kept.is_none() || before.kept != now.kept);
    kept.map(|(_, now)| now.sweeper.clone()).collect()
}

/// How many passes each of them ended meanwhile, in this life.
pub(super) fn ended(before: &[Passes], now: &[Passes]) -> String {
    let both = before.iter().zip(now);
    let ended = both.map(|(before, now)| {
        let passes = match (before.done, now.done) {
            (Some((pid, before)), Some((same, now))) if pid == same => now - before,
            (_, Some((_, now))) => now,
            (_, None) => 0.0,
        };
        format!("{} ended {passes} passes", now.sweeper)
    });
    ended.collect::<Vec<_>>().join(", ")
}
