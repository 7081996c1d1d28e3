//! A problem on the wire (RFC 9457).

use domain::FieldFault;
use serde::Serialize;
use utoipa::ToSchema;

use super::shortened;

/// Characters that are told of a fault that may be one of a hundred, and of its pointer: names in them
/// are the client's, of any length.
const MAX_FAULT_CHARS: usize = 300;

/// A problem as it is sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// A URN that ends in the code.
    pub(super) r#type: String,
    /// The code in words; always the same for a code.
    pub(super) title: String,
    pub(super) status: u16,
    /// What is wrong this time; of many faults the first ten.
    pub(super) detail: String,
    /// The path that was asked for.
    pub(super) instance: String,
    /// For programs.
    pub(super) code: String,
    /// Leads to the log.
    pub(super) request_id: String,
    /// The fields at fault, if fields are: the first 100, the last of which says how many more there
    /// are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) errors: Vec<FieldError>,
    /// Where the task, or what else it is about, stands (`state_conflict`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
    /// What may be done instead (`state_conflict`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed_actions: Option<Vec<String>>,
}

/// One field at fault.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or `/name` of a query parameter.
    pub(super) pointer: String,
    pub(super) code: String,
    pub(super) message: String,
}

impl From<FieldFault> for FieldError {
    fn from(fault: FieldFault) -> Self {
        Self {
            pointer: shortened(fault.pointer, MAX_FAULT_CHARS),
            code: fault.code.as_str().to_owned(),
            message: shortened(fault.message, MAX_FAULT_CHARS),
        }
    }
}
