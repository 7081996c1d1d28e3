//! Texts in memory that the server may read as files, for LOAD DATA LOCAL through the pool.
//!
//! diesel-async does not let go of its inner connection, so the driver's handler for such reads is
//! set when a connection is opened (pool.rs) and finds the text here, by a random name that was put
//! into the statement a moment before. The handler gives nothing else: a server cannot read a file of
//! this machine by asking for one.

use std::collections::HashMap;
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use mysql_async::{InfileData, LocalInfileError};
use uuid::Uuid;

/// Bytes of one packet; far below every server's `max_allowed_packet`.
const PIECE_BYTES: usize = 64 << 10;

static OFFERED: LazyLock<Mutex<HashMap<String, Bytes>>> = LazyLock::new(Mutex::default);

/// A text that may be read once, as long as this lives.
pub(super) struct Offer {
    name: String,
}

impl Offer {
    pub(super) fn new(text: Bytes) -> Self {
        let name = Uuid::new_v4().simple().to_string();
        offered().insert(name.clone(), text);
        Self { name }
    }

    /// Its file name: 32 hex digits.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        offered().remove(&self.name);
    }
}

/// The handler of connections: see [`mysql_async::prelude::GlobalHandler`].
pub(crate) fn answer(name: &[u8]) -> BoxFuture<'static, Result<InfileData, LocalInfileError>> {
    let text = std::str::from_utf8(name)
        .ok()
        .and_then(|name| offered().remove(name));
    // An error here would leave the server waiting for a file: the stream tells it instead.
    let data = match text {
        Some(text) => pieces(text).map(Ok).boxed(),
        None => stream::iter([Err(io::Error::from(io::ErrorKind::NotFound))]).boxed(),
    };
    async { Ok(data) }.boxed()
}

fn pieces(mut text: Bytes) -> impl futures::Stream<Item = Bytes> + Send {
    stream::iter(std::iter::from_fn(move || {
        let piece = text.split_to(text.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some(piece)
    }))
}

fn offered() -> std::sync::MutexGuard<'static, HashMap<String, Bytes>> {
    OFFERED.lock().unwrap_or_else(PoisonError::into_inner)
}
