//! The row's own part of a settle: its new state, and what is told of a failed attempt.

use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, Change, Failure, FailureKind};

use super::{Case, Story};
use crate::error::StoreError;
use crate::fragment::{after, list};
use crate::pool::Connection;
use crate::row::LockedRow;

/// Rows of one statement.
const ROWS_PER_UPDATE: usize = 1_000;

/// What rows have in common that one statement can change: status, epoch, and what they become.
type Alike<'r> = (&'r str, u64, &'r str, u32, bool);

/// Writes the rows' new states.
pub(super) async fn rows(
    connection: &mut Connection,
    changes: &[(&LockedRow, Change)],
    case: &Case,
) -> Result<(), StoreError> {
    let alike = |(row, change): &(&LockedRow, Change)| -> (Alike<'static>, u64) {
        let (from, to) = (row.state.status.as_str(), change.to.as_str());
        let alike = (from, row.epoch.0, to, change.cnt, change.raises_epoch);
        (alike, row.id.0)
    };
    let mut sorted: Vec<(Alike<'_>, u64)> = changes.iter().map(alike).collect();
    sorted.sort_unstable();
    for some in sorted.chunk_by(|(one, _), (other, _)| one == other) {
        for some in some.chunks(ROWS_PER_UPDATE) {
            let ids: Vec<u64> = some.iter().map(|(_, id)| *id).collect();
            update(connection, some[0].0, &ids, case).await?;
        }
    }
    Ok(())
}

async fn update(
    connection: &mut Connection,
    (from, epoch, to, cnt, raises_epoch): Alike<'_>,
    ids: &[u64],
    case: &Case,
) -> Result<(), StoreError> {
    let is_final = to.parse::<BizStatus>()?.is_final();
    let (wake_at, finished_at) = if is_final {
        ("NULL".to_owned(), "UTC_TIMESTAMP(6)")
    } else {
        (after(case.delay), "NULL")
    };
    let reason = case
        .cause
        .as_ref()
        .map(|failure| shortened(&failure.to_string(), 2000));
    let matched = sql_query(format!(
        "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
         SET status = ?, lease_epoch = ?, lease_owner = NULL, cnt = ?, announced = FALSE, \
             wake_at = {wake_at}, \
             last_failed_reason = COALESCE(?, last_failed_reason), \
             updated_at = UTC_TIMESTAMP(6), finished_at = {finished_at} \
         WHERE id IN ({}) AND status = ? AND lease_epoch = ?",
        list(ids.iter().copied())
    ))
    .bind::<Text, _>(to)
    .bind::<Unsigned<BigInt>, _>(epoch + u64::from(raises_epoch))
    .bind::<Unsigned<Integer>, _>(cnt)
    .bind::<Nullable<Text>, _>(reason)
    .bind::<Text, _>(from)
    .bind::<Unsigned<BigInt>, _>(epoch)
    .execute(connection)
    .await?;
    if matched == ids.len() {
        Ok(())
    } else {
        Err(StoreError::Fenced)
    }
}

/// Records an attempt that failed or was lost.
pub(super) async fn attempt(
    connection: &mut Connection,
    row: &LockedRow,
    failure: &Failure,
    story: &Story,
) -> Result<(), StoreError> {
    let outcome = match failure.kind {
        FailureKind::LeaseLost => "LOST",
        FailureKind::Transient
        | FailureKind::Permanent
        | FailureKind::Rejected
        | FailureKind::Cancelled => "FAILED",
    };
    let ran = story.ran.as_micros();
    sql_query(format!(
        "INSERT INTO compensate_biz_attempt (tenant, compensate_biz_id, epoch, worker, started_at, \
         outcome, error_class, error_text, trace_id) VALUES (?, ?, ?, ?, \
         IF({ran} = 0, NULL, UTC_TIMESTAMP(6) - INTERVAL {ran} MICROSECOND), ?, ?, ?, ?)"
    ))
    .bind::<Text, _>(row.tenant.as_str())
    .bind::<Unsigned<BigInt>, _>(row.id.0)
    .bind::<Unsigned<BigInt>, _>(row.epoch.0)
    .bind::<Nullable<Text>, _>(&row.owner)
    .bind::<Text, _>(outcome)
    .bind::<Text, _>(failure.code.as_str())
    .bind::<Text, _>(shortened(&failure.detail, 8000))
    .bind::<Nullable<Text>, _>(&story.trace_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// The first `most` characters: the columns are bounded and strict mode refuses more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
