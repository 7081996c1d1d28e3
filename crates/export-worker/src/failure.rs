//! What each thing that can go wrong means for the row, the user and the operator.

use std::error::Error;

use domain::{Failure, FailureCode, FaultCode, FieldFault};
use service::StorageError;
use store::StoreError;
use tabular::WriteError;
use tokio::task::JoinError;

/// With which words rust_xlsxwriter panics when its temporary file cannot be written.
const TEMP_FILE_PANIC: &str = "Couldn't write to xml file";

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

/// The sheet: a full one is for the user to narrow, the rest is the local disk.
pub(crate) fn of_writer(error: &WriteError) -> Failure {
    match error {
        WriteError::TooManyRows(_) => Failure::rejected(FailureCode::TooManyRows, chain(error)),
        WriteError::Workbook(_) => {
            Failure::transient(FailureCode::StorageUnavailable, chain(error))
        }
    }
}

/// A definition that no longer offers what was asked for.
pub(crate) fn of_fault(fault: &FieldFault) -> Failure {
    let code = match fault.code {
        FaultCode::DatasetNotFound => FailureCode::DatasetNotFound,
        FaultCode::UnknownColumn => FailureCode::UnknownColumn,
        FaultCode::InvalidRequest | FaultCode::InvalidFilter | FaultCode::UnknownQueue => {
            FailureCode::InvalidRequest
        }
    };
    Failure::rejected(code, &fault.message)
}

/// The writer's thread panicked: a full disk, or a fault of ours that another try may not meet.
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
    let disk = text.contains(TEMP_FILE_PANIC);
    let code = if disk {
        FailureCode::StorageUnavailable
    } else {
        FailureCode::Internal
    };
    Failure::transient(code, format!("the sheet's writer panicked: {text}"))
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
