//! The laws of the biz worker: the real process on a real MySQL and the embedded broker, calling a
//! real HTTP server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod code;
mod groups;
mod hosts;
mod house;
mod http;
mod http_batch;
mod kafka;
mod levels;
mod notify;
mod only;
mod operation_log;
mod process;
mod retention;
mod rows;
mod service;
mod strays;
