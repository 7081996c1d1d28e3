//! What handlers work with.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, ExportDefaults, HandlerCatalog, Tenant};
use engine::Announcer;
use service::House;
use store::{LogDesk, OpenTaskLimits};

use crate::auth::Authenticator;
use crate::body::LargeBodies;
use crate::compensations::Gatherer;
use crate::events::{Hub, Tickets};
use crate::imports::Uploads;

/// Shared by all handlers of all workers.
pub(crate) struct State {
    pub(crate) house: House,
    /// What is done with business work.
    pub(crate) handlers: Arc<HandlerCatalog>,
    /// Takes small calls together, and rings their rows.
    pub(crate) gatherer: Arc<Gatherer>,
    pub(crate) announcer: Announcer,
    /// Who writes what the operation log tells of that has no transaction of its own.
    pub(crate) log_desk: Option<LogDesk>,
    pub(crate) authenticator: Authenticator,
    pub(crate) tickets: Tickets,
    pub(crate) events: Arc<Hub>,
    /// The longest silence of a stream of events.
    pub(crate) keep_alive: Duration,
    pub(crate) defaults: ExportDefaults,
    pub(crate) clock: Arc<dyn Clock>,
    /// Takes files.
    pub(crate) uploads: Uploads,
    /// How long an upload may go without a byte.
    pub(crate) upload_silence: Duration,
    /// How long an upload may take in all.
    pub(crate) upload_time: Duration,
    /// How many tasks may be open at once.
    pub(crate) limits: OpenTaskLimits,
    /// Failures of an export that may be followed by another try.
    pub(crate) export_retries: u32,
    /// The same of an import, while its file is read.
    pub(crate) import_retries: u32,
    /// Whose operators look after what is the house's.
    pub(crate) house_tenant: Tenant,
    /// Where large bodies are read.
    pub(crate) large_bodies: LargeBodies,
    /// Most bytes of the context of a piece of business work.
    pub(crate) max_context_bytes: usize,
    /// When the scan looks at a row that no ring brought.
    pub(crate) scan_interval: Duration,
}
