//! `bench`: what an export costs. All of it is in the library.

fn main() -> std::process::ExitCode {
    bench::main()
}
