//! Runs work: takes rows of a lane by ring and by scan, runs their handlers under a lease, settles
//! them, rings, relays and sweeps. Knows no kind of work.
//!
//! What it promises (at most one handler per row and epoch, effects exactly with the finish, nothing
//! lost when Kafka, MySQL, a worker or all of them go away) is shown by `tests/it/`.

mod announce;
mod attempt;
mod board;
mod breaker;
mod budget;
mod bulk;
mod chain;
mod ears;
mod gate;
mod handler;
mod lane;
mod lanes;
mod measures;
mod pulse;
mod relay;
mod run;
mod sweeper;
mod turns;

pub use announce::Announcer;
pub use attempt::Attempt;
pub use board::LaneBoard;
pub use bulk::{BulkHandler, BulkSettings, BulkWorker};
pub use handler::BizHandler;
pub use lane::{LaneSettings, LaneWorker};
pub use relay::{Relay, RelayAll, RelayLane};
pub use sweeper::{Leases, Sweeper, until_answered};
pub use turns::{Asked, Seat, Turn, Turns};
