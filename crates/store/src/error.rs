//! What can go wrong at the database, told apart by what the caller does about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use thiserror::Error;

use crate::quota::Quota;

/// A failure at the database.
#[derive(Debug, Error)]
pub enum StoreError {
    /// MySQL is away, overloaded, read-only or full: nothing was written; try later.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),
    /// Deadlock, lock wait, or a table that was altered under a prepared statement, and every retry of
    /// the whole transaction met one again.
    #[error("the transaction kept meeting locks")]
    Contended(#[source] Cause),
    /// The connection was cut after COMMIT was sent: whether it happened must be read back.
    #[error("it is unknown whether the transaction was committed")]
    UnknownCommit(#[source] Cause),
    /// A guarded write matched no row: somebody else holds the row, or it has ended.
    #[error("the row is not held any more")]
    Fenced,
    /// A unique key has that value already.
    #[error("a row with that key exists")]
    Duplicate(#[source] Cause),
    /// The client's key is another request's, which has been at it for longer than a lock is waited
    /// for: what becomes of that one is not known yet.
    #[error("a request with that key is still under way")]
    InProgress(#[source] Cause),
    /// Anything else: a fault of ours.
    #[error("the database refused a statement")]
    Refused(#[source] Cause),
    /// What is stored is not what the code knows.
    #[error("a stored value is not understood: {0}")]
    Corrupt(String),
}

/// The driver's error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Whether a later try may succeed by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Contended(_) | Self::UnknownCommit(_) => true,
            Self::Fenced
            | Self::Duplicate(_)
            | Self::InProgress(_)
            | Self::Refused(_)
            | Self::Corrupt(_) => false,
        }
    }

    /// Whether the server took the transaction back because it and another waited for each other
    /// (1213); a lock that was waited for in vain is none.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        matches!(self, Self::Contended(cause) if cause.to_string().contains("Deadlock found"))
    }

    /// The word of a metric label.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Contended(_) => "contended",
            Self::UnknownCommit(_) => "unknown_commit",
            Self::Fenced => "fenced",
            Self::Duplicate(_) => "duplicate",
            Self::InProgress(_) => "in_progress",
            Self::Refused(_) if Quota::reached(self).is_some() => "quota",
            Self::Refused(_) => "refused",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

/// Texts by which MySQL says that it is away, full or not writable. diesel-async hands server
/// errors on as text, without their number; each line names the number.
const AWAY: &[&str] = &[
    "Input/output error",          // mysql_async: the socket
    "Driver error",                // mysql_async: connection closed, packets out of order
    "Server shutdown in progress", // 1053
    "Too many connections",        // 1040
    "option so it cannot execute", // 1290: --read-only, --super-read-only (failed over)
    "Running in read-only mode",   // 1836: the same of the storage engine
    "is full",                     // 1114
    "Disk full",                   // 1021
    "No space left on device",     // 1026
    "disconnected by the server",  // 4031
    "connection was killed",       // 1317
    "Query execution was interrupted",
];

/// Whether a lock was waited for in vain (1205): only the text comes through diesel.
pub(crate) fn waited_in_vain(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(_, facts) => {
            facts.message().contains("Lock wait timeout exceeded")
        }
        _ => false,
    }
}

/// Texts of what the whole transaction, begun anew, may not meet again.
const AGAIN: &[&str] = &[
    "try restarting transaction", // 1205 (lock wait time-out), 1213 (deadlock)
    "Prepared statement needs to be re-prepared", // 1615
];

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, facts) = &error else {
            return match error {
                DieselError::BrokenTransactionManager => Self::Unavailable(Box::new(error)),
                other => Self::Refused(Box::new(other)),
            };
        };
        let text = facts.message();
        if matches!(kind, DatabaseErrorKind::UniqueViolation) {
            Self::Duplicate(Box::new(error))
        } else if AGAIN.iter().any(|again| text.contains(again)) {
            Self::Contended(Box::new(error))
        } else if matches!(kind, DatabaseErrorKind::ReadOnlyTransaction)
            || AWAY.iter().any(|away| text.contains(away))
        {
            Self::Unavailable(Box::new(error))
        } else {
            Self::Refused(Box::new(error))
        }
    }
}

impl From<mysql_async::Error> for StoreError {
    fn from(error: mysql_async::Error) -> Self {
        let mysql_async::Error::Server(server) = &error else {
            return match error {
                mysql_async::Error::Url(_) => Self::Refused(Box::new(error)),
                away => Self::Unavailable(Box::new(away)),
            };
        };
        match server.code {
            1205 | 1213 | 1615 => Self::Contended(Box::new(error)),
            1021 | 1026 | 1040 | 1053 | 1114 | 1290 | 1317 | 1792 | 1836 | 4031 => {
                Self::Unavailable(Box::new(error))
            }
            1062 => Self::Duplicate(Box::new(error)),
            _ => Self::Refused(Box::new(error)),
        }
    }
}

impl From<domain::UnknownWord> for StoreError {
    fn from(error: domain::UnknownWord) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl From<domain::InvalidName> for StoreError {
    fn from(error: domain::InvalidName) -> Self {
        Self::Corrupt(error.to_string())
    }
}
