//! `chaos`: breaks a house and counts what came of it. All of it is in the library.

fn main() -> std::process::ExitCode {
    chaos::main()
}
