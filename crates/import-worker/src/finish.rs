//! The handler of IMPORT_FINISH rows: what became of an import, and the file of what failed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Catalog, Failure, FailureKind, FileRole, FinishSpec, OnError, TaskId};
use engine::{Attempt, BizHandler};
use service::{Storage, StorageError};
use store::{Effects, ImportEnd, Ledger, NewArtifact, Store, Visibility};

use crate::batches::{finish_prefix, split_epoch, task_prefix};
use crate::context::{dataset_of, read_context};
use crate::failure::{internal, of_store};
use crate::failures::FailureFile;
use crate::import::ReadingTerms;
use crate::tally;

/// How long a failure file can be downloaded.
const KEEP_DAYS: u64 = 7;

/// Ends imports.
pub struct FinishHandler {
    store: Store,
    storage: Storage,
    catalog: Arc<Catalog>,
    terms: ReadingTerms,
}

impl FinishHandler {
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

    async fn failures(
        &self,
        attempt: &Attempt,
        spec: &FinishSpec,
        ledger: &Ledger,
        task: TaskId,
    ) -> Result<Option<NewArtifact>, Failure> {
        let (upload, stop) = (&spec.import.upload, attempt.stopped());
        let copy = self.terms.spool.copy(&self.storage, upload, stop).await?;
        let Some(copy) = copy else {
            tracing::warn!("the upload has gone; its failures are told, but not as a file");
            return Ok(None);
        };
        let file = FailureFile {
            store: &self.store,
            storage: &self.storage,
            dataset: dataset_of(&self.catalog, &spec.import.dataset)?,
            spec,
            attempt,
            ledger,
            task,
            spool: &self.terms.spool,
            stall: self.terms.stall,
        };
        let object_key = format!("{}/failures.{}", finish_prefix(attempt)?, upload.format);
        let made = file.make(copy, &object_key).await.map_err(not_again)?;
        Ok(Some(NewArtifact {
            role: FileRole::Failures,
            object_key,
            name: made.name,
            size: made.stored.size,
            sha256: made.stored.sha256,
            rows: made.rows,
            keep: Duration::from_secs(KEEP_DAYS * 24 * 3_600),
        }))
    }

    /// Removes the batch objects once every batch stands in the ledger: nobody reads them any more,
    /// whatever becomes of this attempt. Where batches are dead, a retry needs them; then they go
    /// with the task. What cannot be removed now is left to the sweeper.
    async fn clear_batches(&self, attempt: &Attempt, spec: &FinishSpec, ledger: &Ledger) {
        let Ok(task) = task_prefix(attempt) else {
            return;
        };
        if !self.is_whole(attempt, spec, ledger).await {
            return;
        }
        let cleared = async {
            for directory in self.storage.directories(&task).await? {
                if split_epoch(&directory).is_some() {
                    let prefix = format!("{task}/{directory}");
                    self.storage.delete_prefix(&prefix).await?;
                }
            }
            Ok::<(), StorageError>(())
        };
        if let Err(error) = cleared.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "batch objects are left behind"
            );
        }
    }

    async fn is_whole(&self, attempt: &Attempt, spec: &FinishSpec, ledger: &Ledger) -> bool {
        if spec.import.options.on_error == OnError::Abort {
            return ledger.settled() > 0;
        }
        let Some(task) = attempt.task_id() else {
            return false;
        };
        let who = Visibility {
            tenant: attempt.tenant().clone(),
            user: None,
        };
        let task = self.store.task(&who, task).await;
        task.ok()
            .flatten()
            .is_some_and(|task| task.unprocessed_rows() == 0)
    }
}

#[async_trait]
impl BizHandler for FinishHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let spec: FinishSpec = read_context(attempt)?;
        let task = attempt.task_id();
        let task = task.ok_or_else(|| internal("the row belongs to no task"))?;
        let ledger = self.store.ledger(attempt.tenant(), task).await;
        let ledger = ledger.map_err(|error| of_store(&error))?;
        let failures = async {
            if ledger.failed == 0 {
                return Ok(None);
            }
            self.failures(attempt, &spec, &ledger, task).await
        };
        let clearing = self.clear_batches(attempt, &spec, &ledger);
        let (file, ()) = tokio::join!(failures, clearing);
        let options = &spec.import.options;
        let end = Arc::new(ImportEnd {
            file: file?,
            validate_only: options.validate_only,
            on_error: options.on_error,
        });
        tally::file(&spec.import.dataset, "finished");
        Ok(Effects::new(move |tx| {
            let end = end.clone();
            Box::pin(async move { tx.finish_import(&end).await.map(drop) })
        }))
    }

    async fn clean_up(&self, attempt: &Attempt) {
        let Ok(prefix) = finish_prefix(attempt) else {
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

/// The split took the file: a refusal now is no fault of the user's, whose rows are in.
fn not_again(failure: Failure) -> Failure {
    if failure.kind == FailureKind::Rejected {
        let Failure { code, detail, .. } = failure;
        return internal(format!(
            "the upload was read once and now is {}: {detail}",
            code.as_str()
        ));
    }
    failure
}
