//! Removing what has had its time: one loop, no leader, several may run. What may go, and that two do
//! not meet, is the store's business (`store/src/retention.rs`); here are storage, bounds and patience.

use std::time::{Duration, Instant};

use domain::{TaskFileId, task_prefix};
use engine::until_answered;
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
/// Pages of rows that one pass looks at, 1,000 rows each; of other tables it is [`ROUNDS`].
const PAGES: usize = 50;
/// So many refusals, and storage counts as away: nothing is won by asking it for the rest.
const MOST_REFUSALS: usize = 10;

/// Removes files, leftovers, keys, rows, groups, tasks, dead letters and notifications that have had
/// their time.
///
/// A database that is away ends a pass, a storage that is away the part of it that needs storage; both
/// are tried again in the next. What it did is one log line. Shown by `tests/it/retention.rs`.
pub struct Retention {
    store: Store,
    storage: Storage,
    terms: RetentionTerms,
    after: After,
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The database answered, and what is left can wait.
    Done,
    /// It removed as many rows as a pass may, and others have had their time too.
    Behind,
    /// The database is away.
    Away,
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
            after: After::default(),
        }
    }

    /// Runs until stopped, a pass every `interval` plus up to half; the first one after `lease`. After
    /// a pass that left rows it waits only as long as that took, up to half longer, which leaves the
    /// workers more than half of the time. At their very fastest they finish rows about twice as fast as
    /// it removes them (docs/PERFORMANCE.md); it catches up when they have less to do. After a pass that
    /// met no database it waits so long from the moment when it is there again, because others come first
    /// then.
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
            let began = Instant::now();
            // cut off anywhere: what was taken and not reported is told again
            let Some(pass) = stop.run_until_cancelled(self.pass()).await else {
                return;
            };
            wait = match pass {
                Pass::Done => interval,
                Pass::Behind => interval.min(began.elapsed()),
                Pass::Away => {
                    let there = until_answered(&self.store, lease / 3);
                    if stop.run_until_cancelled(there).await.is_none() {
                        return;
                    }
                    patient
                }
            };
        }
    }

    /// One pass.
    pub async fn pass(&mut self) -> Pass {
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
        match outcome {
            "database_away" => Pass::Away,
            _ if done.rows > 0 && self.after.rows > 0 => Pass::Behind,
            _ => Pass::Done,
        }
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
        let (store, keep, after) = (&self.store, self.terms.rows, &mut self.after);
        let rows = |after| store.drop_finished_rows(after, keep);
        done.rows += walk(PAGES, &mut after.rows, rows).await?;
        let groups = |after| store.drop_empty_groups(after, keep);
        done.groups += walk(ROUNDS, &mut after.groups, groups).await?;
        let letters = |after| store.drop_settled_letters(after, keep);
        done.letters += walk(ROUNDS, &mut after.letters, letters).await?;
        let notices = |after| store.drop_old_notifications(after, keep);
        done.notices += walk(ROUNDS, &mut after.notices, notices).await?;
        let deliveries = |after| store.drop_old_deliveries(after, keep);
        done.deliveries += walk(ROUNDS, &mut after.deliveries, deliveries).await?;
        Ok(())
    }
}

/// Where the walks over tables go on: behind these numbers.
#[derive(Debug, Default)]
struct After {
    rows: u64,
    groups: u64,
    letters: u64,
    notices: u64,
    deliveries: u64,
}

/// Walks on, so many pages at most. Answers how many were removed.
async fn walk<Page>(
    pages: usize,
    after: &mut u64,
    mut page: impl FnMut(u64) -> Page,
) -> Result<usize, StoreError>
where
    Page: Future<Output = Result<Walked, StoreError>>,
{
    let mut all = 0;
    for _ in 0..pages {
        let Walked { next, removed } = page(*after).await?;
        all += removed;
        *after = next.unwrap_or(0);
        if next.is_none() {
            break;
        }
    }
    Ok(all)
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
