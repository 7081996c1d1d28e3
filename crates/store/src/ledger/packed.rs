//! What is wrong with the rows of a batch, as it lies in the ledger: JSON in sheet order, compressed.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Integer, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{RowCode, RowError, TaskId, Tenant};

use super::{LedgerPart, corrupt};
use crate::error::StoreError;
use crate::pool::Connection;
use crate::zlib::{deflate, inflate, off_thread};

/// Row errors from which on they are compressed off the async threads.
const MANY_ERRORS: usize = 1_000;

/// The row errors, still compressed, of the first part from `from` on that has any, or any of that
/// code.
pub(crate) async fn packed_errors(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
    from: LedgerPart,
    code: Option<RowCode>,
) -> Result<Option<(LedgerPart, Vec<u8>)>, StoreError> {
    let LedgerPart { batch, part } = from;
    let mut query = sql_query(format!(
        "SELECT batch_no, CAST(part AS UNSIGNED) AS part, row_errors \
         FROM import_batch FORCE INDEX (PRIMARY) WHERE tenant = ? AND task_id = ? \
         AND batch_no >= {batch} AND (batch_no > {batch} OR part >= {part}) \
         AND row_errors IS NOT NULL"
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
        .sql(" ORDER BY batch_no, import_batch.part LIMIT 1")
        .load(connection)
        .await?;
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let part = LedgerPart {
        batch: row.batch_no,
        part: u16::try_from(row.part).map_err(corrupt)?,
    };
    Ok(Some((part, row.row_errors)))
}

/// Errors in sheet order as JSON, compressed.
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
    deflate(&serde_json::to_vec(errors).map_err(corrupt)?)
}

pub(crate) async fn unpack(packed: Vec<u8>) -> Result<Vec<RowError>, StoreError> {
    off_thread(move || serde_json::from_slice(&inflate(&packed)?).map_err(corrupt)).await
}

#[derive(QueryableByName)]
struct PackedRow {
    #[diesel(sql_type = Unsigned<Integer>)]
    batch_no: u32,
    #[diesel(sql_type = Unsigned<BigInt>)]
    part: u64,
    #[diesel(sql_type = Binary)]
    row_errors: Vec<u8>,
}
