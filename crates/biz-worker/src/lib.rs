//! Runs business work by the handlers that definition files name: rows of a dataset's table, calls
//! of a business service.
//!
//! Each biz type has lanes, loops and permits of its own, so that one that is slow or broken holds up
//! no other. Shown by `tests/it/`.

mod http;
mod measures;
mod rows;
mod wiring;

pub use http::{Call, HttpHandler};
pub use rows::RowsHandler;
pub use wiring::start;
