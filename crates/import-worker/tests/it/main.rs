//! The laws of the import worker, on a real MySQL and the embedded broker.

mod cancels;
mod club;
mod disk;
mod duplicates;
mod failures;
mod finish;
#[path = "../../../tabular/examples/hostile/files.rs"]
mod hostile;
mod house;
mod imports;
mod keys;
#[path = "../../../tabular/tests/it/read/kit.rs"]
#[expect(
    clippy::unwrap_used,
    reason = "as in the crate whose tests these files are made for"
)]
mod kit;
mod leaving;
mod memory;
mod metrics;
mod moments;
mod options;
mod ordeals;
mod refused;
mod restart;
mod rollout;
mod sheets;
mod sizes;
mod workbook;
