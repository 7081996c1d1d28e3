//! One upload in parts: gathered, hashed in order on a blocking thread, sent a few at a time.

use bytes::Bytes;
use object_store::{MultipartUpload, PutPayload, Result};
use sha2::{Digest, Sha256};
use tokio::task::{JoinSet, spawn_blocking};

use super::Stored;

/// Bytes of one part.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Parts under way at the same time.
const PARTS_IN_FLIGHT: usize = 2;

/// An upload that has begun; visible only after [`Upload::finish`].
pub(super) struct Upload {
    target: Box<dyn MultipartUpload>,
    under_way: JoinSet<Result<()>>,
    /// The part that is being gathered.
    part: Vec<Bytes>,
    part_bytes: usize,
    hash: Sha256,
    size: u64,
}

impl Upload {
    pub(super) fn new(target: Box<dyn MultipartUpload>) -> Self {
        Self {
            target,
            under_way: JoinSet::new(),
            part: Vec::new(),
            part_bytes: 0,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// Takes the next bytes; waits while too many parts are under way.
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let room = PART_BYTES - self.part_bytes;
            let taken = bytes.split_to(bytes.len().min(room));
            self.part_bytes += taken.len();
            self.part.push(taken);
            if self.part_bytes == PART_BYTES {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Makes the whole visible.
    pub(super) async fn finish(&mut self) -> Result<Stored> {
        self.send_part().await?;
        self.wait_for_room(1).await?;
        self.target.complete().await?;
        Ok(Stored {
            size: self.size,
            sha256: hex::encode(std::mem::take(&mut self.hash).finalize()),
        })
    }

    /// Gives up and removes the parts. Fails when the upload could not be completed: what is left
    /// of it then is the caller's.
    pub(super) async fn abort(mut self) -> Result<()> {
        self.under_way.shutdown().await;
        self.target.abort().await
    }

    async fn send_part(&mut self) -> Result<()> {
        let part = std::mem::take(&mut self.part);
        self.size += std::mem::take(&mut self.part_bytes) as u64;
        if part.is_empty() {
            return Ok(());
        }
        let (mut hash, pieces) = (std::mem::take(&mut self.hash), part.clone());
        self.hash = spawn_blocking(move || {
            pieces.iter().for_each(|piece| hash.update(piece));
            hash
        })
        .await?;
        self.wait_for_room(PARTS_IN_FLIGHT).await?;
        let sent = self.target.put_part(PutPayload::from_iter(part));
        self.under_way.spawn(sent);
        Ok(())
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
