//! The sweeper's process. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main(
        "stuck-task-sweeper",
        env!("CARGO_PKG_VERSION"),
        stuck_task_sweeper::start,
    )
}
