//! The laws of the store, on a real MySQL (`./dev test` starts it).

mod announce;
mod attempts;
mod cancel;
mod changes;
mod claim;
mod commit;
mod datasets;
mod delete;
mod door;
mod filters;
mod large;
mod plans;
mod quota;
mod retry;
mod rows;
mod schema;
mod settle;
mod sources;
mod submit;
mod sweep;
mod task;
mod totals;
