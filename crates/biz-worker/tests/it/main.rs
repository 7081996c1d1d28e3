//! The laws of the biz worker: the real process on a real MySQL and the embedded broker, calling a
//! real HTTP server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod house;
mod http;
mod kafka;
mod process;
mod rows;
mod service;
