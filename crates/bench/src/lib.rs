//! The benchmark, for `./dev bench export`, `import`, `compensations`, `coupons` and `hostile`: no part of production.
//!
//! It measures servers that run (deploy/local/bench.sh starts and stops them) from outside, as a
//! client of the gateway and as a reader of `/proc`, and prints a table. Nothing is asserted but
//! one thing: a file whose cells are not those of the table voids its run ([`check_workbook`],
//! [`check_csv`]; shown by `tests/it/check.rs`). docs/PERFORMANCE.md says what the figures mean.

mod bench;
mod check;
mod cli;
mod compensations;
mod contender;
mod coupons;
mod database;
mod figures;
mod gateway;
mod hostile;
mod imports;
mod load;
mod machine;
mod peer;
mod record;
mod report;
mod rounds;
mod servers;
mod small;
mod twice;

pub use bench::main;
pub use check::{Row, check_csv, check_workbook};
pub use figures::{median, percentile};
pub use machine::{cpu_of_children, cpu_of_process};
