//! What is wrong with a request, and where.

use crate::closed_set::closed_set;

closed_set! {
    /// The codes of api.md that a request for an export can be refused with.
    FaultCode {
        InvalidRequest = "invalid_request",
        DatasetNotFound = "dataset_not_found",
        UnknownColumn = "unknown_column",
        InvalidFilter = "invalid_filter",
        UnknownQueue = "unknown_queue",
        /// A sensitive column, and the caller may not see such.
        Forbidden = "forbidden",
    }
}

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// JSON pointer (RFC 6901) into the body; empty for the body as a whole.
    pub pointer: String,
    pub code: FaultCode,
    pub message: String,
}

impl FieldFault {
    pub(crate) fn new(at: &Pointer, code: FaultCode, message: impl Into<String>) -> Self {
        Self {
            pointer: at.0.clone(),
            code,
            message: message.into(),
        }
    }
}

/// A place in a JSON body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointer(String);

impl Pointer {
    pub(crate) fn field(&self, name: &str) -> Self {
        Self(format!(
            "{}/{}",
            self.0,
            name.replace('~', "~0").replace('/', "~1")
        ))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }
}

/// The place of a field of the body.
pub(crate) fn body(field: &str) -> Pointer {
    Pointer::default().field(field)
}
