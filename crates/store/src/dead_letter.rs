//! Work and messages set aside for a person.
//!
//! Giving up inserts the letter and one row of biz type DEAD_LETTER on the lane's `.dlt`, in the
//! transaction that gives up; whoever works on that row tells people. A DEAD_LETTER row that is
//! given up makes neither: its letter becomes PARKED. Shown by `tests/it/dead_letter.rs`.

mod act;
mod bulk;
mod read;
mod redrive;
mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, BizType, DEAD_LETTER, DeadLetterId, Failure, Lane, Tenant};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::born::{Births, NewRow, insert_rows};
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::read_back::Witness;
use crate::row::LockedRow;
use crate::settle::shortened;

pub use act::{DeadLetterActed, Refusal};
pub use bulk::{BulkRedrive, BulkRedriven, MAX_BULK_REDRIVE};
pub use read::{DeadLetter, DeadLetterContent, DeadLetterFilter};
pub(crate) use summary::WAITING;
pub use summary::{DeadLetterGroup, OpenDeadLetters};

/// Bytes of a row's context or of a message that its letter keeps: what a person can look at, and
/// far below the least `max_allowed_packet`.
const PAYLOAD_BYTES: usize = 64 << 10;

/// Failures of a DEAD_LETTER row that are followed by another try: three tries in all.
const MAX_CNT: u32 = 2;

/// Characters of the detail and of the headers that are kept.
const TEXT_CHARACTERS: usize = 8_000;

/// The tenant of messages, which name none that could be believed, and of rows that a plain SQL
/// client inserted without one: the house's own.
pub const HOUSE_TENANT: &str = "default";

/// The context of a DEAD_LETTER row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterSpec {
    /// The number of the letter.
    pub dead_letter: u64,
}

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
    /// Records a message that cannot be worked on, before it is acknowledged. One that came on a lane
    /// of dead letters is PARKED: it makes no further letter. After an unknown COMMIT the letter is
    /// looked for by its number.
    ///
    /// # Errors
    /// [`StoreError`]; the message must then not be acknowledged. Nothing was written, unless it is
    /// [`StoreError::UnknownCommit`]: then it may be set aside twice.
    pub async fn record_poison(&self, message: Poisoned) -> Result<(), StoreError> {
        let number = Arc::new(AtomicU64::new(0));
        let told = number.clone();
        let body = async move |connection: &mut Connection| {
            let is_parked = message.lane.is_dead_letters();
            sql_query(
                "INSERT INTO dead_letter (tenant, source, lane, reason, detail, payload, \
                 payload_bytes, headers, status) VALUES (?, 'MESSAGE', ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind::<Text, _>(HOUSE_TENANT)
            .bind::<Text, _>(message.lane.as_str())
            .bind::<Text, _>(message.reason)
            .bind::<Text, _>(shortened(&message.detail, TEXT_CHARACTERS))
            .bind::<Binary, _>(beginning(&message.payload))
            .bind::<Unsigned<BigInt>, _>(message.payload.len() as u64)
            .bind::<Text, _>(shortened(&message.headers, TEXT_CHARACTERS))
            .bind::<Text, _>(if is_parked { "PARKED" } else { "OPEN" })
            .execute(connection)
            .await?;
            let letter = inserted(connection).await?;
            told.store(letter.0, Ordering::SeqCst);
            if is_parked {
                return Ok(());
            }
            let tenant = Tenant::stored(HOUSE_TENANT.to_owned());
            let mut births = Births::left_to_the_relay();
            tell_of(
                connection,
                letter,
                (&tenant, &message.lane),
                None,
                &mut births,
            )
            .await
        };
        match self.transact(Op::DeadLetter, body).await {
            Err(StoreError::UnknownCommit(cause)) => {
                let letter = Witness::Letter(AtomicU64::load(&number, Ordering::SeqCst));
                self.committed(Op::DeadLetter, letter, cause).await
            }
            done => done,
        }
    }
}

/// Sets a row aside, in the transaction that gave it up.
pub(crate) async fn write(
    connection: &mut Connection,
    row: &LockedRow,
    failure: &Failure,
    births: &mut Births,
) -> Result<(), StoreError> {
    if row.biz_type == DEAD_LETTER {
        return park(connection, row).await;
    }
    sql_query(
        "INSERT INTO dead_letter (tenant, source, lane, biz_type, biz_id, compensate_biz_id, \
         task_id, reason, detail, payload, payload_bytes) \
         VALUES (?, 'ROW', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind::<Text, _>(row.tenant.as_str())
    .bind::<Text, _>(&row.lane)
    .bind::<Text, _>(&row.biz_type)
    .bind::<Text, _>(row.biz_id.as_str())
    .bind::<Unsigned<BigInt>, _>(row.id.0)
    .bind::<Nullable<Unsigned<BigInt>>, _>(row.task_id.map(|task| task.0))
    .bind::<Text, _>(failure.code.as_str())
    .bind::<Text, _>(shortened(&failure.detail, TEXT_CHARACTERS))
    .bind::<Binary, _>(beginning(row.context.as_bytes()))
    .bind::<Unsigned<BigInt>, _>(row.context.len() as u64)
    .execute(connection)
    .await?;
    // A plain SQL client may have named a lane that is no topic: nobody could listen to its `.dlt`.
    let Ok(lane) = Lane::parse(row.lane.clone()) else {
        return Ok(());
    };
    let trace = row.trace_context.clone();
    let letter = inserted(connection).await?;
    tell_of(connection, letter, (&row.tenant, &lane), trace, births).await
}

/// The letter that was inserted last.
async fn inserted(connection: &mut Connection) -> Result<DeadLetterId, StoreError> {
    let letter: Inserted = sql_query("SELECT LAST_INSERT_ID() AS id")
        .get_result(connection)
        .await?;
    Ok(DeadLetterId(letter.id))
}

/// Inserts the row that brings the letter to people's attention.
async fn tell_of(
    connection: &mut Connection,
    letter: DeadLetterId,
    (tenant, lane): (&Tenant, &Lane),
    trace_context: Option<String>,
    births: &mut Births,
) -> Result<(), StoreError> {
    let spec = DeadLetterSpec {
        dead_letter: letter.0,
    };
    let context =
        serde_json::to_string(&spec).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let row = NewRow {
        biz_type: BizType::parse(DEAD_LETTER)?,
        biz_id: BizId::parse(letter.to_string())?,
        lane: lane.dead_letters(),
        context,
        max_cnt: MAX_CNT,
        group_id: None,
        task_id: None,
        priority: 0,
        delay: std::time::Duration::ZERO,
        trace_context,
    };
    let mut born = insert_rows(connection, tenant, &[row], births.scan_interval).await?;
    births.born.append(&mut born);
    Ok(())
}

/// The letter of a DEAD_LETTER row that was given up. A row that a plain SQL client made up may name
/// none.
async fn park(connection: &mut Connection, row: &LockedRow) -> Result<(), StoreError> {
    let Some(letter) = letter_of(&row.biz_id) else {
        return Ok(());
    };
    sql_query(
        "UPDATE dead_letter FORCE INDEX (PRIMARY) \
         SET status = 'PARKED', updated_at = UTC_TIMESTAMP(6) \
         WHERE id = ? AND tenant = ? AND status = 'OPEN'",
    )
    .bind::<Unsigned<BigInt>, _>(letter.0)
    .bind::<Text, _>(row.tenant.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// The letter that a DEAD_LETTER row is about.
fn letter_of(biz_id: &BizId) -> Option<DeadLetterId> {
    biz_id.as_str().parse().ok()
}

fn beginning(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(PAYLOAD_BYTES)]
}

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
}
