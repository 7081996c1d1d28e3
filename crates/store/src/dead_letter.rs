//! Work and messages set aside for a person.

use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Failure, Lane};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::LockedRow;
use crate::settle::shortened;

/// A message that is no ring, or that names a row which does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poisoned {
    /// The topic that it came on.
    pub lane: Lane,
    /// One word of a closed set.
    pub reason: &'static str,
    /// For the operator.
    pub detail: String,
    /// The message as it came.
    pub payload: Vec<u8>,
    /// Its headers, `key: value` a line.
    pub headers: String,
}

impl Store {
    /// Records a message that cannot be worked on, before it is acknowledged.
    ///
    /// # Errors
    /// [`StoreError`]; the message must then not be acknowledged.
    pub async fn record_poison(&self, message: Poisoned) -> Result<(), StoreError> {
        self.transact(Op::DeadLetter, async move |connection: &mut Connection| {
            sql_query(
                "INSERT INTO dead_letter (source, lane, reason, detail, payload, headers) \
                 VALUES ('MESSAGE', ?, ?, ?, ?, ?)",
            )
            .bind::<Text, _>(message.lane.as_str())
            .bind::<Text, _>(message.reason)
            .bind::<Text, _>(shortened(&message.detail, 8000))
            .bind::<Binary, _>(message.payload)
            .bind::<Text, _>(shortened(&message.headers, 8000))
            .execute(connection)
            .await?;
            Ok(())
        })
        .await
    }
}

/// Sets a row aside, in the transaction that gave it up.
pub(crate) async fn write(
    connection: &mut Connection,
    row: &LockedRow,
    failure: &Failure,
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO dead_letter (tenant, source, lane, biz_type, compensate_biz_id, reason, \
         detail, payload) VALUES (?, 'ROW', ?, ?, ?, ?, ?, ?)",
    )
    .bind::<Text, _>(row.tenant.as_str())
    .bind::<Text, _>(&row.lane)
    .bind::<Text, _>(&row.biz_type)
    .bind::<Unsigned<BigInt>, _>(row.id.0)
    .bind::<Text, _>(failure.code.as_str())
    .bind::<Text, _>(shortened(&failure.detail, 8000))
    .bind::<Nullable<Binary>, _>(Some(row.context.as_bytes()))
    .execute(connection)
    .await?;
    Ok(())
}
