//! The laws of the domain.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod dataset;
mod export;
mod file;
mod groups;
mod import;
mod retry;
mod sensitive;
mod transitions;
