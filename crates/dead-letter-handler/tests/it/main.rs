//! The laws of the dead letter handler, on a real MySQL and the embedded broker.

mod forged;
mod house;
mod open;
mod process;
mod telling;
