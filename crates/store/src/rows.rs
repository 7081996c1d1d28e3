//! Rows of a dataset as a stream: the raw door beside the pool, for reading much.
//!
//! Owns connections of its own, one for each stream, to the house's MySQL or to the source that the
//! dataset names. Promises one consistent snapshot in a total order, a total that is counted in that
//! snapshot or said to be an estimate, memory that does not grow with rows, values that are bound
//! and never part of a statement, and that a stream whose reader has gone ends at the server at
//! once: the connection is killed from a second one, because the driver would otherwise read the
//! whole rest in the background. Also checks definitions against the tables they name.
//! Proven by `rows.rs`, `large.rs`, `filters.rs`, `sources.rs`, `totals.rs` and `datasets.rs` in
//! `tests/it`.

mod decode;
mod pump;
mod query;
mod schema;

use std::collections::BTreeMap;
use std::sync::Arc;

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
    total: Total,
    chunks: mpsc::Receiver<Result<Option<RowChunk>, StoreError>>,
    /// The last rows, or an error, have been given.
    ended: bool,
}

/// How many rows a stream will give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Total {
    rows: u64,
    estimated: bool,
}

/// A dataset names a source that nobody told the store of.
#[derive(Debug, thiserror::Error)]
#[error("no source `{0}` is configured")]
struct UnknownSource(String);

impl Store {
    /// The same store, which also reads rows from other servers: `mysql://…` by the name that
    /// datasets call them.
    #[must_use]
    pub fn with_sources(mut self, sources: BTreeMap<String, String>) -> Self {
        self.sources = Arc::new(sources);
        self
    }

    /// Where the rows of a dataset are.
    fn url_of(&self, source: Option<&str>) -> Result<&str, StoreError> {
        let Some(name) = source else {
            return Ok(&self.settings.url);
        };
        let url = self.sources.get(name).map(String::as_str);
        url.ok_or_else(|| StoreError::Refused(Box::new(UnknownSource(name.to_owned()))))
    }

    /// Opens a stream on a snapshot taken now. The work runs on `tracker`, on the store's runtime,
    /// until the stream has ended or was dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when MySQL, or the dataset's source, is away;
    /// [`StoreError::Refused`] when it does not take the query, or the source is not known.
    pub async fn rows(&self, query: RowQuery, tracker: &TaskTracker) -> Result<Rows, StoreError> {
        let (opened, total) = oneshot::channel();
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        let url = self.url_of(query.source.as_deref())?.to_owned();
        tracker.spawn_on(pump::run(url, query, opened, sender), &self.runtime);
        let gone = |_| StoreError::Corrupt("the row stream ended before it began".to_owned());
        let total = total.await.map_err(gone)??;
        Ok(Rows {
            total,
            chunks,
            ended: false,
        })
    }
}

impl Rows {
    /// How many rows there are, counted in the same snapshot; or the server's guess, which may be
    /// too low or too high, when [`Rows::total_is_estimate`].
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.rows
    }

    /// Whether counting would have taken too long, so that the total is only an estimate.
    #[must_use]
    pub fn total_is_estimate(&self) -> bool {
        self.total.estimated
    }

    /// The next rows; none after the last. Nothing follows an error. Safe to cancel.
    pub async fn next(&mut self) -> Option<Result<RowChunk, StoreError>> {
        if self.ended {
            return None;
        }
        let next = match self.chunks.recv().await {
            Some(next) => next.transpose(),
            // never mistaken for the end, which is said
            None => Some(Err(StoreError::Corrupt(
                "the row stream broke off".to_owned(),
            ))),
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
