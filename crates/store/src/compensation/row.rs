//! A row that stands for an item, as it was inserted or found.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, CompensateBizId, LeaseEpoch, Rung};

use crate::error::StoreError;
use crate::pool::Connection;

/// The row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) status: BizStatus,
    pub(super) epoch: u64,
    /// Whether this transaction inserted it, or an earlier COMMIT of the same call.
    pub(super) is_own: bool,
    /// Whether this transaction did.
    pub(super) is_new: bool,
}

impl Row {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            status: BizStatus::WaitHandle,
            epoch: 0,
            is_own: true,
            is_new: true,
        }
    }

    pub(super) fn rung(self) -> Rung {
        Rung {
            id: CompensateBizId(self.id),
            epoch: LeaseEpoch(self.epoch),
        }
    }
}

/// The numbers of rows that were inserted last: where they begin, and the step between them.
#[derive(QueryableByName)]
pub(super) struct Inserted {
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(super) first: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(super) step: u64,
}

/// A row that was there.
#[derive(QueryableByName)]
pub(super) struct FoundRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    pub(super) biz_id: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    lease_epoch: u64,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    submit_token: Option<u64>,
}

impl FoundRow {
    /// It is the call's own where it bears its token.
    pub(super) fn into_row(self, token: u64) -> Result<Row, StoreError> {
        Ok(Row {
            id: self.id,
            status: self.status.parse()?,
            epoch: self.lease_epoch,
            is_own: self.submit_token == Some(token),
            is_new: false,
        })
    }
}

/// The database's clock.
pub(super) async fn database_time(
    connection: &mut Connection,
) -> Result<DateTime<Utc>, StoreError> {
    let time: Time = sql_query("SELECT UTC_TIMESTAMP(6) AS now")
        .get_result(connection)
        .await?;
    Ok(time.now.and_utc())
}

#[derive(QueryableByName)]
struct Time {
    #[diesel(sql_type = Datetime)]
    now: NaiveDateTime,
}
