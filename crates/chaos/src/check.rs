//! What came of it: the invariants of cases.md C over the database and the storage, once nothing
//! moves any more.

mod business;
mod effects;
mod exports;
mod rows;
mod tasks;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::book::{Accepted, AcceptedBusiness};
use crate::client::{Address, Client};
use crate::database::Database;
use crate::journal::Journal;
use crate::service::Service;

/// Tasks that are asked for at once.
const AT_ONCE: usize = 8;

/// What the last line tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests and items.
    pub accepted: u64,
    /// As it was wanted.
    pub done: u64,
    /// Given up.
    pub dead: u64,
    /// By a person.
    pub cancelled: u64,
    /// Neither of these: there is none.
    pub lost: u64,
    /// Accepted, or done, twice.
    pub doubled: u64,
    /// Of exports.
    pub files: u64,
    /// Written in all.
    pub effects: u64,
    /// Set aside.
    pub letters: u64,
    /// Items of business work among what was accepted.
    pub business: u64,
    /// Calls that the service heard.
    pub calls: u64,
    /// More than one for an item.
    pub calls_repeated: u64,
}

/// A task as the gateway tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) status: String,
    pub(crate) total: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) unprocessed: u64,
    pub(crate) error: String,
}

/// Reads and compares.
pub struct Checker {
    pub(crate) database: Database,
    pub(crate) client: Client,
    pub(crate) journal: Arc<Journal>,
    pub(crate) service: Arc<Service>,
    pub(crate) members: u64,
}

impl Checker {
    /// For those who check the checker: of a database (`mysql://…`), of a gateway (`http://…`) that has
    /// so many members to export, and of a service that nobody has called yet. Its evidence goes to the directory.
    ///
    /// # Errors
    /// When the address makes no sense, the directory cannot be written, or no port is free.
    pub async fn apart(
        mysql: &str,
        gateway: String,
        members: u64,
        evidence: &Path,
    ) -> Result<Self> {
        let journal = Arc::new(Journal::begin(evidence)?);
        let gateways: Vec<Address> = vec![Box::new(move || gateway.clone())];
        let told = (Arc::default(), Arc::clone(&journal));
        Ok(Self {
            database: Database::new(mysql)?,
            client: Client::new(gateways, "", told, CancellationToken::new())?,
            journal,
            service: Arc::new(Service::open(0).await?),
            members,
        })
    }

    /// `http://…` of the service that is to be called.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service.url
    }

    /// What was found to be wrong.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations().1
    }

    /// Waits until no work is open; what still is after `patience` is a violation.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn quiet(&self, patience: Duration) -> Result<()> {
        let began = Instant::now();
        let mut seen = None;
        while began.elapsed() < patience {
            let open = self.database.open().await.ok();
            if open == Some((0, 0)) && seen == Some((0, 0)) {
                return Ok(());
            }
            seen = open;
            sleep(Duration::from_millis(500)).await;
        }
        let open = "SELECT CONCAT_WS(' ', id, biz_type, status, 'epoch', lease_epoch, 'cnt', cnt,
                      'announced', announced, 'wake_at', wake_at, lease_owner, last_failed_reason)
                    FROM compensate_biz WHERE status IN ('WAIT_HANDLE', 'PROCESSING') LIMIT 20";
        for row in self.database.query::<String>(open).await? {
            self.journal
                .violation(format!("still open after {} s: {row}", patience.as_secs()));
        }
        let open = "SELECT CONCAT_WS(' ', id, kind, status) FROM task
                    WHERE status IN ('PENDING', 'PROCESSING') LIMIT 20";
        for row in self.database.query::<String>(open).await? {
            self.journal.violation(format!("task still open: {row}"));
        }
        Ok(())
    }

    /// Everything.
    ///
    /// # Errors
    /// When the database or a gateway does not answer: what is true is not known then.
    pub async fn check(
        &self,
        accepted: &[Accepted],
        business: &[AcceptedBusiness],
    ) -> Result<Tally> {
        let told = self.told(accepted).await?;
        let mut tally = Tally {
            accepted: accepted.len() as u64,
            ..Tally::default()
        };
        self.tasks(accepted, &told, &mut tally).await?;
        let mut written = self.written(&mut tally).await?;
        self.effects(accepted, &told, &mut written, &mut tally);
        self.business(business, &mut written, &mut tally).await?;
        for (effect, times) in written {
            self.journal.violation(format!(
                "nobody accepted the effect {effect} ({times} times)"
            ));
        }
        self.exports(accepted, &told, &mut tally).await?;
        self.rows(&mut tally).await?;
        self.journal.note("tally", json!(format!("{tally:?}")));
        Ok(tally)
    }

    /// A query whose every row is a violation.
    async fn none(&self, what: &str, sql: &str) -> Result<()> {
        for row in self.database.query::<String>(sql).await? {
            self.journal.violation(format!("{what}: {row}"));
        }
        Ok(())
    }
}

pub(crate) type AllTold = BTreeMap<u64, Told>;
