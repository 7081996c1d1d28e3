//! What is wrong with the rows of a batch, as it lies in the ledger: JSON in sheet order, compressed.

use std::borrow::Cow;
use std::io::{Read, Write};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Integer, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{RowCode, RowError, TaskId, Tenant};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::corrupt;
use crate::error::StoreError;
use crate::pool::Connection;

/// Row errors of one batch from which on they are compressed off the async threads.
const MANY_ERRORS: usize = 1_000;

/// The row errors, still compressed, of the first batch from `from` on that has any, or any of that
/// code.
pub(crate) async fn packed_errors(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
    from: u32,
    code: Option<RowCode>,
) -> Result<Option<(u32, Vec<u8>)>, StoreError> {
    let mut query = sql_query(format!(
        "SELECT batch_no, row_errors FROM import_batch FORCE INDEX (PRIMARY) \
         WHERE tenant = ? AND task_id = ? AND batch_no >= {from} AND row_errors IS NOT NULL"
    ))
    .into_boxed()
    .bind::<Text, _>(tenant.as_str().to_owned())
    .bind::<Unsigned<BigInt>, _>(task.0);
    if let Some(code) = code {
        query = query
            .sql(" AND LOCATE(?, by_code) > 0")
            .bind::<Text, _>(format!("\"{code}\""));
    }
    let found: Vec<PackedRow> = query
        .sql(" ORDER BY batch_no LIMIT 1")
        .load(connection)
        .await?;
    Ok(found
        .into_iter()
        .next()
        .map(|row| (row.batch_no, row.row_errors)))
}

/// In sheet order, as JSON, compressed.
pub(super) async fn pack(errors: &[RowError]) -> Result<Option<Vec<u8>>, StoreError> {
    if errors.is_empty() {
        return Ok(None);
    }
    let packed = if errors.len() < MANY_ERRORS {
        pack_now(errors)
    } else {
        let errors = errors.to_vec();
        off_thread(move || pack_now(&errors)).await
    };
    packed.map(Some)
}

fn pack_now(errors: &[RowError]) -> Result<Vec<u8>, StoreError> {
    let mut errors = Cow::Borrowed(errors);
    if !errors.is_sorted_by_key(|error| error.row) {
        errors.to_mut().sort_by_key(|error| error.row);
    }
    let text = serde_json::to_vec(&errors).map_err(corrupt)?;
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&text).map_err(corrupt)?;
    packed.finish().map_err(corrupt)
}

pub(crate) async fn unpack(packed: Vec<u8>) -> Result<Vec<RowError>, StoreError> {
    off_thread(move || {
        let mut text = Vec::new();
        ZlibDecoder::new(&*packed)
            .read_to_end(&mut text)
            .map_err(corrupt)?;
        serde_json::from_slice(&text).map_err(corrupt)
    })
    .await
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|stopped| Err(StoreError::Unavailable(Box::new(stopped))))
}

#[derive(QueryableByName)]
struct PackedRow {
    #[diesel(sql_type = Unsigned<Integer>)]
    batch_no: u32,
    #[diesel(sql_type = Binary)]
    row_errors: Vec<u8>,
}
