//! One EXPORT row: a snapshot of rows becomes a workbook in object storage, published by the
//! finish.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Catalog, Failure, FileRole, Progress};
use engine::{Attempt, BizHandler};
use service::{Label, Storage, StorageError, Stored, pipe};
use store::{Effects, NewArtifact, Rows, Store};
use tabular::{Cutter, Press, Summary};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::{of_panic, of_storage, of_store};
use crate::job::{Job, is_earlier, prefix, task_prefix};
use crate::making::{Assembly, Feed, steps};

/// How long a file can be downloaded.
const KEEP_DAYS: u64 = 7;
/// How long the end of abandoned queries is waited for, in seconds: a connection to kill them from
/// takes 5 at most.
const CLOSE_SECONDS: u64 = 6;

/// Performs exports.
pub struct ExportHandler {
    store: Store,
    storage: Storage,
    catalog: Arc<Catalog>,
    /// From 1, fast, to 9, small.
    zip_level: u32,
    /// The row streams under way.
    streams: TaskTracker,
}

impl ExportHandler {
    /// A handler for the datasets of `catalog`. `zip_level` goes from 1 (fast) to 9 (small).
    #[must_use]
    pub fn new(store: Store, storage: Storage, catalog: Arc<Catalog>, zip_level: u32) -> Self {
        Self {
            store,
            storage,
            catalog,
            zip_level,
            streams: TaskTracker::new(),
        }
    }

    /// Waits until no query of an attempt is left at the server, a few seconds at most. To be called
    /// when no attempt runs any more: a process that left earlier would leave a sort of many rows
    /// behind that nobody reads.
    pub async fn close(&self) {
        self.streams.close();
        if self.streams.is_empty() {
            return;
        }
        tracing::info!(
            streams = self.streams.len(),
            "waiting for the row streams to end"
        );
        let patience = Duration::from_secs(CLOSE_SECONDS);
        if tokio::time::timeout(patience, self.streams.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                streams = self.streams.len(),
                "abandoned queries may run on at the server"
            );
        }
    }

    /// Removes what attempts before this one left behind that could not clean up themselves: killed
    /// ones. Their epochs are fenced and an attempt runs only while the task's one row is
    /// PROCESSING, so nothing of theirs is visible or can become so. This attempt's own files and
    /// those of a later one (which means that this one is stale) are not touched.
    async fn clear_earlier(&self, attempt: &Attempt) {
        if let Err(error) = self.try_clear_earlier(attempt).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of earlier attempts may be left behind"
            );
        }
    }

    async fn try_clear_earlier(&self, attempt: &Attempt) -> Result<(), StorageError> {
        let Some(task) = task_prefix(attempt) else {
            return Ok(());
        };
        let directories = self.storage.directories(&task).await?;
        for directory in directories.iter().filter(|name| is_earlier(name, attempt)) {
            let prefix = format!("{task}/{directory}");
            self.storage.delete_prefix(&prefix).await?;
        }
        Ok(())
    }

    async fn open(&self, job: &Job, stop: &CancellationToken) -> Result<Rows, Failure> {
        let rows = tokio::select! {
            () = stop.cancelled() => return Err(Failure::stopped()),
            rows = self.store.rows(job.query.clone(), &self.streams) => rows,
        };
        rows.map_err(|error| of_store(&error))
    }

    /// Reads, presses, assembles and uploads, all at the same time.
    async fn make(&self, job: &Job, rows: Rows, attempt: &Attempt) -> Result<Made, Failure> {
        let stop = attempt.stopped();
        let in_zip = job.takes_several(rows.total())?;
        let (out, content) = pipe(Handle::current(), stop.clone());
        let (progress, mut told) = watch::channel(Progress {
            phase: Some("exporting".to_owned()),
            total_rows: Some(rows.total()),
            total_is_estimate: rows.total_is_estimate(),
            ..Progress::default()
        });
        attempt.report(told.borrow().clone());
        let (sender, steps) = steps();
        let feed = Feed {
            rows,
            cutter: Cutter::new(&job.layout),
            press: Arc::new(Press::new(&job.layout, in_zip, self.zip_level)),
            steps: sender,
            stop: stop.clone(),
        };
        let assembly = Assembly {
            layout: job.layout.clone(),
            parts_of: in_zip.then(|| job.spec.clone()),
            steps,
            out,
            progress,
            runtime: Handle::current(),
            stop: stop.clone(),
        };
        let assembling = tokio::task::spawn_blocking(move || assembly.run());
        let (object_key, name) = (job.object_key(in_zip), job.file_name(in_zip));
        let label = Label::new(&name);
        // Always to its end, which comes soon after `stop`, when the pipe breaks: an upload dropped
        // half way could still write after the attempt has cleaned up.
        let uploading = self.storage.put(&object_key, &label, content);
        let telling = async {
            while told.changed().await.is_ok() {
                attempt.report(told.borrow_and_update().clone());
            }
        };
        let (assembled, stored, (), ()) = tokio::join!(assembling, uploading, telling, feed.run());
        let assembled = assembled.unwrap_or_else(|panicked| Err(of_panic(panicked)));
        let (summary, stored) = joined(assembled, stored)?;
        Ok(Made {
            object_key,
            name,
            summary,
            stored,
        })
    }
}

/// A file that was made and lies in storage, unseen.
struct Made {
    object_key: String,
    name: String,
    summary: Summary,
    stored: Stored,
}

/// The failure that came first: a broken upload breaks the writer, and the other way round.
fn joined(
    written: Result<Summary, Failure>,
    stored: Result<Stored, StorageError>,
) -> Result<(Summary, Stored), Failure> {
    match (written, stored) {
        (Ok(summary), Ok(stored)) => Ok((summary, stored)),
        (Err(failure), Ok(_) | Err(StorageError::Content(_))) => Err(failure),
        (_, Err(error)) => Err(of_storage(&error)),
    }
}

/// What becomes visible with the finish.
fn effects(made: Made) -> Effects {
    let Made {
        object_key,
        name,
        summary,
        stored,
    } = made;
    let file = NewArtifact {
        role: FileRole::Artifact,
        object_key,
        name,
        size: stored.size,
        sha256: stored.sha256,
        rows: summary.rows,
        keep: Duration::from_secs(KEEP_DAYS * 24 * 3_600),
    };
    let progress = Progress {
        phase: Some("done".to_owned()),
        total_rows: Some(summary.rows),
        done_rows: summary.rows,
        ..Progress::default()
    };
    let writes = Arc::new((file, progress, summary.warnings));
    Effects::new(move |tx| {
        let writes = writes.clone();
        Box::pin(async move {
            let (file, progress, warnings) = &*writes;
            tx.publish(file).await?;
            tx.rename(&file.name).await?;
            tx.count(progress, warnings).await
        })
    })
}

#[async_trait]
impl BizHandler for ExportHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let job = Job::read(attempt, &self.catalog)?;
        self.clear_earlier(attempt).await;
        let rows = self.open(&job, attempt.stopped()).await?;
        let made = self.make(&job, rows, attempt).await?;
        let dataset = job.spec.dataset.clone();
        metrics::counter!("quayside_exported_rows_total", "dataset" => dataset.clone())
            .increment(made.summary.rows);
        metrics::counter!("quayside_exported_bytes_total", "dataset" => dataset)
            .increment(made.stored.size);
        Ok(effects(made))
    }

    async fn clean_up(&self, attempt: &Attempt) {
        let Some(prefix) = prefix(attempt) else {
            return;
        };
        if let Err(error) = self.storage.delete_prefix(&prefix).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of an attempt that came to nothing may be left behind"
            );
        }
    }
}
