//! The export worker's process. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main(
        "export-worker",
        env!("CARGO_PKG_VERSION"),
        export_worker::start,
    )
}
