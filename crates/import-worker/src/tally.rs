//! What the metrics tell of imports. Labels are the definitions' names and closed sets.
//!
//! - `quayside_import_batches_total{dataset, event}`: `born` by splits, `begun` attempts, `retried`
//!   attempts that follow a failure, `done`. Those that are dead are the engine's
//!   `quayside_attempts_total{biz_type="IMPORT_BATCH", outcome}`, and conflicts and deadlocks the
//!   door's `quayside_store_retries_total`.
//! - `quayside_import_rows_total{dataset, outcome}`: `inserted`, `updated`, `validated`, `failed`,
//!   `skipped`; its rate is rows per second.
//! - `quayside_import_row_errors_total{dataset, code}`.
//! - `quayside_import_files_total{dataset, outcome}`: `split`, `refused`, `finished`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::{RowCode, RowError};

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

/// Counts a batch once, when its effects are let go: whatever the last try of its transaction did,
/// however often it was repeated. A batch whose commit was refused at the very end counts too much.
pub(crate) struct BatchTally {
    dataset: String,
    counts: Mutex<Option<Counts>>,
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
            counts: Mutex::new(None),
        }
    }

    /// What the present try did.
    pub(crate) fn set(&self, counts: Counts) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
    }
}

impl Drop for BatchTally {
    fn drop(&mut self) {
        let counts = self.counts.get_mut();
        let Some(counts) = counts.unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let dataset = &self.dataset;
        batches(dataset, "done", 1);
        let validated = counts.done - counts.inserted - counts.updated;
        for (outcome, rows) in [
            ("inserted", counts.inserted),
            ("updated", counts.updated),
            ("validated", validated),
            ("failed", counts.failed),
            ("skipped", counts.skipped),
        ] {
            metrics::counter!("quayside_import_rows_total",
                "dataset" => dataset.clone(), "outcome" => outcome)
            .increment(rows.into());
        }
        for (code, errors) in counts.codes {
            metrics::counter!("quayside_import_row_errors_total",
                "dataset" => dataset.clone(), "code" => code.as_str())
            .increment(errors);
        }
    }
}

/// Counts batches.
pub(crate) fn batches(dataset: &str, event: &'static str, batches: u64) {
    metrics::counter!("quayside_import_batches_total",
        "dataset" => dataset.to_owned(), "event" => event)
    .increment(batches);
}

/// Counts a file.
pub(crate) fn file(dataset: &str, outcome: &'static str) {
    metrics::counter!("quayside_import_files_total",
        "dataset" => dataset.to_owned(), "outcome" => outcome)
    .increment(1);
}
