//! The codes of api.md, each with its status and its title.

use actix_web::http::StatusCode;
use domain::{FailureCode, FaultCode};

/// The codes of api.md that the gateway answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    DatasetNotFound,
    MethodNotAllowed,
    StateConflict,
    NotReady,
    FileExpired,
    BodyTooLarge,
    FileTooLarge,
    ContextTooLarge,
    UnsupportedMedia,
    LegacyXls,
    EncryptedWorkbook,
    NotAWorkbook,
    RangeNotSatisfiable,
    UnknownColumn,
    InvalidFilter,
    UnknownQueue,
    MissingColumns,
    DuplicateHeader,
    ArchiveLimits,
    TooManyRows,
    TooManyColumns,
    EmptyFile,
    FilterRequired,
    UnknownBizType,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    QuotaExceeded,
    TooManyOpenTasks,
    DatabaseUnavailable,
    StorageUnavailable,
    IdentityUnavailable,
    Internal,
}

impl Code {
    /// Status, word and title.
    pub(super) const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The request is not understood",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "A valid token is needed",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "Your roles do not allow this",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such thing"),
            Self::DatasetNotFound => (
                StatusCode::NOT_FOUND,
                "dataset_not_found",
                "There is no such dataset",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "The method is not allowed here",
            ),
            Self::StateConflict => (
                StatusCode::CONFLICT,
                "state_conflict",
                "Its state does not allow this",
            ),
            Self::NotReady => (StatusCode::CONFLICT, "not_ready", "There is no file yet"),
            Self::FileExpired => (
                StatusCode::GONE,
                "file_expired",
                "The file is no longer kept",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is too large",
            ),
            Self::FileTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "file_too_large",
                "The file is too large",
            ),
            Self::ContextTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "context_too_large",
                "A context is too large",
            ),
            Self::UnsupportedMedia => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media",
                "The media type is not supported",
            ),
            Self::LegacyXls => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "legacy_xls",
                "The file is an old Excel workbook (.xls)",
            ),
            Self::EncryptedWorkbook => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encrypted_workbook",
                "The workbook has a password",
            ),
            Self::NotAWorkbook => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_a_workbook",
                "The file is damaged or no workbook",
            ),
            Self::RangeNotSatisfiable => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_not_satisfiable",
                "The range lies outside the file",
            ),
            Self::UnknownColumn => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_column",
                "A column is not offered",
            ),
            Self::InvalidFilter => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_filter",
                "A filter is not understood",
            ),
            Self::UnknownQueue => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_queue",
                "There is no such queue",
            ),
            Self::MissingColumns => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "missing_columns",
                "Columns that are required are missing",
            ),
            Self::DuplicateHeader => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "duplicate_header",
                "Two columns have the same header",
            ),
            Self::ArchiveLimits => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "archive_limits",
                "What the file holds exceeds the limits",
            ),
            Self::TooManyRows => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_rows",
                "There are too many rows",
            ),
            Self::TooManyColumns => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_columns",
                "There are too many columns",
            ),
            Self::EmptyFile => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "empty_file",
                "The file is empty",
            ),
            Self::UnknownBizType => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_biz_type",
                "There is no such kind of work",
            ),
            Self::FilterRequired => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "filter_required",
                "A filter is required",
            ),
            Self::IdempotencyInProgress => (
                StatusCode::CONFLICT,
                "idempotency_in_progress",
                "The first request with this key is still under way",
            ),
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The idempotency key was used for another request",
            ),
            Self::QuotaExceeded => (
                StatusCode::TOO_MANY_REQUESTS,
                "quota_exceeded",
                "A quota is used up",
            ),
            Self::TooManyOpenTasks => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_open_tasks",
                "Too many tasks are open",
            ),
            Self::DatabaseUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "database_unavailable",
                "The database is unavailable",
            ),
            Self::StorageUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "storage_unavailable",
                "File storage is unavailable",
            ),
            Self::IdentityUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "identity_unavailable",
                "The identity provider is unavailable",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side",
            ),
        }
    }
}

impl From<FaultCode> for Code {
    fn from(code: FaultCode) -> Self {
        match code {
            FaultCode::InvalidRequest => Self::InvalidRequest,
            FaultCode::DatasetNotFound => Self::DatasetNotFound,
            FaultCode::UnknownColumn => Self::UnknownColumn,
            FaultCode::InvalidFilter => Self::InvalidFilter,
            FaultCode::UnknownQueue => Self::UnknownQueue,
            FaultCode::Forbidden => Self::Forbidden,
        }
    }
}

impl From<FailureCode> for Code {
    /// The code of a request that is refused for what would have made its task fail.
    fn from(code: FailureCode) -> Self {
        match code {
            FailureCode::FileTooLarge => Self::FileTooLarge,
            FailureCode::UnsupportedMedia => Self::UnsupportedMedia,
            FailureCode::LegacyXls => Self::LegacyXls,
            FailureCode::EncryptedWorkbook => Self::EncryptedWorkbook,
            FailureCode::NotAWorkbook => Self::NotAWorkbook,
            FailureCode::MissingColumns => Self::MissingColumns,
            FailureCode::DuplicateHeader => Self::DuplicateHeader,
            FailureCode::ArchiveLimits => Self::ArchiveLimits,
            FailureCode::TooManyRows => Self::TooManyRows,
            FailureCode::TooManyColumns => Self::TooManyColumns,
            FailureCode::EmptyFile => Self::EmptyFile,
            FailureCode::DatasetNotFound => Self::DatasetNotFound,
            FailureCode::UnknownColumn => Self::UnknownColumn,
            FailureCode::InvalidRequest => Self::InvalidRequest,
            FailureCode::DatabaseUnavailable => Self::DatabaseUnavailable,
            FailureCode::StorageUnavailable => Self::StorageUnavailable,
            FailureCode::TimedOut
            | FailureCode::Internal
            | FailureCode::AllRowsFailed
            | FailureCode::Aborted => Self::Internal,
        }
    }
}
