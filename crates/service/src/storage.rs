//! Files by key, over `object_store`: in a local directory or in a bucket of an S3 server.
//!
//! A file becomes visible as a whole or not at all (multipart upload, completed at its end), it
//! is hashed while it is written, off the async threads, and at most a few parts of it are in
//! memory. Keys are relative, slash-separated and can never leave the root. Proven by
//! `tests/it/storage.rs`.

mod bucket;
mod error;
mod label;
mod local;
mod pipe;
mod upload;

use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Attributes, GetOptions, ObjectStore, ObjectStoreExt};

use self::bucket::Bucket;
pub use self::error::StorageError;
pub use self::label::Label;
use self::local::Directory;
pub use self::pipe::{PipeWriter, pipe};
pub(crate) use self::upload::MAX_FILE_BYTES;
use self::upload::{Target, Upload};
use crate::settings::{StorageBackend, StorageSettings};

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
#[derive(Clone)]
pub struct Storage {
    place: Place,
    max_file_bytes: u64,
}

#[derive(Clone)]
enum Place {
    Local(Directory),
    S3(Bucket),
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Storage({})", self.store())
    }
}

impl Storage {
    /// Storage as the settings say. A local directory is created if need be; of a bucket nothing is
    /// asked yet, so a server that is away keeps no process from starting.
    ///
    /// # Errors
    /// When the directory cannot be made, or when `prefix` is no key.
    pub fn open(settings: &StorageSettings) -> Result<Self, StorageError> {
        let place = match settings.backend {
            StorageBackend::Local => Place::Local(Directory::open(&settings.root)?),
            StorageBackend::S3 => Place::S3(Bucket::open(settings)?),
        };
        Ok(Self {
            place,
            max_file_bytes: settings.max_file_bytes,
        })
    }

    /// Storage in the local directory `root`, as [`Storage::open`].
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn local(root: &FilePath) -> Result<Self, StorageError> {
        Self::open(&StorageSettings {
            root: root.to_owned(),
            ..StorageSettings::default()
        })
    }

    /// Stores `content` under `key`, replacing what was there. What whoever downloads it shall know
    /// of it says `label`: kept by a bucket, not by a local directory. To be run to its end: that of
    /// the content, which may fail. One upload to a key at a time.
    ///
    /// # Errors
    /// When the content or the storage fails half way, or when the content is too large. Nothing is
    /// visible then and nothing left behind, unless storage went away without an answer to its last
    /// request; that, and what a crash leaves, [`Storage::delete_prefix`] removes.
    pub async fn put<S>(
        &self,
        key: &str,
        label: &Label<'_>,
        content: S,
    ) -> Result<Stored, StorageError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        let target = Target {
            store: self.store(),
            path: self.locate(key)?,
            attributes: self.attributes(label),
        };
        let path = target.path.clone();
        let mut upload = Upload::new(key, target, self.max_file_bytes);
        let stored = upload.run(content).await;
        if stored.is_err() {
            self.give_up(key, &path, upload).await;
        }
        stored
    }

    /// Reads the object at `key`: all of it, or the bytes of `range` (clipped to its end).
    pub async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object, StorageError> {
        let path = self.locate(key)?;
        let options = GetOptions {
            range: range.map(Into::into),
            ..GetOptions::default()
        };
        let got = self.store().get_opts(&path, options).await;
        let got = got.map_err(|e| StorageError::of(key, e))?;
        let (size, range, key) = (got.meta.size, got.range.clone(), key.to_owned());
        let stream = got
            .into_stream()
            .map_err(move |e| StorageError::of(&key, e))
            .boxed();
        Ok(Object {
            size,
            range,
            stream,
        })
    }

    /// An address from which whoever has it can download the object at `key` for a while, without
    /// asking us, under the name and type of its label. It ends with the shortest of `longest` and
    /// the setting `storage.presign_seconds`. It is a secret: not for logs. None when storage offers
    /// none: a local directory, or `storage.presign` is not set. Whether the object exists is not
    /// looked at.
    pub async fn presigned(
        &self,
        key: &str,
        longest: Duration,
    ) -> Result<Option<String>, StorageError> {
        let path = self.locate(key)?;
        match &self.place {
            Place::Local(_) => Ok(None),
            Place::S3(bucket) => bucket.presigned(key, &path, longest).await,
        }
    }

    /// Deletes the object at `key`; one that is not there is deleted already.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let path = self.locate(key)?;
        let deleted = self.store().delete(&path).await;
        match deleted.map_err(|e| StorageError::of(key, e)) {
            Ok(()) | Err(StorageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes everything below `prefix` (whole path segments): objects, and in a local directory
    /// what uploads that a crash cut off left behind (in a bucket its own rule for incomplete uploads
    /// does that). What is not there is deleted already.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<(), StorageError> {
        let path = self.locate(prefix)?;
        match &self.place {
            Place::Local(directory) => directory.remove_below(prefix, &path).await,
            Place::S3(bucket) => bucket.remove_below(prefix, &path).await,
        }
    }

    /// The names right below `prefix` that have something below them, be it only (in a local
    /// directory) an upload that a crash cut off.
    pub async fn directories(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let path = self.locate(prefix)?;
        let listed = self.store().list_with_delimiter(Some(&path)).await;
        let below = listed
            .map_err(|e| StorageError::of(prefix, e))?
            .common_prefixes;
        Ok(below
            .iter()
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect())
    }

    /// Whether storage can be reached. Asks for it, so its cost is that of one small request.
    ///
    /// # Errors
    /// The reason why not; it holds no secret.
    pub async fn ping(&self) -> Result<(), StorageError> {
        match &self.place {
            Place::Local(directory) => directory.ping().await,
            Place::S3(bucket) => bucket.ping().await,
        }
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        match &self.place {
            Place::Local(directory) => directory.store.clone(),
            Place::S3(bucket) => bucket.store.clone(),
        }
    }

    /// The path of `key`, which cannot lead out of the root or the prefix.
    fn locate(&self, key: &str) -> Result<Path, StorageError> {
        let path = parse(key)?;
        Ok(match &self.place {
            Place::Local(_) => path,
            Place::S3(bucket) => bucket.locate(&path),
        })
    }

    /// A local directory refuses attributes.
    fn attributes(&self, label: &Label<'_>) -> Attributes {
        match &self.place {
            Place::Local(_) => Attributes::new(),
            Place::S3(bucket) => bucket.attributes(label),
        }
    }

    /// Removes what an upload that failed has sent.
    async fn give_up(&self, key: &str, path: &Path, upload: Upload<'_>) {
        let aborted = upload.abort().await;
        let removed = match (&self.place, aborted) {
            (_, Ok(())) => Ok(()),
            // A completion that failed cannot be aborted any more, which is not the news.
            (Place::Local(directory), Err(_)) => directory.remove_staged(key, path).await,
            (Place::S3(_), Err(error)) => Err(StorageError::of_upload(key, error)),
        };
        if let Err(error) = removed {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "parts of a failed upload may be left behind");
        }
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
