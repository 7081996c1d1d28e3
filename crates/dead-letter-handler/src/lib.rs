//! The worker that brings dead letters to people's attention: everything but `main`.
//!
//! Owns the handler of DEAD_LETTER rows ([`DeadLetterHandler`]): one line in the log, one metric, and
//! one notification for each kind of letter and day, whose count rises with the row's finish and not
//! without it; the gauge of open letters; and [`start`], the process around them. Repairing is done
//! at the gateway. Promises that it makes no dead letter itself: what it cannot tell of, and what
//! cannot be decoded on a lane of dead letters, is PARKED. Proven by `tests/it/`.

mod handler;
mod kind;
mod open;
mod wiring;

pub use handler::DeadLetterHandler;
pub use kind::{Kind, Known};
pub use open::OpenGauge;
pub use wiring::start;
