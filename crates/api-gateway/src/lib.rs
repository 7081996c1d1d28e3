//! The HTTP door: `api.md`, and nothing else.
//!
//! A handler parses, calls one use case, renders. The truth is in MySQL: a submit is accepted when
//! its transaction has committed, whether Kafka is up or not; the ring follows in the background,
//! and the relay, which runs here too, makes good what was not rung. Contract and behaviour are
//! shown by `tests/it`.

mod acts;
mod app;
mod attempts;
mod auth;
mod body;
mod compensations;
mod cursor;
mod datasets;
mod dead_letters;
mod events;
mod exports;
mod files;
mod imports;
mod lanes;
mod language;
mod listing;
mod log;
mod measures;
mod notification_settings;
mod notifications;
mod observe;
mod openapi;
mod operation_log;
mod operator;
mod problem;
mod quotas;
mod range;
mod repetition;
mod retry_after;
mod row_errors;
mod rows;
mod state;
mod tasks;
mod template;
mod view;
mod webhooks;
mod wiring;

pub use app::Gateway;
pub use wiring::start;
