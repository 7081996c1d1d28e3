//! What each thing that can go wrong means for the row, the user and the operator.

use std::error::Error;
use std::io;

use domain::{Failure, FailureCode, FaultCode, FieldFault};
use service::StorageError;
use store::StoreError;
use tokio::task::JoinError;

/// The database: tried again while it is away, an operator's matter when it refuses.
pub(crate) fn of_store(error: &StoreError) -> Failure {
    if error.is_transient() {
        Failure::transient(FailureCode::DatabaseUnavailable, chain(error))
    } else {
        Failure::permanent(FailureCode::Internal, chain(error))
    }
}

/// Object storage: tried again unless another try cannot help.
pub(crate) fn of_storage(error: &StorageError) -> Failure {
    if error.is_transient() {
        Failure::transient(FailureCode::StorageUnavailable, chain(error))
    } else {
        Failure::permanent(FailureCode::StorageUnavailable, chain(error))
    }
}

/// A definition that no longer offers what was asked for.
pub(crate) fn of_fault(fault: &FieldFault) -> Failure {
    let code = match fault.code {
        FaultCode::DatasetNotFound => FailureCode::DatasetNotFound,
        FaultCode::UnknownColumn => FailureCode::UnknownColumn,
        FaultCode::InvalidRequest
        | FaultCode::InvalidFilter
        | FaultCode::UnknownQueue
        | FaultCode::Forbidden => FailureCode::InvalidRequest,
    };
    Failure::rejected(code, &fault.message)
}

/// A thread that made the file panicked: a fault of ours, which another try may not meet.
pub(crate) fn of_panic(error: JoinError) -> Failure {
    let text = match error.try_into_panic() {
        Ok(payload) => payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| {
                payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
            })
            .unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    Failure::transient(
        FailureCode::Internal,
        format!("making the file panicked: {text}"),
    )
}

/// Why a file could not be put together.
pub(crate) struct Broken(pub(crate) Failure);

/// The pipe to the upload broke.
impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self(Failure::transient(
            FailureCode::StorageUnavailable,
            chain(&error),
        ))
    }
}

/// An error with all its sources, for operators.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
