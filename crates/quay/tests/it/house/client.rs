//! Whoever runs `quay` against a house.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use super::{House, token};
use crate::command::{Ran, on_terminal, quay};
use crate::service::Service;

impl House {
    /// Runs `quay` as a user of tenant acme with that role.
    pub(crate) fn quay_as(&self, role: &str, arguments: &[&str]) -> Ran {
        self.run(&self.url, role, arguments)
    }

    pub(crate) fn quay(&self, arguments: &[&str]) -> Ran {
        self.run(&self.url, "MANAGER", arguments)
    }

    /// Runs `quay` as a manager who reaches the gateway by that address.
    pub(crate) fn quay_at(&self, url: &str, arguments: &[&str]) -> Ran {
        self.run(url, "MANAGER", arguments)
    }

    fn run(&self, url: &str, role: &str, arguments: &[&str]) -> Ran {
        let token = token(role);
        let environment = [
            ("QUAYSIDE_URL", url),
            ("QUAYSIDE_TOKEN", token.as_str()),
            ("QUAYSIDE_MYSQL", self.database.url()),
        ];
        quay(arguments, &environment)
    }

    /// Runs `quay` as a manager at a terminal who types that, and then goes away.
    pub(crate) fn quay_on_terminal(&self, arguments: &[&str], typed: &str) -> Ran {
        let token = token("MANAGER");
        let environment = [
            ("QUAYSIDE_URL", self.url.as_str()),
            ("QUAYSIDE_TOKEN", &token),
        ];
        on_terminal(arguments, &environment, typed)
    }

    /// Starts `quay` as a manager and does not wait for it.
    pub(crate) fn start_quay(&self, arguments: &[&str]) -> Service {
        self.start_quay_at(&self.url, arguments)
    }

    /// As [`House::start_quay`], for one who reaches the gateway by that address.
    pub(crate) fn start_quay_at(&self, url: &str, arguments: &[&str]) -> Service {
        let log = self.folder.path().join("quay.log");
        let file = File::create(&log).expect("a log file");
        let printed = File::create(self.folder.path().join("quay.out")).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_quay"))
            .args(arguments)
            .env_clear()
            .env("QUAYSIDE_URL", url)
            .env("QUAYSIDE_TOKEN", token("MANAGER"))
            .stdin(Stdio::null())
            .stdout(printed)
            .stderr(file)
            .spawn()
            .expect("quay runs");
        Service {
            name: "quay",
            child,
            log,
        }
    }

    /// What the `quay` that was started last has printed to stdout so far.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(self.folder.path().join("quay.out")).expect("a text")
    }
}
