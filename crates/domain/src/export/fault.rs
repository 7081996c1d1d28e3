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

/// Faults of a request that are told, at most.
const MAX_TOLD: usize = 100;

/// The faults of a request, as they are found. The first 100 are kept, the others counted: a request
/// may hold as many as its body has room for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    told: Vec<FieldFault>,
    more: usize,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: FieldFault) {
        if self.told.len() < MAX_TOLD {
            self.told.push(fault);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What is told of them; of many, the last one says how many more there are.
    pub(crate) fn told(mut self) -> Vec<FieldFault> {
        if let (Some(last), 1..) = (self.told.last_mut(), self.more) {
            let more = format!("; {} more faults are not listed", self.more);
            last.message.push_str(&more);
        }
        self.told
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
