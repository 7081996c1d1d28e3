//! One upload: gathered into parts, hashed in order on a blocking thread, sent a few at a time while
//! more comes. What fits into one part goes as one request, which leaves nothing behind.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, MultipartUpload, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, Result,
};
use sha2::{Digest, Sha256};
use tokio::task::{JoinSet, spawn_blocking};

use super::{StorageError, Stored};

/// Bytes of one part: the least that S3 takes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Parts under way at the same time. One more is being gathered, so an upload holds 15 MiB at most.
const PARTS_IN_FLIGHT: usize = 2;

/// The most bytes that a file may have: S3 takes 10,000 parts (same source).
pub(crate) const MAX_FILE_BYTES: u64 = 10_000 * PART_BYTES as u64;

/// Where an upload goes.
pub(super) struct Target {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    pub(super) attributes: Attributes,
}

/// An upload that has begun; visible only after [`Upload::finish`].
pub(super) struct Upload<'a> {
    key: &'a str,
    target: Target,
    max_bytes: u64,
    /// Begun with the first full part.
    multipart: Option<Box<dyn MultipartUpload>>,
    under_way: JoinSet<Result<()>>,
    /// The part that is being gathered.
    part: Vec<Bytes>,
    part_bytes: usize,
    hash: Sha256,
    size: u64,
}

impl<'a> Upload<'a> {
    pub(super) fn new(key: &'a str, target: Target, max_bytes: u64) -> Self {
        Self {
            key,
            target,
            max_bytes,
            multipart: None,
            under_way: JoinSet::new(),
            part: Vec::new(),
            part_bytes: 0,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// Takes all of `content` and makes it visible.
    pub(super) async fn run<S>(&mut self, content: S) -> Result<Stored, StorageError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        let mut content = std::pin::pin!(content);
        while let Some(bytes) = content.next().await {
            self.write(bytes.map_err(StorageError::Content)?).await?;
        }
        let finished = self.finish().await;
        finished.map_err(|e| StorageError::of_upload(self.key, e))
    }

    /// Gives up and removes the parts, once those under way have ended: one that arrived later would
    /// stay for ever. Fails when the upload could not be completed: what is left of it then is the
    /// caller's.
    pub(super) async fn abort(mut self) -> Result<()> {
        while self.under_way.join_next().await.is_some() {}
        match &mut self.multipart {
            Some(multipart) => multipart.abort().await,
            None => Ok(()),
        }
    }

    /// Takes the next bytes; waits while too many parts are under way.
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        self.size += bytes.len() as u64;
        if self.size > self.max_bytes {
            let limit = self.max_bytes;
            return Err(StorageError::TooLarge { limit });
        }
        while !bytes.is_empty() {
            // A full part is sent when more comes, so that the last one is never empty.
            if self.part_bytes == PART_BYTES {
                let sent = self.send_part().await;
                sent.map_err(|e| StorageError::of_upload(self.key, e))?;
            }
            let room = PART_BYTES - self.part_bytes;
            let taken = bytes.split_to(bytes.len().min(room));
            self.part_bytes += taken.len();
            self.part.push(taken);
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<Stored> {
        if self.multipart.is_none() {
            self.put_whole().await?;
        } else {
            self.send_part().await?;
        }
        self.wait_for_room(1).await?;
        if let Some(multipart) = &mut self.multipart {
            multipart.complete().await?;
        }
        Ok(Stored {
            size: self.size,
            sha256: hex::encode(std::mem::take(&mut self.hash).finalize()),
        })
    }

    async fn put_whole(&mut self) -> Result<()> {
        let payload = self.hashed_part().await?;
        let options = PutOptions {
            attributes: std::mem::take(&mut self.target.attributes),
            ..PutOptions::default()
        };
        let Target { store, path, .. } = &self.target;
        store.put_opts(path, payload, options).await.map(drop)
    }

    async fn send_part(&mut self) -> Result<()> {
        let payload = self.hashed_part().await?;
        self.wait_for_room(PARTS_IN_FLIGHT).await?;
        // For S3 object_store hashes the part once more, for its signature, on an async thread: a
        // few milliseconds per 5 MiB.
        let sent = self.begun().await?.put_part(payload);
        self.under_way.spawn(sent);
        Ok(())
    }

    async fn begun(&mut self) -> Result<&mut Box<dyn MultipartUpload>> {
        let multipart = match self.multipart.take() {
            Some(multipart) => multipart,
            None => {
                let options = PutMultipartOptions {
                    attributes: std::mem::take(&mut self.target.attributes),
                    ..PutMultipartOptions::default()
                };
                let Target { store, path, .. } = &self.target;
                store.put_multipart_opts(path, options).await?
            }
        };
        Ok(self.multipart.insert(multipart))
    }

    /// The part gathered, after it was hashed off the async threads.
    async fn hashed_part(&mut self) -> Result<PutPayload> {
        let part = std::mem::take(&mut self.part);
        self.part_bytes = 0;
        let (mut hash, pieces) = (std::mem::take(&mut self.hash), part.clone());
        self.hash = spawn_blocking(move || {
            pieces.iter().for_each(|piece| hash.update(piece));
            hash
        })
        .await?;
        Ok(PutPayload::from_iter(part))
    }

    /// Waits until fewer than so many parts are under way.
    async fn wait_for_room(&mut self, parts: usize) -> Result<()> {
        while self.under_way.len() >= parts
            && let Some(sent) = self.under_way.join_next().await
        {
            sent??;
        }
        Ok(())
    }
}
