//! How far a task has come, in words and on a bar; never further than the gateway says.
//!
//! A figure that rests on an estimate carries `~`. Percents are cut, not rounded: 100 stands there
//! only when all is done.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::print;
use crate::text::{count, plain, span};
use crate::wire::{Progress, Task};

/// Steps of the bar: tenths of a percent, as the gateway counts them.
const FULL: u64 = 1000;

/// The bar, hidden by itself when stderr is no terminal; then lines are printed instead.
pub(crate) struct Shown {
    bar: ProgressBar,
    last_line: RefCell<String>,
}

impl Shown {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(FULL);
        bar.set_style(spinning());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            last_line: RefCell::default(),
        }
    }

    pub(crate) fn show(&self, task: &Task) {
        match tenths(task).filter(|_| task.progress.done_rows > 0) {
            Some(tenths) => {
                self.bar.set_style(filling());
                self.bar.set_position(tenths);
            }
            None => self.bar.set_style(spinning()),
        }
        self.say(&describe(task));
    }

    /// On a terminal in place of the last line, otherwise beneath it unless it is the same.
    pub(crate) fn say(&self, line: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_message(line.to_owned());
        } else if *self.last_line.borrow() != line {
            print::say(line);
            self.last_line.replace(line.to_owned());
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Tenths of a percent; below full until the task is final, whatever was told.
fn tenths(task: &Task) -> Option<u64> {
    let percent = task.progress.percent?;
    let most = if task.status.is_final() {
        FULL
    } else {
        FULL - 1
    };
    // What was written as 53.3 may be read as 53.299…
    let cut = (percent * 10.0 + 1e-6).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let tenths = cut.clamp(0.0, FULL as f64) as u64;
    Some(tenths.min(most))
}

/// `PROCESSING exporting  64,000 of ~120,000 rows, ~53.3 %, 8,100 rows/s, ~7 s left`
pub(crate) fn describe(task: &Task) -> String {
    let over = task.status.is_final();
    let phase = task.progress.phase.as_deref().filter(|_| !over);
    let phase = phase.map(|phase| format!(" {}", plain(phase)));
    let again = match task.retry_count {
        0 => String::new(),
        failed => format!(" (try {})", u64::from(failed) + 1),
    };
    let state = format!("{}{}{again}", task.status, phase.unwrap_or_default());
    let figures = figures(task);
    if figures.is_empty() {
        state
    } else {
        format!("{state}  {figures}")
    }
}

/// What is known of the rows; nothing before the first is counted.
fn figures(task: &Task) -> String {
    let over = task.status.is_final();
    let progress = &task.progress;
    let total = known_total(progress).filter(|total| over || *total > 0);
    if total.is_none() && progress.done_rows == 0 {
        return String::new();
    }
    let about = about(progress);
    let mut parts = vec![format!("{} rows", done_of_total(progress))];
    if progress.failed_rows > 0 {
        parts.push(format!("{} failed", count(progress.failed_rows)));
    }
    let percent = tenths(task).filter(|_| total.is_some());
    parts.extend(percent.map(|tenths| match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{about}{whole} %"),
        (whole, tenth) => format!("{about}{whole}.{tenth} %"),
    }));
    if !over {
        let rate = progress.rows_per_second.filter(|rate| *rate > 0);
        parts.extend(rate.map(|rate| format!("{} rows/s", count(rate))));
        parts.extend(
            progress
                .eta_seconds
                .map(|eta| format!("~{} left", span(eta))),
        );
    }
    parts.join(", ")
}

/// `64,000 of ~120,000`, or what is done alone.
pub(crate) fn done_of_total(progress: &Progress) -> String {
    let done = count(progress.done_rows);
    match known_total(progress) {
        Some(total) => format!("{done} of {}{}", about(progress), count(total)),
        None => done,
    }
}

fn about(progress: &Progress) -> &'static str {
    if progress.total_is_estimate { "~" } else { "" }
}

/// While the total is not known the gateway gives what is done in its place, and no percent.
fn known_total(progress: &Progress) -> Option<u64> {
    progress.total_rows.filter(|_| progress.percent.is_some())
}

fn spinning() -> ProgressStyle {
    style("{spinner} {wide_msg} {elapsed}")
}

fn filling() -> ProgressStyle {
    style("{bar:24} {wide_msg} {elapsed}")
}

/// The template is a constant of this file; one that were wrong would show the default bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests;
