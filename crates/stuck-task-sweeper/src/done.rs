//! What a pass of the retention did, for its log line and the metrics.

use metrics::Unit;

/// What was removed, by kind.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Files whose time was over.
    pub(crate) expired: usize,
    /// Objects of files.
    pub(crate) files: usize,
    /// Directories that attempts left behind.
    pub(crate) directories: usize,
    /// Deleted tasks.
    pub(crate) tasks: usize,
    /// Keys of requests.
    pub(crate) keys: usize,
    /// Finished rows.
    pub(crate) rows: usize,
    /// Groups of which nothing was left.
    pub(crate) groups: usize,
    /// Dead letters that somebody had dealt with.
    pub(crate) letters: usize,
    /// Old notifications.
    pub(crate) notices: usize,
    /// Old calls to webhooks.
    pub(crate) deliveries: usize,
    /// What storage refused to remove.
    pub(crate) refused: usize,
}

const REMOVED: &str = "quayside_retention_removed_total";

impl Done {
    /// One line, if anything was done; the metrics in any case.
    pub(crate) fn tell(&self) {
        let counts = [
            ("file", self.files),
            ("directory", self.directories),
            ("task", self.tasks),
            ("key", self.keys),
            ("row", self.rows),
            ("group", self.groups),
            ("dead_letter", self.letters),
            ("notification", self.notices),
            ("delivery", self.deliveries),
        ];
        for (kind, count) in counts {
            metrics::counter!(REMOVED, "kind" => kind).increment(count as u64);
        }
        metrics::counter!("quayside_files_expired_total").increment(self.expired as u64);
        metrics::counter!("quayside_retention_refused_total").increment(self.refused as u64);
        let did_something = counts.iter().any(|(_, count)| *count > 0);
        if did_something || self.expired + self.refused > 0 {
            tracing::info!(
                expired = self.expired,
                files = self.files,
                directories = self.directories,
                tasks = self.tasks,
                keys = self.keys,
                rows = self.rows,
                groups = self.groups,
                dead_letters = self.letters,
                notifications = self.notices,
                deliveries = self.deliveries,
                refused = self.refused,
                "removed what has had its time"
            );
        }
    }
}

/// The HELP lines.
pub(crate) fn describe() {
    metrics::describe_counter!(
        REMOVED,
        Unit::Count,
        "What has had its time and was removed, by kind: file (its object), directory (what an \
         attempt left in storage), task (deleted by its user), key (of a request), row, group, \
         dead_letter, notification, delivery (of a webhook)."
    );
    metrics::describe_counter!(
        "quayside_files_expired_total",
        Unit::Count,
        "Files that can no longer be downloaded because their time is over."
    );
    metrics::describe_counter!(
        "quayside_retention_refused_total",
        Unit::Count,
        "Objects that storage refused to remove, for another reason than being away; tried again \
         after some minutes. To be alerted on: permissions, or a bucket that is gone."
    );
    metrics::describe_counter!(
        "quayside_retention_passes_total",
        Unit::Count,
        "Passes, by outcome: done; storage_away; database_away. Each of the latter ends the part of \
         the pass that needs it."
    );
    metrics::describe_histogram!(
        "quayside_retention_pass_duration_seconds",
        Unit::Seconds,
        "How long a pass took."
    );
}
