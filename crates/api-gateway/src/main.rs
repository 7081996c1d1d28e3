//! The gateway's process. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main("api-gateway", env!("CARGO_PKG_VERSION"), api_gateway::start)
}
