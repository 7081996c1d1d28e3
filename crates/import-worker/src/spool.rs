//! The upload on a disk of ours, where it can be read back and forth: a file without a name, which
//! is gone when nobody reads it any more, whichever way the process ends.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use domain::{Failure, FailureCode, Upload};
use futures::StreamExt;
use service::{ByteStream, Storage, StorageError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::failure::{of_disk, of_panic, of_storage};

/// Where uploads are copied to, and what else does not fit into memory.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: PathBuf,
}

impl Spool {
    /// In `directory`, or in the system's own one.
    #[must_use]
    pub fn new(directory: Option<&Path>) -> Self {
        let directory = directory.map_or_else(std::env::temp_dir, Path::to_owned);
        Self { directory }
    }

    /// Where files without a name are made.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Copies the upload. None when storage has no such object.
    ///
    /// # Errors
    /// Transient: storage or the disk fails. Permanent: the object is not the one that was uploaded.
    pub(crate) async fn copy(
        &self,
        storage: &Storage,
        upload: &Upload,
        stop: &CancellationToken,
    ) -> Result<Option<File>, Failure> {
        let object = match storage.get(&upload.object_key, None).await {
            Ok(object) => object,
            Err(StorageError::NotFound { .. }) => {
                // where storage is away there are no objects either
                let reached = storage.ping().await;
                return reached.map(|()| None).map_err(|error| of_storage(&error));
            }
            Err(error) => return Err(of_storage(&error)),
        };
        if object.size != upload.size {
            let detail = format!(
                "the upload has {} bytes in storage, and had {}",
                object.size, upload.size
            );
            return Err(Failure::permanent(FailureCode::StorageUnavailable, detail));
        }
        let file = tempfile::tempfile_in(&self.directory).map_err(|error| of_disk(&error))?;
        let (stream, stop) = (object.stream, stop.clone());
        let runtime = Handle::current();
        // on one thread: what comes is written where it comes
        let copying = move || runtime.block_on(pour(stream, file, &stop));
        tokio::task::spawn_blocking(copying)
            .await
            .unwrap_or_else(|panicked| Err(of_panic(panicked)))
            .map(Some)
    }
}

async fn pour(
    mut stream: ByteStream,
    mut file: File,
    stop: &CancellationToken,
) -> Result<File, Failure> {
    loop {
        let bytes = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(Failure::stopped()),
            bytes = stream.next() => bytes,
        };
        match bytes {
            Some(Ok(bytes)) => file.write_all(&bytes).map_err(|error| of_disk(&error))?,
            Some(Err(error)) => return Err(of_storage(&error)),
            None => break,
        }
    }
    file.rewind().map_err(|error| of_disk(&error))?;
    Ok(file)
}
