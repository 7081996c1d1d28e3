//! What the metrics tell of imports. Labels are the definitions' names and closed sets.
//!
//! - `quayside_import_batches_open{dataset}`: batches that wait or are applied, whoever works on them;
//!   `quayside_import_files_open{dataset}`: files that wait to be read or told of, or are.
//! - `quayside_import_batches_dead{dataset}`: batches that were given up, by a worker or by the sweeper,
//!   and that nobody has put back or discarded: by their dead letters, so whoever counts tells the same.
//! - `quayside_import_oldest_row_seconds{dataset}`: for how long the latest of these should have been
//!   looked at; 0 when none is late.
//! - `quayside_import_batches_total{dataset, event}`: `born` by splits, `begun` attempts, `retried`
//!   attempts that follow a failure, `repeated` tries of a transaction (deadlocks and lock waits),
//!   `deadlocked` tries among them, `done`.
//! - `quayside_import_rows_total{dataset, outcome}`: `inserted`, `updated`, `validated`, `failed`,
//!   `skipped`; its rate is rows per second.
//! - `quayside_import_row_errors_total{dataset, code}`; of `conflict_changed` and `duplicate_in_db`
//!   each is a conflict with what the table holds.
//! - `quayside_import_files_total{dataset, outcome}`: `split`, `refused`, `finished`.
//!
//! Shown by `tests/it/metrics.rs`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::{RowCode, RowError};
use metrics::Unit;
use store::{Backlog, StoreError};

const BATCHES_OPEN: &str = "quayside_import_batches_open";
const FILES_OPEN: &str = "quayside_import_files_open";
const OLDEST: &str = "quayside_import_oldest_row_seconds";
const BATCHES_DEAD: &str = "quayside_import_batches_dead";
const BATCHES: &str = "quayside_import_batches_total";
const ROWS: &str = "quayside_import_rows_total";
const ROW_ERRORS: &str = "quayside_import_row_errors_total";
const FILES: &str = "quayside_import_files_total";

/// The HELP lines.
pub(crate) fn describe() {
    metrics::describe_gauge!(
        BATCHES_OPEN,
        Unit::Count,
        "Batches of imports that wait or are being applied, by dataset, in the whole house."
    );
    metrics::describe_gauge!(
        FILES_OPEN,
        Unit::Count,
        "Uploads that wait to be read or told of, or are, by dataset, in the whole house."
    );
    metrics::describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "For how long the latest file or batch of a dataset should have been looked at."
    );
    metrics::describe_gauge!(
        BATCHES_DEAD,
        Unit::Count,
        "Batches of imports that were given up and wait for a person, by dataset, in the whole house."
    );
    metrics::describe_counter!(
        BATCHES,
        Unit::Count,
        "Batches of imports by dataset and event: born with the end of a split, begun, retried after \
         a failure, repeated (the transaction, after a deadlock or a lock wait), deadlocked, done."
    );
    metrics::describe_counter!(
        ROWS,
        Unit::Count,
        "Rows of imports by dataset and outcome: inserted, updated, validated (nothing was to be \
         written), failed, skipped."
    );
    metrics::describe_counter!(
        ROW_ERRORS,
        Unit::Count,
        "Faults of imported rows by dataset and code; conflict_changed and duplicate_in_db are \
         conflicts with what the table holds."
    );
    metrics::describe_counter!(
        FILES,
        Unit::Count,
        "Uploads by dataset and outcome: split into batches, refused, finished."
    );
}

/// What became of a batch's rows; the codes in errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) done: u32,
    pub(crate) inserted: u32,
    pub(crate) updated: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
    pub(crate) codes: BTreeMap<RowCode, u64>,
}

impl Counts {
    pub(crate) fn codes(errors: &[RowError]) -> BTreeMap<RowCode, u64> {
        let mut codes = BTreeMap::new();
        for error in errors {
            *codes.entry(error.code).or_default() += 1;
        }
        codes
    }
}

/// How the last try of a batch's transaction went.
enum Try {
    None,
    Under,
    Done(Counts),
}

/// Counts a batch once, when its effects are let go: whatever the last try of its transaction did,
/// however often it was repeated. A batch whose commit was refused at the very end counts too much.
pub(crate) struct BatchTally {
    dataset: String,
    last: Mutex<Try>,
}

impl BatchTally {
    /// For an attempt that follows so many failed ones.
    pub(crate) fn new(dataset: &str, failures: u32) -> Self {
        batches(dataset, "begun", 1);
        if failures > 0 {
            batches(dataset, "retried", 1);
        }
        Self {
            dataset: dataset.to_owned(),
            last: Mutex::new(Try::None),
        }
    }

    /// The transaction begins, perhaps not for the first time.
    pub(crate) fn begin(&self) {
        if !matches!(self.put(Try::Under), Try::None) {
            batches(&self.dataset, "repeated", 1);
        }
    }

    /// What the present try did.
    pub(crate) fn end(&self, applied: Result<Counts, &StoreError>) {
        match applied {
            Ok(counts) => drop(self.put(Try::Done(counts))),
            Err(error) if error.is_deadlock() => batches(&self.dataset, "deadlocked", 1),
            Err(_) => {}
        }
    }

    fn put(&self, now: Try) -> Try {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *last, now)
    }
}

impl Drop for BatchTally {
    fn drop(&mut self) {
        let dataset = &self.dataset;
        let last = self.last.get_mut();
        let last = last.unwrap_or_else(PoisonError::into_inner);
        let Try::Done(counts) = std::mem::replace(last, Try::None) else {
            return;
        };
        batches(dataset, "done", 1);
        let validated = counts.done - counts.inserted - counts.updated;
        for (outcome, rows) in [
            ("inserted", counts.inserted),
            ("updated", counts.updated),
            ("validated", validated),
            ("failed", counts.failed),
            ("skipped", counts.skipped),
        ] {
            metrics::counter!(ROWS, "dataset" => dataset.clone(), "outcome" => outcome)
                .increment(rows.into());
        }
        for (code, errors) in counts.codes {
            metrics::counter!(ROW_ERRORS, "dataset" => dataset.clone(), "code" => code.as_str())
                .increment(errors);
        }
    }
}

/// Counts batches.
pub(crate) fn batches(dataset: &str, event: &'static str, batches: u64) {
    metrics::counter!(BATCHES, "dataset" => dataset.to_owned(), "event" => event)
        .increment(batches);
}

/// What is open of a dataset, and what was given up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Open {
    batches: u64,
    files: u64,
    oldest_seconds: u64,
    dead_batches: u64,
}

impl Open {
    /// Adds batches that were given up.
    pub(crate) fn add_dead(&mut self, batches: u64) {
        self.dead_batches += batches;
    }

    /// Adds what is open on a lane, which is one of batches or one of files.
    pub(crate) fn add(&mut self, backlog: Backlog, of_batches: bool) {
        let kind = if of_batches {
            &mut self.batches
        } else {
            &mut self.files
        };
        *kind += backlog.rows;
        self.oldest_seconds = self.oldest_seconds.max(backlog.oldest_seconds);
    }
}

/// Tells it.
pub(crate) fn open(dataset: &str, open: Open) {
    let gauges = [
        (BATCHES_OPEN, open.batches),
        (FILES_OPEN, open.files),
        (OLDEST, open.oldest_seconds),
        (BATCHES_DEAD, open.dead_batches),
    ];
    for (name, value) in gauges {
        metrics::gauge!(name, "dataset" => dataset.to_owned()).set(value as f64);
    }
}

/// Counts a file.
pub(crate) fn file(dataset: &str, outcome: &'static str) {
    metrics::counter!(FILES, "dataset" => dataset.to_owned(), "outcome" => outcome).increment(1);
}
