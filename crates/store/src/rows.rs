//! Rows of a dataset as a stream: the raw door beside the pool, for reading much.
//!
//! Owns connections of its own, one for each stream. Promises one consistent snapshot in a total
//! order, memory that does not grow with rows, values that are bound and never part of a
//! statement, and that a stream whose reader has gone ends at the server at once: the connection
//! is killed from a second one, because the driver would otherwise read the whole rest in the
//! background. Also checks definitions against the tables they name.
//! Proven by `tests/it/rows.rs` and `tests/it/datasets.rs`.

mod decode;
mod pump;
mod query;
mod schema;

use domain::RowChunk;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::error::StoreError;
use crate::pool::Store;

pub use query::RowQuery;

/// Chunks that may wait between the database and the reader.
const CHUNKS_WAITING: usize = 4;

/// A stream of rows. Dropping it ends the query at the server.
pub struct Rows {
    total: u64,
    chunks: mpsc::Receiver<Result<RowChunk, StoreError>>,
}

impl Store {
    /// Opens a stream on a snapshot taken now. The work runs on `tracker`, on the store's runtime,
    /// until the stream has ended or was dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when MySQL is away; [`StoreError::Refused`] when it does not
    /// take the query.
    pub async fn rows(&self, query: RowQuery, tracker: &TaskTracker) -> Result<Rows, StoreError> {
        let (opened, total) = oneshot::channel();
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        let url = self.settings.url.clone();
        tracker.spawn_on(pump::run(url, query, opened, sender), &self.runtime);
        let gone = |_| StoreError::Corrupt("the row stream ended before it began".to_owned());
        let total = total.await.map_err(gone)??;
        Ok(Rows { total, chunks })
    }
}

impl Rows {
    /// How many rows there are: exact, counted in the same snapshot.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The next rows; none after the last. Nothing follows an error. Safe to cancel.
    pub async fn next(&mut self) -> Option<Result<RowChunk, StoreError>> {
        self.chunks.recv().await
    }
}
