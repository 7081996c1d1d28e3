//! One EXPORT row: a snapshot of rows becomes a workbook in object storage, published by the
//! finish.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Catalog, ExportSpec, Failure, FailureCode, FileRole, Progress};
use engine::{Attempt, BizHandler};
use service::{Storage, StorageError, Stored};
use store::{Effects, NewArtifact, Rows, Store};
use tabular::{MAX_SHEET_ROWS, Summary};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::{of_panic, of_storage, of_store};
use crate::job::{Job, is_earlier, prefix, task_prefix};
use crate::sheet::SheetTask;
use crate::upload::pipe;

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
    temp_dir: PathBuf,
    /// The row streams under way.
    streams: TaskTracker,
}

impl ExportHandler {
    /// A handler for the datasets of `catalog`; sheets in the making lie in `temp_dir`, in files
    /// without a name.
    #[must_use]
    pub fn new(store: Store, storage: Storage, catalog: Arc<Catalog>, temp_dir: PathBuf) -> Self {
        Self {
            store,
            storage,
            catalog,
            temp_dir,
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
        let rows = rows.map_err(|error| of_store(&error))?;
        let room = u64::from(MAX_SHEET_ROWS - u32::from(job.layout.header));
        if rows.total() > room {
            let detail = format!("{} rows, a sheet holds {room}", rows.total());
            return Err(Failure::rejected(FailureCode::TooManyRows, detail));
        }
        Ok(rows)
    }

    /// Writes on a thread of its own and uploads what it writes, at the same time.
    async fn write(
        &self,
        job: &Job,
        rows: Rows,
        attempt: &Attempt,
    ) -> Result<(Summary, Stored), Failure> {
        let stop = attempt.stopped();
        let (out, content) = pipe(Handle::current(), stop.clone());
        let (progress, mut told) = watch::channel(Progress {
            phase: Some("exporting".to_owned()),
            total_rows: Some(rows.total()),
            ..Progress::default()
        });
        attempt.report(told.borrow().clone());
        let sheet = SheetTask {
            layout: job.layout.clone(),
            rows,
            temp_dir: self.temp_dir.clone(),
            out,
            progress,
            runtime: Handle::current(),
            stop: stop.clone(),
        };
        let writing = tokio::task::spawn_blocking(move || sheet.run());
        // Always to its end, which comes soon after `stop`, when the pipe breaks: an upload dropped
        // half way could still write after the attempt has cleaned up.
        let uploading = self.storage.put(&job.object_key, content);
        let telling = async {
            while told.changed().await.is_ok() {
                attempt.report(told.borrow_and_update().clone());
            }
        };
        let (written, stored, ()) = tokio::join!(writing, uploading, telling);
        let written = written.unwrap_or_else(|panicked| Err(of_panic(panicked)));
        joined(written, stored)
    }
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
fn effects(spec: &ExportSpec, object_key: String, summary: Summary, stored: Stored) -> Effects {
    let file = NewArtifact {
        role: FileRole::Artifact,
        object_key,
        name: spec.file_name.clone(),
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
        let (summary, stored) = self.write(&job, rows, attempt).await?;
        let dataset = job.spec.dataset.clone();
        metrics::counter!("quayside_exported_rows_total", "dataset" => dataset.clone())
            .increment(summary.rows);
        metrics::counter!("quayside_exported_bytes_total", "dataset" => dataset)
            .increment(stored.size);
        Ok(effects(&job.spec, job.object_key, summary, stored))
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
