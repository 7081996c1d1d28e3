//! Batch objects: where they lie, and how many of them are written at once.

use bytes::Bytes;
use domain::Failure;
use engine::Attempt;
use futures::{TryStreamExt, stream};
use service::{Label, Storage, StorageError};
use tokio::task::JoinSet;

use crate::failure::{internal, of_panic, of_storage};

/// Objects that are written at the same time.
const WRITES_UNDER_WAY: usize = 4;

/// Where all files of the attempts at a task lie.
pub(crate) fn task_prefix(attempt: &Attempt) -> Result<String, Failure> {
    let task = attempt.task_id();
    let task = task.ok_or_else(|| internal("the row belongs to no task"))?;
    Ok(domain::task_prefix(attempt.tenant(), task))
}

/// Where the files of a split lie: its epoch keeps it apart from every other attempt.
pub(crate) fn split_prefix(attempt: &Attempt) -> Result<String, Failure> {
    Ok(format!("{}/e{}", task_prefix(attempt)?, attempt.epoch()))
}

/// Where a finish writes. A task may see several rows of this kind, each with epochs of its own.
pub(crate) fn finish_prefix(attempt: &Attempt) -> Result<String, Failure> {
    let (row, epoch) = (attempt.claimed().lease.id, attempt.epoch());
    Ok(format!("{}/f{row}-e{epoch}", task_prefix(attempt)?))
}

/// The epoch of a directory of [`split_prefix`], by its name.
pub(crate) fn split_epoch(directory: &str) -> Option<u64> {
    directory.strip_prefix('e')?.parse().ok()
}

/// The object of a batch's rows, below [`split_prefix`].
pub(crate) fn rows_key(prefix: &str, number: u32) -> String {
    format!("{prefix}/b{number:06}")
}

/// The object of the duplicates among a batch's rows.
pub(crate) fn duplicates_key(prefix: &str, number: u32) -> String {
    format!("{prefix}/d{number:06}")
}

/// Reads a whole object.
pub(crate) async fn fetch(storage: &Storage, key: &str) -> Result<Bytes, Failure> {
    let read = async {
        let object = storage.get(key, None).await?;
        let room = usize::try_from(object.size).unwrap_or_default();
        let whole = Vec::with_capacity(room);
        let append = |mut whole: Vec<u8>, piece: Bytes| async move {
            whole.extend_from_slice(&piece);
            Ok(whole)
        };
        let whole = object.stream.try_fold(whole, append).await?;
        Ok::<Bytes, StorageError>(whole.into())
    };
    read.await.map_err(|error| of_storage(&error))
}

/// Writes objects in the background, a few at a time. To be ended by [`Writes::finish`] on every way
/// out: what is still under way when the attempt cleans up would stay behind.
pub(crate) struct Writes {
    storage: Storage,
    under_way: JoinSet<Result<(), StorageError>>,
}

impl Writes {
    pub(crate) fn new(storage: Storage) -> Self {
        Self {
            storage,
            under_way: JoinSet::new(),
        }
    }

    /// Begins to write an object; waits while too many are under way.
    pub(crate) async fn write(&mut self, key: String, object: Bytes) -> Result<(), Failure> {
        while self.under_way.len() >= WRITES_UNDER_WAY {
            self.one_ended().await?;
        }
        let storage = self.storage.clone();
        self.under_way.spawn(async move {
            let content = stream::iter([Ok(object)]);
            let label = Label::new("batch.bin");
            storage.put(&key, &label, content).await.map(drop)
        });
        Ok(())
    }

    /// Waits until all are written, also after one has failed.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        self.all_ended().await
    }

    /// Waits until none is under way: before the same keys are written once more.
    pub(crate) async fn all_ended(&mut self) -> Result<(), Failure> {
        let mut all = Ok(());
        while !self.under_way.is_empty() {
            let one = self.one_ended().await;
            all = all.and(one);
        }
        all
    }

    async fn one_ended(&mut self) -> Result<(), Failure> {
        match self.under_way.join_next().await {
            Some(Ok(Ok(()))) | None => Ok(()),
            Some(Ok(Err(error))) => Err(of_storage(&error)),
            Some(Err(panicked)) => Err(of_panic(panicked)),
        }
    }
}
