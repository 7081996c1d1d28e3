//! What was printed of which task, while all of them are watched.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::print::answer;
use crate::progress::describe;
use crate::text::plain;
use crate::wire::{Answered, Task};

/// Tasks whose version is remembered; the oldest are forgotten beyond it.
const MAX_KNOWN: usize = 10_000;

/// The versions that were printed, so that a state is printed once, and never an older one.
pub(super) struct Known {
    versions: BTreeMap<u64, u64>,
    as_json: bool,
}

impl Known {
    pub(super) fn new(as_json: bool) -> Self {
        Self {
            versions: BTreeMap::new(),
            as_json,
        }
    }

    /// Whether any of them was new. What had ended before the watching began is not printed.
    pub(super) fn take_all(&mut self, tasks: Vec<Answered>, begun: bool) -> bool {
        let mut any = false;
        for task in &tasks {
            any |= self.take(task, begun || !task.task.status.is_final());
        }
        any
    }

    pub(super) fn take(&mut self, answered: &Answered, print: bool) -> bool {
        let task = &answered.task;
        let Ok(id) = task.id.parse::<u64>() else {
            return false;
        };
        if self.versions.get(&id) >= Some(&task.version) {
            return false;
        }
        self.versions.insert(id, task.version);
        if self.versions.len() > MAX_KNOWN {
            self.versions.pop_first();
        }
        match (print, self.as_json) {
            (false, _) => {}
            (true, true) => print_line(&answered.json),
            (true, false) => answer(line(task)),
        }
        true
    }
}

/// `42  PROCESSING exporting  3,000 of ~5,000 rows, ~60 %  员工信息.xlsx`
fn line(task: &Task) -> String {
    let name = task.name.as_deref().unwrap_or(&task.dataset);
    let why = task.error.as_ref();
    let why = why.map(|error| format!("  {} [{}]", plain(&error.message), plain(&error.code)));
    let why = why.unwrap_or_default();
    format!("{}  {}  {}{why}", task.id, describe(task), plain(name))
}

pub(super) fn print_line(json: &Value) {
    answer(json);
}
