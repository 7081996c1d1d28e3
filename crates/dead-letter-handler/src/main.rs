//! The dead letter handler's process. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main(
        "dead-letter-handler",
        env!("CARGO_PKG_VERSION"),
        dead_letter_handler::start,
    )
}
