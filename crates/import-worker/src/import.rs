//! The handler of IMPORT rows: an upload becomes batches.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Catalog, Failure, FailureCode, FailureKind, ImportSpec};
use engine::{Attempt, BizHandler};
use service::{Storage, StorageError};
use store::{Effects, Store};

use crate::batches::{split_epoch, split_prefix, task_prefix};
use crate::context::{dataset_of, read_context};
use crate::forebears::Forebears;
use crate::reading::{Asked, Reading};
use crate::split::Split;
use crate::spool::Spool;
use crate::tally;

/// How uploads are read.
#[derive(Debug, Clone)]
pub struct ReadingTerms {
    /// Where they lie meanwhile.
    pub spool: Spool,
    /// How long reading may go without any sign of getting on.
    pub stall: Duration,
    /// Failures of a batch that may be followed by another try.
    pub max_cnt: u32,
    /// The same for a finish.
    pub finish_max_cnt: u32,
}

impl ReadingTerms {
    /// With temporary files in `temp_dir`, or in the system's own directory; batches and finish may
    /// fail `max_cnt` times before the last.
    #[must_use]
    pub fn new(temp_dir: Option<&Path>, stall: Duration, max_cnt: u32) -> Self {
        Self {
            spool: Spool::new(temp_dir),
            stall,
            max_cnt,
            finish_max_cnt: max_cnt,
        }
    }

    /// But the finish may fail so often.
    #[must_use]
    pub fn with_finish_max_cnt(self, finish_max_cnt: u32) -> Self {
        Self {
            finish_max_cnt,
            ..self
        }
    }
}

/// Splits uploads.
pub struct ImportHandler {
    store: Store,
    storage: Storage,
    catalog: Arc<Catalog>,
    terms: ReadingTerms,
}

impl ImportHandler {
    /// A handler for the datasets of `catalog`.
    #[must_use]
    pub fn new(store: Store, storage: Storage, catalog: Arc<Catalog>, terms: ReadingTerms) -> Self {
        Self {
            store,
            storage,
            catalog,
            terms,
        }
    }

    /// Removes what attempts before this one left behind that could not clean up themselves: killed
    /// ones. Had one of them been committed, the row would have ended with it, and this attempt would
    /// not be; so no batch reads their objects. Those of a later attempt (which means that this one
    /// is stale) are not touched.
    async fn clear_earlier(&self, attempt: &Attempt) {
        let Ok(task) = task_prefix(attempt) else {
            return;
        };
        let cleared = async {
            for directory in self.storage.directories(&task).await? {
                if split_epoch(&directory).is_some_and(|epoch| epoch < attempt.epoch().0) {
                    let prefix = format!("{task}/{directory}");
                    self.storage.delete_prefix(&prefix).await?;
                }
            }
            Ok::<(), StorageError>(())
        };
        if let Err(error) = cleared.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "objects of earlier attempts may be left behind"
            );
        }
    }

    async fn split(&self, attempt: &Attempt, spec: &ImportSpec) -> Result<Effects, Failure> {
        let dataset = dataset_of(&self.catalog, &spec.dataset)?;
        let split = Split {
            store: &self.store,
            storage: &self.storage,
            dataset,
            spec,
            attempt,
            prefix: split_prefix(attempt)?,
        };
        let stop = attempt.stopped();
        let file = self.terms.spool.copy(&self.storage, &spec.upload, stop);
        let file = file.await?.ok_or_else(|| {
            Failure::permanent(
                FailureCode::StorageUnavailable,
                "the upload is not in storage any more",
            )
        })?;
        let asked = Asked {
            dataset: dataset.clone(),
            spec: spec.clone(),
            forebears: Forebears::of(&self.store, attempt)?,
        };
        let reading = Reading::begin(file, asked, &self.terms, stop);
        let done = split.run(reading, &self.terms).await?;
        tally::batches(&dataset.name, "born", done.batches.len() as u64);
        let done = Arc::new(done);
        Ok(Effects::new(move |tx| {
            let done = done.clone();
            Box::pin(async move { tx.seal_split(&done).await })
        }))
    }
}

#[async_trait]
impl BizHandler for ImportHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let spec: ImportSpec = read_context(attempt)?;
        if attempt.epoch().0 > 1 {
            self.clear_earlier(attempt).await;
        }
        let split = self.split(attempt, &spec).await;
        match &split {
            Ok(_) => tally::file(&spec.dataset, "split"),
            Err(failure) if failure.kind == FailureKind::Rejected => {
                tally::file(&spec.dataset, "refused");
            }
            Err(_) => {}
        }
        split
    }

    async fn clean_up(&self, attempt: &Attempt) {
        let Ok(prefix) = split_prefix(attempt) else {
            return;
        };
        if let Err(error) = self.storage.delete_prefix(&prefix).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "objects of an attempt that came to nothing may be left behind"
            );
        }
    }
}
