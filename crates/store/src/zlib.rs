//! Texts that lie compressed in the database.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::error::StoreError;
use crate::ledger::corrupt;

/// Compresses.
pub(crate) fn deflate(text: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).map_err(corrupt)?;
    packed.finish().map_err(corrupt)
}

/// What [`deflate`] was given.
pub(crate) fn inflate(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    ZlibDecoder::new(packed)
        .read_to_end(&mut text)
        .map_err(corrupt)?;
    Ok(text)
}

/// Does such work where it holds nobody up.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|stopped| Err(StoreError::Unavailable(Box::new(stopped))))
}
