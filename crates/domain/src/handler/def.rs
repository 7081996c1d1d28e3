//! What a definition says, after it was found to be whole.

use std::time::Duration;

use url::Url;

use super::notify::NotifySpec;
use super::range::IpRange;
use crate::{BizType, ImportMode, Lane, Place, RetryPolicy};

/// How the rows of one biz type are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerDef {
    pub biz_type: BizType,
    /// What is done with a row.
    pub kind: HandlerKind,
    /// The lane of rows that name no queue: `quayside.biz.<biz_type>`, as of rows that a plain SQL
    /// client inserts.
    pub lane: Lane,
    /// Further queues by the name that requests call them, each a lane of its own.
    pub queues: Vec<(String, Lane)>,
    /// The lanes of each queue.
    pub levels: Vec<Levels>,
    /// Rows that one tenant may have open on a usual lane before further ones go to its rest.
    pub share: u32,
    /// Rows that are worked on together, at most; 1 to 1,000.
    pub batch_size: u32,
    /// Rows that one worker works on at once; of a kind that works in batches, four times the
    /// batches.
    pub concurrency: u32,
    /// How long a row is held without a heartbeat.
    pub lease: Duration,
    /// An attempt that runs longer than this is ended for good: its row gets no further try. Work that
    /// is done in one transaction has none.
    pub hard_deadline: Duration,
    /// How often and how soon a transient failure is tried again.
    pub retry: RetryPolicy,
    /// How often due rows are looked for that no ring brought.
    pub scan_interval: Duration,
    /// How long one call out may take.
    pub timeout: Duration,
    /// Who may submit.
    pub roles: Vec<String>,
    pub place: Place,
}

impl HandlerDef {
    /// The lane of a queue; none when there is no such queue.
    pub fn lane_of(&self, queue: Option<&str>) -> Option<&Lane> {
        match queue {
            None | Some("default") => Some(&self.lane),
            Some(queue) => {
                let mut queues = self.queues.iter();
                queues.find(|(name, _)| name == queue).map(|(_, it)| it)
            }
        }
    }

    /// The usual lane of each queue.
    pub fn usual_lanes(&self) -> impl Iterator<Item = &Lane> {
        let further = self.queues.iter().map(|(_, lane)| lane);
        std::iter::once(&self.lane).chain(further)
    }

    /// Every lane on which rows of this type may be.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        let levels = self.levels.iter();
        let further = levels.flat_map(|levels| [&levels.urgent, &levels.rest]);
        self.usual_lanes().chain(further)
    }

    /// The lanes beside a usual one; none when it is no usual lane of this definition.
    pub fn levels_of(&self, usual: &Lane) -> Option<&Levels> {
        self.levels.iter().find(|levels| levels.usual == *usual)
    }

    /// The queues by name, `default` first.
    pub fn queue_names(&self) -> impl Iterator<Item = &str> {
        let further = self.queues.iter().map(|(name, _)| name.as_str());
        std::iter::once("default").chain(further)
    }

    /// True when one of `roles` is named by the definition. Who stands above the definitions is the
    /// gateway's to know.
    pub fn may_submit(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }
}

/// The lowest priority of urgent work; the highest is 9.
pub const URGENT_FROM: u8 = 5;

/// The lanes of one queue, so that some of its work need not wait for the rest: together they have
/// the queue's turns in a worker, and each of them gets some while others wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// Of work with a priority of [`URGENT_FROM`] or more.
    pub urgent: Lane,
    /// Of all other work,
    pub usual: Lane,
    /// but for what a tenant asks for beyond its share.
    pub rest: Lane,
}

/// What is done with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerKind {
    /// It becomes a row of a dataset's table, in the transaction that finishes it.
    Rows(RowsSpec),
    /// A business service is called.
    Http(HttpSpec),
    /// The worker has code for it, by this name.
    Code(String),
    /// Somebody is told something.
    Notify(NotifySpec),
    /// It becomes an entry of the operation log, in the transaction that finishes it.
    OperationLog,
}

impl HandlerKind {
    /// The word of the definition file.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Rows(_) => "rows",
            Self::Http(_) => "http",
            Self::Code(_) => "code",
            Self::Notify(_) => "notify",
            Self::OperationLog => "operation_log",
        }
    }
}

/// `[rows]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsSpec {
    /// The dataset whose table is written.
    pub dataset: String,
    pub mode: ImportMode,
    /// Each column of the dataset with the field of the context that it is filled from.
    pub columns: Vec<(String, String)>,
}

/// `[http]`: a POST of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSpec {
    pub target: HttpTarget,
    /// Hosts that may be called, in lower case, at any port or as `host:port` at this one; never
    /// empty.
    pub hosts: Vec<String>,
    /// Calls of one host at once, however many rows are in each; half of the handler's concurrency
    /// where there are several hosts, if the definition does not say.
    pub host_concurrency: Option<u32>,
    /// How long rows wait for a host that is away without spending a try.
    pub host_patience: Duration,
    /// Ranges of addresses that are no public ones and may be called all the same.
    pub private_ranges: Vec<IpRange>,
    /// The name of the secret that signs the calls, as the settings call it.
    pub secret: Option<String>,
}

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpTarget {
    /// Always this address.
    Fixed(Url),
    /// The address that stands in this field of the context.
    Field(String),
}

impl HttpSpec {
    /// Why an address may not be called, however it came about.
    ///
    /// # Errors
    /// A reason for operators, which names no part of the address.
    pub fn check_url(&self, url: &Url) -> Result<(), &'static str> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err("the address is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address has a user or a password");
        }
        let host = url.host_str().ok_or("the address names no host")?;
        let port = url.port_or_known_default().unwrap_or_default();
        let at_port = format!("{host}:{port}");
        let mut hosts = self.hosts.iter();
        if hosts.any(|known| known == host || *known == at_port) {
            Ok(())
        } else {
            Err("the host of the address is not in `hosts`")
        }
    }
}
