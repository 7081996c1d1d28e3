//! The import worker's process. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main(
        "import-worker",
        env!("CARGO_PKG_VERSION"),
        import_worker::start,
    )
}
