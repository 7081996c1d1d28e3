//! Files by key, over `object_store`: today a local directory, later a bucket.
//!
//! A file becomes visible as a whole or not at all (multipart upload, completed at its end), it
//! is hashed while it is written, off the async threads, and at most a few parts of it are in
//! memory. Keys are relative, slash-separated and can never leave the root. Proven by
//! `tests/it/storage.rs`.

mod upload;

use std::io::ErrorKind::{NotADirectory, NotFound};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};

use self::upload::Upload;

/// Why storage did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No object has this key.
    #[error("no object has the key {key}")]
    NotFound {
        /// The key.
        key: String,
    },
    /// The key is empty, absolute, or holds `.`, `..` or forbidden characters.
    #[error("{key:?} is not a key of an object")]
    InvalidKey {
        /// The key.
        key: String,
    },
    /// What was to be stored could not be read.
    #[error("the content to be stored could not be read")]
    Content(#[source] std::io::Error),
    /// Worth trying again later: network, full disk, I/O error.
    #[error("storage is not available")]
    Transient(#[source] object_store::Error),
    /// Trying again will not help: permissions, an operation that is not supported.
    #[error("storage refuses the operation")]
    Permanent(#[source] object_store::Error),
}

impl StorageError {
    /// Whether a later attempt may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transient(_) | Self::Content(_) => true,
            Self::NotFound { .. } | Self::InvalidKey { .. } | Self::Permanent(_) => false,
        }
    }
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

/// The bytes of an object, as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// An object that is being read.
pub struct Object {
    /// Bytes of the whole object.
    pub size: u64,
    /// The bytes of it that `stream` yields.
    pub range: Range<u64>,
    /// The bytes.
    pub stream: ByteStream,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Where files lie; clones speak of the same place.
#[derive(Clone, Debug)]
pub struct Storage {
    store: Arc<LocalFileSystem>,
}

impl Storage {
    /// Storage in the local directory `root`, which is created if need be.
    pub fn local(root: &FilePath) -> Result<Self, StorageError> {
        std::fs::create_dir_all(root).map_err(|e| StorageError::Permanent(of_disk(e)))?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(StorageError::Permanent)?;
        Ok(Self {
            store: Arc::new(store.with_fsync(true)),
        })
    }

    /// Stores `content` under `key`, replacing what was there. Nothing is visible, and nothing
    /// is left behind, when the content or the storage fails half way; what a crash leaves,
    /// [`Storage::delete_prefix`] removes. One upload to a key at a time.
    pub async fn put<S>(&self, key: &str, content: S) -> Result<Stored, StorageError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        let path = parse(key)?;
        let file = self.on_disk(key, &path)?;
        let begun = self.store.put_multipart(&path).await;
        let mut upload = Upload::new(begun.map_err(|e| classify(key, e))?);
        let written = write_all(key, &mut upload, content).await;
        // An upload whose completion failed cannot be aborted any more, which is not the news.
        if written.is_err()
            && upload.abort().await.is_err()
            && let Err(error) = remove(key, move || remove_staged(&file)).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "parts of a failed upload may be left behind");
        }
        written
    }

    /// Reads the object at `key`: all of it, or the bytes of `range` (clipped to its end).
    pub async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object, StorageError> {
        let path = parse(key)?;
        let options = GetOptions {
            range: range.map(Into::into),
            ..GetOptions::default()
        };
        let got = self
            .store
            .get_opts(&path, options)
            .await
            .map_err(|e| classify(key, e))?;
        let (size, range, key) = (got.meta.size, got.range.clone(), key.to_owned());
        let stream = got
            .into_stream()
            .map_err(move |e| classify(&key, e))
            .boxed();
        Ok(Object {
            size,
            range,
            stream,
        })
    }

    /// Deletes the object at `key`; one that is not there is deleted already.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let path = parse(key)?;
        match self.store.delete(&path).await.map_err(|e| classify(key, e)) {
            Ok(()) | Err(StorageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes everything below `prefix` (whole path segments): objects, and what uploads that a
    /// crash cut off left behind. What is not there is deleted already.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<(), StorageError> {
        // A key that parses has no `..`, and `remove_dir_all` follows no link.
        let directory = self.on_disk(prefix, &parse(prefix)?)?;
        remove(prefix, move || std::fs::remove_dir_all(directory)).await
    }

    /// The names right below `prefix` that have something below them, be it only an upload that a
    /// crash cut off.
    pub async fn directories(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let path = parse(prefix)?;
        let listed = self.store.list_with_delimiter(Some(&path)).await;
        let below = listed.map_err(|e| classify(prefix, e))?.common_prefixes;
        Ok(below
            .iter()
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect())
    }

    fn on_disk(&self, key: &str, path: &Path) -> Result<PathBuf, StorageError> {
        self.store
            .path_to_filesystem(path)
            .map_err(|e| classify(key, e))
    }
}

async fn write_all<S>(key: &str, upload: &mut Upload, content: S) -> Result<Stored, StorageError>
where
    S: Stream<Item = std::io::Result<Bytes>> + Send,
{
    let mut content = std::pin::pin!(content);
    while let Some(bytes) = content.next().await {
        let bytes = bytes.map_err(StorageError::Content)?;
        upload.write(bytes).await.map_err(|e| classify(key, e))?;
    }
    upload.finish().await.map_err(|e| classify(key, e))
}

/// Removes from the local disk, off the async threads. What is not there is removed already.
async fn remove<F>(key: &str, work: F) -> Result<(), StorageError>
where
    F: FnOnce() -> std::io::Result<()> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    match done.map_err(|e| classify(key, e.into()))? {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
        removed => removed.map_err(|e| StorageError::Transient(of_disk(e))),
    }
}

/// Removes what an upload to `file` that could not be completed left beside it. object_store names
/// it `file#1`, `file#2`, …
fn remove_staged(file: &FilePath) -> std::io::Result<()> {
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

fn of_disk(source: std::io::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "local directory",
        source: Box::new(source),
    }
}

fn parse(key: &str) -> Result<Path, StorageError> {
    match Path::parse(key) {
        // `parse` forgives a slash at either end; a key has one spelling.
        Ok(path) if !key.is_empty() && path.as_ref() == key => Ok(path),
        Ok(_) | Err(_) => Err(StorageError::InvalidKey {
            key: key.to_owned(),
        }),
    }
}

fn classify(key: &str, error: object_store::Error) -> StorageError {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => StorageError::NotFound {
            key: key.to_owned(),
        },
        Error::InvalidPath { .. } => StorageError::InvalidKey {
            key: key.to_owned(),
        },
        Error::Generic { .. } | Error::JoinError { .. } => StorageError::Transient(error),
        // The enum is not ours and may grow; what is left is never mended by another try.
        _ => StorageError::Permanent(error),
    }
}
