//! One process of a test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use testkit::eventually;

/// A running binary; killed when the test ends before it.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) child: Child,
    pub(crate) log: PathBuf,
}

impl Service {
    /// Waits for a line of the log with these words.
    pub(crate) async fn wait_for_log(&self, words: &str) -> String {
        let what = format!("{:?} in the log of {}", words, self.name);
        eventually(&what, async || self.log_line(words)).await
    }

    fn log_line(&self, words: &str) -> Option<String> {
        self.log()
            .lines()
            .find(|line| line.contains(words))
            .map(str::to_owned)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to end, as an orchestrator does, and waits until it has.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.end().await
    }

    /// Ends it without a word.
    pub(crate) async fn kill(mut self) {
        self.signal("KILL");
        assert_eq!(self.end().await.code(), None, "it did not end by itself");
    }

    /// As Ctrl-C does.
    pub(crate) async fn interrupt(mut self) -> ExitStatus {
        self.signal("INT");
        self.end().await
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh")
            .args(["-c", &kill])
            .status()
            .expect("sh runs");
        assert!(
            sent.success(),
            "{} was not alive any more: {}",
            self.name,
            self.log()
        );
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        eventually(&what, async || {
            self.child.try_wait().expect("our own child")
        })
        .await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of {}:\n{}", self.name, self.log());
        }
        // It may have ended already, and then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
