//! The laws of the domain.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod breaker;
mod budget;
mod dataset;
mod dead_letters;
mod export;
mod file;
mod groups;
mod handler;
mod handler_docs;
mod import;
mod model;
mod notice;
mod operation;
mod retry;
mod sensitive;
mod transitions;
