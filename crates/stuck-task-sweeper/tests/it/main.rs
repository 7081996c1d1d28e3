//! The laws of the sweeper: as a process, on a real MySQL and the embedded broker; and its retention.

mod backlog;
mod house;
mod process;
mod retention;
