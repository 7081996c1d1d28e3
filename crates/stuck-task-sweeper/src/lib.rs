//! The process that looks after what nobody looks after any more: everything but `main`.
//!
//! Owns [`start`], the process, and [`Retention`]; rescue and relay are engine's `Sweeper` and
//! `RelayAll`, over every lane that any row names. Promises that several may run without a leader and
//! without harm; that nothing is done in the first lease period after the start or after the database
//! was away; that each pass is bounded, and a database or a storage that is away ends it and is waited
//! for; and that nothing goes that somebody may still need. Proven by `tests/it/`, and by the store's
//! `sweep` and `retention`.

mod backlog;
mod directory;
mod done;
mod retention;
mod wiring;

pub use retention::{Pass, Retention};
pub use wiring::start;
