//! A MySQL of one test alone, for what must not be done to the one that all tests share: killed in
//! mid-work and started again, on the same port, with what it had made durable.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio::net::TcpStream;

/// A durable server (`sync-binlog=1`, redo flushed at every commit); ends when it is dropped.
pub struct OwnMysql {
    state: TempDir,
}

impl OwnMysql {
    /// Starts one, by `deploy/local/mysql.sh`, with a state directory of its own. Blocks for some
    /// seconds.
    ///
    /// # Panics
    /// When the server cannot be started, or was never installed.
    #[must_use]
    pub fn start() -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let own = Self { state };
        own.start_again();
        own
    }

    /// Starts the server that was killed; returns when it takes connections.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_again(&self) {
        self.script("start");
    }

    /// SIGKILL: what was not made durable is lost, connections break where they are.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&self) {
        let file = self.state.path().join("run/mysql-main.pid");
        let pid = std::fs::read_to_string(file).expect("it was started");
        let sent = Command::new("kill")
            .args(["-s", "KILL", pid.trim()])
            .status();
        assert!(sent.expect("kill runs").success(), "it lives");
        // it loses its command line first, by which the script knows it, and then its port
        let command = format!("/proc/{}/cmdline", pid.trim());
        let port = self.state.path().join("ports/mysql-main");
        let port = std::fs::read_to_string(port).expect("it has one");
        let address = format!("127.0.0.1:{}", port.trim());
        crate::eventually("the server to be gone", async || {
            let left = std::fs::read(&command).unwrap_or_default();
            let listens = TcpStream::connect(&address).await.is_ok();
            (left.is_empty() && !listens).then_some(())
        })
        .await;
    }

    /// `mysql://root@127.0.0.1:PORT`, without a database.
    ///
    /// # Panics
    /// When it was never started.
    #[must_use]
    pub fn url(&self) -> String {
        self.script("url")
    }

    fn script(&self, verb: &str) -> String {
        let ran = Command::new(script())
            .args([verb, "main"])
            .env("QUAYSIDE_LOCAL", self.state.path())
            .output()
            .expect("the script runs");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "mysql.sh {verb}: {told}");
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    }
}

impl Drop for OwnMysql {
    fn drop(&mut self) {
        // nothing of it is kept; the directory goes with `state`
        let file = self.state.path().join("run/mysql-main.pid");
        if let Ok(pid) = std::fs::read_to_string(file) {
            let pid = pid.trim();
            drop(Command::new("kill").args(["-s", "KILL", pid]).status());
        }
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/mysql.sh")
}
