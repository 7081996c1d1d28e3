//! How a command ends: one number for scripts, one text for people.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

/// Exit codes. `quay --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// The task failed or was cancelled, or something broke on this machine.
    Failed = 1,
    /// The command line is wrong. clap uses the same number.
    Usage = 2,
    /// Gateway, database or broker cannot be reached, or take no more for now; try later.
    Unavailable = 3,
    /// The server refused (a 4xx answer); trying again unchanged does not help.
    Refused = 4,
    /// Waiting timed out; the work goes on.
    StillRunning = 5,
    /// An import or a group ended, and some of its rows could not be done.
    Partial = 6,
    /// A person interrupted it (SIGINT). What was submitted goes on.
    Interrupted = 130,
}

/// The table of exit codes, as the help prints it.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the task failed or was cancelled, or something broke on this machine
  2    the command line is wrong
  3    gateway, database or broker cannot be reached, or take no more for now: try later
  4    refused by the server (4xx but 429): trying again unchanged does not help
  5    timed out while waiting: the work goes on
  6    done, but for some rows
  130  interrupted: what was submitted goes on";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended badly: what happened and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    advice: Option<String>,
    code: Option<String>,
    retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            advice: None,
            code: None,
            retry_after: None,
        }
    }

    /// Something broke on this machine while doing `deed`.
    pub(crate) fn local(deed: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, format!("{deed}: {error}"))
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Adds the next step.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds a further step after those that are there.
    pub(crate) fn also(mut self, advice: impl AsRef<str>) -> Self {
        let text = self.advice.get_or_insert_default();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(advice.as_ref());
        self
    }

    /// Keeps the code that the gateway gave its refusal (api.md, errors).
    pub(crate) fn coded(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// The code of the gateway's refusal; empty for every other failure.
    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// Keeps when the gateway wants to be asked again.
    pub(crate) fn after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What happened, without what to do about it.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for line in self.advice.iter().flat_map(|advice| advice.lines()) {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// An error with everything beneath it on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// The text at the bottom of an error: what the operating system or the library said.
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut lowest = error;
    while let Some(cause) = lowest.source() {
        lowest = cause;
    }
    lowest.to_string()
}
