//! What a local directory needs beyond `object_store`: what uploads that could not end left behind.

use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path;

use super::StorageError;

/// A directory that holds objects as files.
#[derive(Clone)]
pub(super) struct Directory {
    pub(super) store: Arc<LocalFileSystem>,
    root: PathBuf,
}

impl Directory {
    pub(super) fn open(root: &FilePath) -> Result<Self, StorageError> {
        let refused = |e| StorageError::Permanent(StorageError::of_disk(e));
        std::fs::create_dir_all(root).map_err(refused)?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(StorageError::Permanent)?;
        Ok(Self {
            store: Arc::new(store.with_fsync(true)),
            root: root.to_owned(),
        })
    }

    /// Whether the directory is there.
    pub(super) async fn ping(&self) -> Result<(), StorageError> {
        let root = self.root.clone();
        off_thread("", move || std::fs::read_dir(root).map(drop)).await
    }

    /// Removes everything below `path`. A key that parses has no `..`, and `remove_dir_all` follows
    /// no link.
    pub(super) async fn remove_below(&self, key: &str, path: &Path) -> Result<(), StorageError> {
        let directory = self.on_disk(key, path)?;
        remove(key, move || std::fs::remove_dir_all(directory)).await
    }

    /// Removes what an upload to `path` that could not be completed left beside it.
    pub(super) async fn remove_staged(&self, key: &str, path: &Path) -> Result<(), StorageError> {
        let file = self.on_disk(key, path)?;
        remove(key, move || staged_of(&file)).await
    }

    fn on_disk(&self, key: &str, path: &Path) -> Result<PathBuf, StorageError> {
        self.store
            .path_to_filesystem(path)
            .map_err(|e| StorageError::of(key, e))
    }
}

/// As [`off_thread`]; what is not there is removed already.
async fn remove<F>(key: &str, work: F) -> Result<(), StorageError>
where
    F: FnOnce() -> std::io::Result<()> + Send + 'static,
{
    let work = || match work() {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
        removed => removed,
    };
    off_thread(key, work).await
}

async fn off_thread<F>(key: &str, work: F) -> Result<(), StorageError>
where
    F: FnOnce() -> std::io::Result<()> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| StorageError::of(key, e.into()))?
        .map_err(|e| StorageError::Transient(StorageError::of_disk(e)))
}

/// Removes `file#1`, `file#2`, …: so object_store names an upload to `file` that is under way.
fn staged_of(file: &FilePath) -> std::io::Result<()> {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
        return Ok(());
    };
    let staged = format!("{}#", name.to_string_lossy());
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let number = entry.file_name();
        let number = number.to_str().and_then(|name| name.strip_prefix(&staged));
        if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
