//! The worker that turns EXPORT rows into files: everything but `main`.
//!
//! Owns [`ExportHandler`], the work itself, and [`start`], the process around it. Promises that a
//! file is visible only by the fenced finish, under a path that holds the epoch; that memory does
//! not grow with rows; that whichever way an attempt ends, its query and its upload
//! end with it; that it needs no temporary file; and that what a killed one could not remove, the next one removes. Proven by
//! `tests/it/`.

mod failure;
mod handler;
mod job;
mod making;
mod wiring;

pub use handler::ExportHandler;
pub use wiring::start;
