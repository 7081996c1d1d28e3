//! What handlers work with.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, ExportDefaults};
use engine::Announcer;
use service::House;

use crate::auth::Authenticator;

/// Shared by all handlers of all workers.
pub(crate) struct State {
    pub(crate) house: House,
    pub(crate) announcer: Announcer,
    pub(crate) authenticator: Authenticator,
    pub(crate) defaults: ExportDefaults,
    pub(crate) clock: Arc<dyn Clock>,
    /// Failures of an export that may be followed by another try.
    pub(crate) max_retries: u32,
    /// When the scan looks at a row that no ring brought.
    pub(crate) scan_interval: Duration,
}
