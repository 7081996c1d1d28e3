//! Rows of a batch are locked without their large contexts; those are read afterwards, as far as a
//! batch bears them. So a batch of a thousand rows costs no more memory than its bound, whatever
//! their contexts hold.

use std::collections::HashMap;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Lane, Rung};

use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::{COLUMNS_BUT_CONTEXT, LockedRow, RowAsStored};

/// Bytes of a context that comes with its row: a thousand of them are twice [`BATCH_BYTES`].
const SMALL_BYTES: u64 = 16 << 10;

/// Bytes of all contexts of a batch that has more than one row with a large one.
const BATCH_BYTES: u64 = 8 << 20;

/// A row under this transaction's lock; a large context is still empty.
#[derive(QueryableByName)]
pub(super) struct LightRow {
    #[diesel(embed)]
    light: RowAsStored,
    #[diesel(sql_type = Unsigned<BigInt>)]
    context_bytes: u64,
}

impl LightRow {
    pub(super) fn rung(&self) -> Rung {
        self.light.rung()
    }
}

/// Rows of the lane that wait, locked by their ids ascending.
pub(super) async fn lock(
    connection: &mut Connection,
    guard: &str,
    lane: &Lane,
) -> Result<Vec<LightRow>, StoreError> {
    let rows = sql_query(format!(
        "SELECT IF(LENGTH(context) > {SMALL_BYTES}, '', context) AS context, \
         LENGTH(context) AS context_bytes, {COLUMNS_BUT_CONTEXT} \
         FROM compensate_biz FORCE INDEX (PRIMARY) WHERE {guard} AND lane = ? \
         AND status = 'WAIT_HANDLE' ORDER BY id FOR UPDATE"
    ))
    .bind::<Text, _>(lane.as_str());
    Ok(rows.load(connection).await?)
}

/// The rows with their contexts, as many as a batch bears, one at least; and those that it does not.
pub(super) async fn load(
    connection: &mut Connection,
    rows: Vec<LightRow>,
) -> Result<(Vec<LockedRow>, Vec<Rung>), StoreError> {
    let (mut taken, mut left) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut large = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let is_large = row.context_bytes > SMALL_BYTES;
        if is_large && !taken.is_empty() && bytes + row.context_bytes > BATCH_BYTES {
            left.push(row.rung());
            continue;
        }
        bytes += row.context_bytes;
        if is_large {
            large.push(row.rung().id.0);
        }
        taken.push(row.light.into_locked()?);
    }
    let mut contexts = contexts_of(connection, large).await?;
    for row in &mut taken {
        if let Some(context) = contexts.remove(&row.id.0) {
            row.context = context;
        }
    }
    Ok((taken, left))
}

/// They are locked, so they are read as they are.
async fn contexts_of(
    connection: &mut Connection,
    rows: Vec<u64>,
) -> Result<HashMap<u64, String>, StoreError> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Context> = sql_query(format!(
        "SELECT id, context FROM compensate_biz FORCE INDEX (PRIMARY) WHERE id IN ({})",
        list(rows)
    ))
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.context)).collect())
}

#[derive(QueryableByName)]
struct Context {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    context: String,
}
