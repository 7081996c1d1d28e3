//! Everything that happened, a JSON line each, and the faults found so far.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Violations that are kept word by word; the rest is counted.
const KEPT: usize = 200;

/// The evidence of one run.
pub(crate) struct Journal {
    began: Instant,
    events: Mutex<File>,
    violations: Mutex<(usize, Vec<String>)>,
}

impl Journal {
    /// Begins now; writes to `events.jsonl` of the directory.
    pub(crate) fn begin(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join("events.jsonl");
        let events = File::create(&path).with_context(|| path.display().to_string())?;
        Ok(Self {
            began: Instant::now(),
            events: Mutex::new(events),
            violations: Mutex::default(),
        })
    }

    /// Since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes an event down.
    pub(crate) fn note(&self, kind: &str, what: Value) {
        let line = json!({"s": self.now().as_secs_f64(), "kind": kind, "what": what});
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(events, "{line}") {
            eprintln!("the evidence cannot be written: {error}");
        }
    }

    /// A promise was broken.
    pub(crate) fn violation(&self, text: impl Into<String>) {
        let text = text.into();
        self.note("violation", json!(text));
        let mut found = self
            .violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        found.0 += 1;
        if found.1.len() < KEPT {
            found.1.push(text);
        }
    }

    /// How many, and the first of them.
    pub(crate) fn violations(&self) -> (usize, Vec<String>) {
        self.violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
