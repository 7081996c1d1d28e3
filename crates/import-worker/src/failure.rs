//! What each thing that can go wrong means for the row, the user and the operator.

use std::error::Error;
use std::fmt::Display;
use std::io;

use domain::{Failure, FailureCode};
use service::StorageError;
use store::StoreError;
use tabular::Refusal;
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

/// Our own disk, or the pipe to an upload.
pub(crate) fn of_disk(error: &io::Error) -> Failure {
    Failure::transient(FailureCode::StorageUnavailable, chain(error))
}

/// A file that is not read: the user's matter, unless the disk failed under it.
pub(crate) fn of_refusal(refusal: &Refusal) -> Failure {
    if refusal.code.is_users_fault() {
        Failure::rejected(refusal.code, &refusal.detail)
    } else {
        Failure::transient(refusal.code, &refusal.detail)
    }
}

/// What can only be a fault of ours, or of whoever changed a definition meanwhile.
pub(crate) fn internal(detail: impl Display) -> Failure {
    Failure::permanent(FailureCode::Internal, detail)
}

/// A thread that reads the user's file gives no sign.
pub(crate) fn of_standstill() -> Failure {
    let detail = "reading the file does not get on";
    Failure::rejected(FailureCode::NotAWorkbook, detail)
}

/// It waits for our own disk, which is no fault of the file.
pub(crate) fn of_silent_disk() -> Failure {
    let detail = "the disk does not give what of the file is asked for";
    Failure::transient(FailureCode::StorageUnavailable, detail)
}

/// A thread that reads the user's file panicked: the file is to blame.
pub(crate) fn of_reader(detail: impl Display) -> Failure {
    Failure::rejected(FailureCode::NotAWorkbook, detail)
}

/// A thread of ours panicked: a fault of ours, which another try may not meet.
pub(crate) fn of_panic(error: JoinError) -> Failure {
    Failure::transient(
        FailureCode::Internal,
        format!("a thread panicked: {}", panic_text(error)),
    )
}

/// What a panic said.
pub(crate) fn panic_text(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else {
        return "it was aborted".to_owned();
    };
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| {
        payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
    })
    .unwrap_or_default()
}

/// An error with all its sources, for operators.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
