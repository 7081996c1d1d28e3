//! Runs the real `quay`.

use std::process::{Command, Output};

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
        .output()
        .expect("quay runs");
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
