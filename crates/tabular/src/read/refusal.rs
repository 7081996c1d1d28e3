//! Why a file is not read.

use std::fmt;

use domain::FailureCode;

/// A file that is not read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the user is told.
    pub code: FailureCode,
    /// For operators: which part, and what is wrong with it. Holds no value of the user's.
    pub detail: String,
}

impl Refusal {
    /// The file is not what its name says, or is broken.
    pub(crate) fn broken(detail: impl Into<String>) -> Self {
        Self::new(FailureCode::NotAWorkbook, detail)
    }

    /// The file holds more than is read.
    pub(crate) fn beyond(detail: impl Into<String>) -> Self {
        Self::new(FailureCode::ArchiveLimits, detail)
    }

    pub(crate) fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Refusal {}

/// Our own disk failed, or the system: the file is not to blame.
impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::new(FailureCode::Internal, format!("reading the file: {error}"))
    }
}
