//! What becomes of errors from below.

use std::time::Duration;

use actix_web::http::header;
use domain::FieldFault;
use service::StorageError;
use store::StoreError;

use super::body::FieldError;
use super::{Code, Problem};

/// What a client is told to wait whose earlier request is still under way, in seconds.
const RETRY_WHEN_UNDER_WAY: u32 = 2;

/// Faults that the sentence tells of.
const FAULTS_IN_DETAIL: usize = 10;

/// What a client is told to wait when a dependency is away.
const RETRY_WHEN_AWAY: Duration = Duration::from_secs(5);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = match &error {
            StoreError::Unavailable(_) | StoreError::Contended(_) => {
                "nothing was accepted; please try again"
            }
            StoreError::UnknownCommit(_) => {
                "it is unknown whether the request was accepted; look at your tasks before you try again"
            }
            StoreError::InProgress(_) => return Self::in_progress(),
            StoreError::Fenced
            | StoreError::Duplicate(_)
            | StoreError::Refused(_)
            | StoreError::Corrupt(_) => return Self::internal(error),
        };
        Self::away(error, detail)
    }
}

impl Problem {
    /// `409 idempotency_in_progress`.
    fn in_progress() -> Self {
        let detail = "a request with this Idempotency-Key is still under way; send it again later to \
                      learn what became of it";
        Self::new(Code::IdempotencyInProgress, detail)
            .with_header(header::RETRY_AFTER, RETRY_WHEN_UNDER_WAY)
    }

    /// `503 identity_unavailable`.
    pub(crate) fn provider_away() -> Self {
        let detail = "the token cannot be checked just now; nothing was accepted, please try again";
        Self::new(Code::IdentityUnavailable, detail)
            .with_header(header::RETRY_AFTER, RETRY_WHEN_AWAY.as_secs())
    }

    /// `503 database_unavailable`.
    pub(crate) fn away(error: StoreError, detail: &str) -> Self {
        let away = Self::new(Code::DatabaseUnavailable, detail)
            .with_header(header::RETRY_AFTER, RETRY_WHEN_AWAY.as_secs());
        Self {
            cause: Some(error.into()),
            ..away
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Transient(_) | StorageError::Content(_) => {
                let away = Self::new(Code::StorageUnavailable, "please try again")
                    .with_header(header::RETRY_AFTER, RETRY_WHEN_AWAY.as_secs());
                Self {
                    cause: Some(error.into()),
                    ..away
                }
            }
            StorageError::NotFound { .. } => Self {
                cause: Some(error.into()),
                ..Self::new(Code::FileExpired, "the file is gone from storage")
            },
            StorageError::InvalidKey { .. }
            | StorageError::TooLarge { .. }
            | StorageError::Permanent(_) => Self::internal(error),
        }
    }
}

impl From<Vec<FieldFault>> for Problem {
    /// The first fault decides the code; all of them are listed, and the sentence has the first ones.
    fn from(faults: Vec<FieldFault>) -> Self {
        let code = faults
            .first()
            .map_or(Code::InvalidRequest, |fault| fault.code.into());
        let errors: Vec<FieldError> = faults.into_iter().map(FieldError::from).collect();
        let first = errors.iter().take(FAULTS_IN_DETAIL);
        let first: Vec<&str> = first.map(|error| error.message.as_str()).collect();
        let mut detail = first.join("; ");
        if errors.len() > FAULTS_IN_DETAIL {
            detail.push_str("; and more, see errors");
        }
        Self {
            errors,
            ..Self::new(code, detail)
        }
    }
}
