//! `quay tasks show`: all that is known of one task.

use crate::print::answer;
use crate::progress::done_of_total;
use crate::text::{count, moment, plain, size};
use crate::wire::Task;

pub(super) fn print(task: &Task) {
    let progress = &task.progress;
    let mut lines = vec![
        (
            "task",
            format!(
                "{} ({} of {})",
                task.id,
                task.kind.to_lowercase(),
                task.dataset
            ),
        ),
        ("status", task.status.to_string()),
    ];
    let mut rows = done_of_total(progress);
    if progress.failed_rows > 0 {
        rows.push_str(&format!(", {} failed", count(progress.failed_rows)));
    }
    lines.push(("rows", rows));
    if task.retry_count > 0 {
        lines.push(("tries", format!("{} failed", task.retry_count)));
    }
    lines.extend(
        task.error
            .iter()
            .map(|e| ("error", format!("{} [{}]", e.message, e.code))),
    );
    lines.extend(
        task.warnings
            .iter()
            .map(|w| ("note", format!("{}: {}", w.code, count(w.count)))),
    );
    for file in &task.files {
        let until = file
            .expires_at
            .as_deref()
            .map(|at| format!(", until {} UTC", moment(at)));
        let until = until.unwrap_or_default();
        lines.push((
            "file",
            format!("{} ({}, {}{until})", file.name, size(file.size), file.state),
        ));
    }
    lines.extend(task.created_by.clone().map(|user| ("by", user)));
    let times = [
        ("created", &task.created_at),
        ("started", &task.started_at),
        ("finished", &task.finished_at),
    ];
    lines.extend(times.into_iter().filter_map(|(label, time)| {
        time.as_deref()
            .map(|time| (label, format!("{} UTC", moment(time))))
    }));
    for (label, value) in lines {
        answer(format_args!("{label:<9}{}", plain(&value)));
    }
}
