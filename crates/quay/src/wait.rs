//! Waits for a task and shows how far it has come: a bar on a terminal, plain lines otherwise.
//!
//! The gateway is asked again when its `Retry-After` says so, never sooner. A gateway that goes
//! away for a while does not end the waiting: the work goes on without it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::client::{Gateway, Polled};
use crate::exit::{Exit, Failure};
use crate::print;
use crate::text::{count, plain};
use crate::wire::{Answered, Progress, Task};

/// Pause before the next look when the server names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause that is believed.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// So long the gateway may be away before waiting is given up.
const MAX_AWAY: Duration = Duration::from_secs(60);

/// Waits until the task is finished.
///
/// # Errors
/// [`Exit::StillRunning`] when `timeout` passed; what the gateway refused; [`Exit::Unavailable`]
/// when it was away for longer than [`MAX_AWAY`].
pub(crate) async fn until_finished(
    gateway: &Gateway,
    first: Answered,
    timeout: Option<Duration>,
) -> Result<Answered, Failure> {
    let began = Instant::now();
    let shown = Shown::new();
    let id = first.task.id.clone();
    let mut polled = Polled {
        answered: first,
        retry_after: Some(Duration::ZERO),
    };
    let mut seen = Instant::now();
    shown.show(&polled.answered.task);
    loop {
        if polled.answered.task.status.is_final() {
            shown.end();
            return Ok(polled.answered);
        }
        let pause = polled.retry_after.unwrap_or(DEFAULT_PAUSE).min(MAX_PAUSE);
        let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
        tokio::time::sleep(left.map_or(pause, |left| pause.min(left))).await;
        match gateway.show(&id).await {
            Ok(next) => {
                shown.show(&next.answered.task);
                polled = next;
                seen = Instant::now();
            }
            Err(failure) if failure.exit() == Exit::Unavailable && seen.elapsed() < MAX_AWAY => {
                shown.say("the gateway does not answer; trying again");
                polled.retry_after = None;
            }
            Err(failure) => {
                shown.end();
                return Err(failure.also(how_to_go_on(&id)));
            }
        }
        let over = timeout.is_some_and(|timeout| began.elapsed() >= timeout);
        if over && !polled.answered.task.status.is_final() {
            shown.end();
            let what = format!("task {id} is not finished yet; the work goes on");
            return Err(Failure::new(Exit::StillRunning, what).advise(how_to_go_on(&id)));
        }
    }
}

fn how_to_go_on(id: &str) -> String {
    format!("Look at it later:  quay tasks show {id}\nFetch its file:    quay tasks download {id}")
}

/// The bar, hidden by itself when stderr is no terminal; then lines are printed instead.
struct Shown {
    bar: ProgressBar,
    last_line: RefCell<String>,
}

impl Shown {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        bar.set_style(spinning());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            last_line: RefCell::default(),
        }
    }

    fn show(&self, task: &Task) {
        let line = describe(task);
        if self.bar.is_hidden() {
            return self.say(&line);
        }
        let progress = &task.progress;
        if let Some(total) = progress.total_rows.filter(|total| *total > 0) {
            self.bar.set_style(filling());
            self.bar.set_length(total.max(progress.done_rows));
            self.bar.set_position(progress.done_rows);
        }
        self.bar.set_message(line);
    }

    /// On a terminal in place of the last line, otherwise beneath it unless it is the same.
    fn say(&self, line: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_message(line.to_owned());
        } else if *self.last_line.borrow() != line {
            print::say(line);
            self.last_line.replace(line.to_owned());
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// `PROCESSING exporting  64,000 of about 120,000 rows, 53 %, 8100 rows/s, 7 s left`
fn describe(task: &Task) -> String {
    let over = task.status.is_final();
    let phase = task.progress.phase.as_deref().filter(|_| !over);
    let phase = phase.map(|phase| format!(" {}", plain(phase)));
    let again = match task.retry_count {
        0 => String::new(),
        failed => format!(" (try {})", failed + 1),
    };
    let state = format!("{}{}{again}", task.status, phase.unwrap_or_default());
    let figures = figures(&task.progress, over);
    if figures.is_empty() {
        state
    } else {
        format!("{state}  {figures}")
    }
}

/// What is known of the rows; nothing before the first is counted.
fn figures(progress: &Progress, over: bool) -> String {
    let total = progress.total_rows.filter(|total| over || *total > 0);
    if total.is_none() && progress.done_rows == 0 {
        return String::new();
    }
    let done = count(progress.done_rows);
    let about = if progress.total_is_estimate {
        "about "
    } else {
        ""
    };
    let mut parts = vec![match total {
        Some(total) => format!("{done} of {about}{} rows", count(total)),
        None => format!("{done} rows"),
    }];
    let percent = progress.percent.filter(|_| total.is_some());
    parts.extend(percent.map(|percent| format!("{percent:.0} %")));
    if !over {
        let rate = progress.rows_per_second.filter(|rate| *rate >= 1.0);
        parts.extend(rate.map(|rate| format!("{rate:.0} rows/s")));
        parts.extend(progress.eta_seconds.map(|eta| format!("{eta:.0} s left")));
    }
    parts.join(", ")
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
