//! The laws of the store, on a real MySQL (`./dev test` starts it).

mod announce;
mod cancel;
mod claim;
mod commit;
mod datasets;
mod door;
mod plans;
mod rows;
mod schema;
mod settle;
mod submit;
mod sweep;
mod task;
