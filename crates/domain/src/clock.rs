//! Time is a parameter.

use chrono::{DateTime, Utc};

/// Tells the time where the database's clock is out of reach (a file name, a token). Decisions
/// about rows are never made by it: only the database's clock decides (cases.md C 16).
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

impl<F: Fn() -> DateTime<Utc> + Send + Sync> Clock for F {
    fn now(&self) -> DateTime<Utc> {
        self()
    }
}
