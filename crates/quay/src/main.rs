//! `quay`, the command line. All of it is in the library.

fn main() -> std::process::ExitCode {
    quay::main()
}
