//! Runs business work by the handlers that definition files name: rows of a dataset's table, calls
//! of a business service.
//!
//! Each biz type has lanes, loops and permits of its own, so that one that is slow or broken holds up
//! no other. Shown by `tests/it/`.

mod backlog;
mod code;
mod http;
mod measures;
mod notify;
mod operation_log;
mod rows;
mod served;
mod strays;
mod wiring;

pub use code::Code;
pub use http::{Call, HttpHandler};
pub use notify::NotifyHandler;
pub use operation_log::OperationLogHandler;
pub use rows::RowsHandler;
pub use wiring::{start, start_with};
