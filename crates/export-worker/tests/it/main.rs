//! The laws of the export worker, on a real MySQL and the embedded broker.

mod export;
mod forms;
mod held;
mod house;
mod process;
