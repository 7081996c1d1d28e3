//! Exports: from what a client asks for to what a worker does.
//!
//! Owns [`ExportRequest`] (as it arrives), [`ExportSpec`] (checked against a dataset, stored as
//! the row's context) and the name of the file. Promises that a spec names only columns and
//! operators that the dataset offers and the caller may see, that its order is total, and that every fault of a request
//! is told with the place in the body. Values of filters are data and nothing else.
//! Proven by `tests/it/export.rs`.

mod access;
mod check;
mod fault;
mod file_name;
mod filter;
mod operand;
mod options;
mod request;
mod spec;

pub use access::Access;
pub use check::ExportDefaults;
pub use fault::{FaultCode, FieldFault};
pub(crate) use fault::{Faults, Pointer, body};
pub use file_name::safe_stem;
pub use filter::{Condition, Predicate};
pub use operand::Operand;
pub use options::ExportOptions;
pub use request::ExportRequest;
pub use spec::{ExportFormat, ExportSpec, ResolvedExport};
