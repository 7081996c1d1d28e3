//! Runs the real `quay`.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What went to stdout, as the JSON that it is.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("stdout is one JSON value")
    }
}

/// Runs `quay` with no environment but what is given.
pub(crate) fn quay(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_quay"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("quay runs");
    ran(output)
}

/// Runs it at a terminal (util-linux's `script`) on which that is typed; what the terminal shows
/// is in `stdout`.
pub(crate) fn on_terminal(arguments: &[&str], environment: &[(&str, &str)], typed: &str) -> Ran {
    let command = format!("{} {}", env!("CARGO_BIN_EXE_quay"), arguments.join(" "));
    let mut terminal = Command::new("/usr/bin/script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_clear()
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut keyboard = terminal.stdin.take().expect("a pipe");
    keyboard.write_all(typed.as_bytes()).expect("it is read");
    drop(keyboard);
    ran(terminal.wait_with_output().expect("it ends"))
}

fn ran(output: Output) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    Ran {
        code: status.code().expect("quay ends by itself"),
        stdout: String::from_utf8(stdout).expect("stdout is text"),
        stderr: String::from_utf8(stderr).expect("stderr is text"),
    }
}
