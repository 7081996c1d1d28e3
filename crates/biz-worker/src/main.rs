//! The biz worker's process. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main("biz-worker", env!("CARGO_PKG_VERSION"), biz_worker::start)
}
