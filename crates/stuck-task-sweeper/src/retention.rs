//! Removing what has had its time: one loop, no leader, several may run. What may go, and that two do
//! not meet, is the store's business (`store/src/retention.rs`); here are storage, bounds and patience.

use std::time::{Duration, Instant};

use domain::{TaskFileId, task_prefix};
use rand::RngExt;
use service::{Storage, StorageError};
use store::{
    AttemptsEnd, EndedTask, FileToRemove, Goes, Purged, RetentionTerms, Store, StoreError, Walked,
};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::directory::AttemptDirectory;
use crate::done::{Done, describe};

/// Files taken at once.
const FILES_AT_ONCE: usize = 100;
/// Ended tasks taken at once.
const TASKS_AT_ONCE: usize = 20;
/// How often each kind is taken in one pass; what is left waits for the next.
const ROUNDS: usize = 20;
/// Pages of rows that one pass looks at, 1,000 rows each.
const PAGES: usize = 200;
/// So many refusals, and storage counts as away: nothing is won by asking it for the rest.
const MOST_REFUSALS: usize = 10;

/// Removes files, leftovers, keys, rows, tasks and dead letters that have had their time.
///
/// A database that is away ends a pass, a storage that is away the part of it that needs storage; both
/// are tried again in the next. What it did is one log line. Shown by `tests/it/retention.rs`.
pub struct Retention {
    store: Store,
    storage: Storage,
    terms: RetentionTerms,
    /// Where the walks over rows and dead letters go on.
    rows_after: u64,
    letters_after: u64,
}

/// What ends a pass, or a part of it.
#[derive(Debug, Error)]
enum Trouble {
    #[error("the database cannot do it")]
    Database(#[from] StoreError),
    #[error("storage cannot do it")]
    Storage(#[from] StorageError),
}

impl Retention {
    /// Nothing is removed yet.
    #[must_use]
    pub fn new(store: Store, storage: Storage, terms: RetentionTerms) -> Self {
        Self {
            store,
            storage,
            terms,
            rows_after: 0,
            letters_after: 0,
        }
    }

    /// Runs until stopped, a pass every `interval` plus up to half; the first one after `lease`, and
    /// so after a pass that met no database, because others come first then.
    pub async fn run(mut self, interval: Duration, lease: Duration, stop: CancellationToken) {
        describe();
        let patient = interval.max(lease);
        let mut wait = patient;
        loop {
            let jitter = 1.0 + 0.5 * rand::rng().random::<f64>();
            let pause = tokio::time::sleep(wait.mul_f64(jitter));
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
            // cut off anywhere: what was taken and not reported is told again
            wait = match stop.run_until_cancelled(self.pass()).await {
                Some(true) => interval,
                Some(false) => patient,
                None => return,
            };
        }
    }

    /// One pass; whether the database answered.
    pub async fn pass(&mut self) -> bool {
        let began = Instant::now();
        let mut done = Done::default();
        let in_storage = self.sweep_storage(&mut done).await;
        let away = match in_storage {
            Err(Trouble::Database(error)) => Err(error.into()),
            Err(Trouble::Storage(error)) => self.sweep_rows(&mut done).await.and(Err(error.into())),
            Ok(()) => self.sweep_rows(&mut done).await,
        };
        done.tell();
        let outcome = match &away {
            Ok(()) => "done",
            Err(Trouble::Storage(_)) => "storage_away",
            Err(Trouble::Database(_)) => "database_away",
        };
        if let Err(trouble) = &away {
            let error = trouble as &dyn std::error::Error;
            tracing::warn!(
                error,
                "a pass of the retention was cut short; the next goes on"
            );
        }
        metrics::counter!("quayside_retention_passes_total", "outcome" => outcome).increment(1);
        metrics::histogram!("quayside_retention_pass_duration_seconds").record(began.elapsed());
        outcome != "database_away"
    }

    /// What lies in storage.
    async fn sweep_storage(&self, done: &mut Done) -> Result<(), Trouble> {
        // A directory that is not mounted holds nothing, which must not count as removed.
        self.storage.ping().await?;
        for _ in 0..ROUNDS {
            let files = self.store.take_files_to_remove(FILES_AT_ONCE).await?;
            let taken = files.len();
            self.remove_files(files, done).await?;
            if taken < FILES_AT_ONCE {
                break;
            }
        }
        for _ in 0..ROUNDS {
            let tasks = self.store.take_ended_tasks(self.terms, TASKS_AT_ONCE);
            let tasks = tasks.await?;
            for task in &tasks {
                self.sweep_task(task, done).await?;
            }
            if tasks.len() < TASKS_AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    async fn remove_files(&self, files: Vec<FileToRemove>, done: &mut Done) -> Result<(), Trouble> {
        done.expired += files.iter().filter(|file| file.has_expired).count();
        let mut gone: Vec<TaskFileId> = Vec::with_capacity(files.len());
        let mut away = Ok(());
        for file in files {
            match self.storage.delete(&file.object_key).await {
                Ok(()) => gone.push(file.file),
                Err(error) => away = refused(error, done),
            }
            if away.is_err() {
                break;
            }
        }
        done.files += gone.len();
        if !gone.is_empty() {
            self.store.files_removed(&gone).await?;
        }
        away
    }

    async fn sweep_task(&self, ended: &EndedTask, done: &mut Done) -> Result<(), Trouble> {
        let prefix = task_prefix(&ended.tenant, ended.task);
        let cleared = match &ended.goes {
            Goes::All { .. } => self.storage.delete_prefix(&prefix).await.map(|()| 1),
            Goes::Leftovers(end) => self.clear_leftovers(&prefix, end).await,
        };
        match (cleared, &ended.goes) {
            (Err(error), _) => return refused(error, done),
            (Ok(_), Goes::All { and_the_task: true }) => {
                let purged = self.store.purge_task(ended).await?;
                done.tasks += usize::from(purged == Purged::Gone);
            }
            (Ok(directories), Goes::All { .. } | Goes::Leftovers(_)) => {
                done.directories += directories;
                self.store.task_swept(ended, self.terms).await?;
            }
        }
        Ok(())
    }

    /// Removes the directories of attempts that are over and hold nothing that can be fetched. Answers
    /// how many.
    async fn clear_leftovers(
        &self,
        prefix: &str,
        end: &AttemptsEnd,
    ) -> Result<usize, StorageError> {
        let mut cleared = 0;
        for name in self.storage.directories(prefix).await? {
            let is_over = AttemptDirectory::of(&name).is_some_and(|it| it.is_over(end));
            let below = format!("{prefix}/{name}/");
            let is_visible = end.visible.iter().any(|key| key.starts_with(&below));
            if is_over && !is_visible {
                self.storage
                    .delete_prefix(&format!("{prefix}/{name}"))
                    .await?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }

    /// What lies in the database alone.
    async fn sweep_rows(&mut self, done: &mut Done) -> Result<(), Trouble> {
        for _ in 0..ROUNDS {
            let keys = self.store.forget_expired_keys().await?;
            done.keys += keys;
            if keys < Store::KEYS_AT_ONCE {
                break;
            }
        }
        for _ in 0..PAGES {
            let Walked { next, removed } = self
                .store
                .drop_finished_rows(self.rows_after, self.terms.rows)
                .await?;
            done.rows += removed;
            self.rows_after = next.unwrap_or(0);
            if next.is_none() {
                break;
            }
        }
        for _ in 0..ROUNDS {
            let Walked { next, removed } = self
                .store
                .drop_settled_letters(self.letters_after, self.terms.rows)
                .await?;
            done.letters += removed;
            self.letters_after = next.unwrap_or(0);
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// What cannot be removed is tried again in some minutes, and holds up nothing, unless storage is
/// away.
fn refused(error: StorageError, done: &mut Done) -> Result<(), Trouble> {
    done.refused += usize::from(!error.is_transient());
    if error.is_transient() || done.refused >= MOST_REFUSALS {
        return Err(error.into());
    }
    let error = &error as &dyn std::error::Error;
    tracing::warn!(error, "storage refuses to remove an object");
    Ok(())
}
