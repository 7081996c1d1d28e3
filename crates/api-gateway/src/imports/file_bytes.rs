//! The bytes of the file as they come, in pieces of one size whatever the client's pieces are (a
//! client that sends one byte at a time must cost no more), counted against the limit.

use std::time::Duration;

use actix_multipart::Field;
use actix_web::web::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::Instant;

use super::form::unread;
use super::too_large;
use crate::body::not_in_time;
use crate::problem::Problem;

/// Bytes of a piece but the last: what is looked at to tell the file's kind.
const PIECE_BYTES: usize = 64 * 1024;

/// How long may be waited for the client.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For the next bytes.
    pub(super) silence: Duration,
    /// For all of them.
    pub(super) until: Instant,
}

impl Patience {
    /// What `coming` gives, if it comes in time.
    pub(super) async fn wait<F: Future>(self, coming: F) -> Result<F::Output, Problem> {
        let until = self.until.min(Instant::now() + self.silence);
        let waited = tokio::time::timeout_at(until, coming).await;
        waited.map_err(|_elapsed| not_in_time())
    }
}

pub(super) struct FileBytes<'f> {
    field: &'f mut Field,
    patience: Patience,
    limit: u64,
    /// In which a file that is too large is refused.
    language: &'f str,
    taken: u64,
    gathered: BytesMut,
    ended: bool,
}

impl<'f> FileBytes<'f> {
    pub(super) fn new(
        field: &'f mut Field,
        patience: Patience,
        (limit, language): (u64, &'f str),
    ) -> Self {
        Self {
            field,
            patience,
            limit,
            language,
            taken: 0,
            gathered: BytesMut::new(),
            ended: false,
        }
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// `413 file_too_large` with the first byte too many; `400` when the client is gone or silent.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        while !self.ended && self.gathered.len() < PIECE_BYTES {
            match self.patience.wait(self.field.next()).await? {
                None => self.ended = true,
                Some(bytes) => self.take(&bytes.map_err(unread)?)?,
            }
        }
        let piece = self.gathered.len().min(PIECE_BYTES);
        let piece = self.gathered.split_to(piece).freeze();
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.taken += bytes.len() as u64;
        if self.taken > self.limit {
            return Err(too_large(self.limit, self.language));
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }
}
