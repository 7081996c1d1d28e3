//! Rows that are born of other rows' work, in the transaction that settles it.
//!
//! What is due now is born announced, for the caller to ring right after the commit; what is due
//! later waits for the relay, and so does everything where nobody is there to ring.

use std::time::Duration;

use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizId, BizType, CompensateBizId, Lane, LeaseEpoch, Rung, TaskId, Tenant};

use crate::announce::Announced;
use crate::error::StoreError;
use crate::fragment::after;
use crate::pool::Connection;

/// When the scan looks at a row that a settle bore, if no ring brings it, in seconds.
pub(crate) const BORN_SCAN_SECONDS: u64 = 5;

/// Rows of one statement.
const ROWS_PER_INSERT: usize = 500;

/// Bytes of contexts in one statement, far below the least `max_allowed_packet`, unless one row
/// alone has more.
const CONTEXT_BYTES_PER_INSERT: usize = 1 << 20;

/// Work to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRow {
    pub(crate) biz_type: BizType,
    pub(crate) biz_id: BizId,
    pub(crate) lane: Lane,
    /// The work itself, as JSON.
    pub(crate) context: String,
    /// Failures that may be followed by another try.
    pub(crate) max_cnt: u32,
    /// The group that counts it.
    pub(crate) group_id: Option<u64>,
    pub(crate) task_id: Option<TaskId>,
    /// 0 to 9; 5 and more are urgent.
    pub(crate) priority: u8,
    /// Zero: due now.
    pub(crate) delay: Duration,
    /// The span that asks for it, as W3C `traceparent`.
    pub(crate) trace_context: Option<String>,
}

/// What a transaction bears, and whether somebody rings it after the commit.
#[derive(Debug, Default)]
pub(crate) struct Births {
    /// When the scan looks at what is born announced; none where nobody rings.
    pub(crate) scan_interval: Option<Duration>,
    /// To be rung.
    pub(crate) born: Vec<(Lane, Announced)>,
}

impl Births {
    /// The caller rings after the commit.
    pub(crate) fn rung() -> Self {
        Self {
            scan_interval: Some(Duration::from_secs(BORN_SCAN_SECONDS)),
            born: Vec::new(),
        }
    }

    /// Nobody rings: the relay does.
    pub(crate) fn left_to_the_relay() -> Self {
        Self::default()
    }
}

/// Inserts the rows in bounded statements and answers what must be rung after the commit, in their
/// order: what is due now, if there is somebody to ring it (`scan_interval`).
///
/// # Errors
/// [`StoreError::Duplicate`] when one of them exists.
pub(crate) async fn insert_rows(
    connection: &mut Connection,
    tenant: &Tenant,
    rows: &[NewRow],
    scan_interval: Option<Duration>,
) -> Result<Vec<(Lane, Announced)>, StoreError> {
    let mut born = Vec::new();
    let mut left = rows;
    while !left.is_empty() {
        let (now, later) = left.split_at(fitting(left));
        let ids = insert_some(connection, tenant, now, scan_interval).await?;
        let rung = now.iter().zip(ids).filter(|(row, _)| row.delay.is_zero());
        if scan_interval.is_some() {
            born.extend(rung.map(|(row, id)| (row.lane.clone(), announced(row, id))));
        }
        left = later;
    }
    Ok(born)
}

/// How many of the rows go into the next statement: one at least.
fn fitting(rows: &[NewRow]) -> usize {
    let mut bytes = 0;
    let fit = rows.iter().take(ROWS_PER_INSERT).take_while(|row| {
        bytes += row.context.len();
        bytes <= CONTEXT_BYTES_PER_INSERT
    });
    fit.count().max(1)
}

fn announced(row: &NewRow, id: u64) -> Announced {
    Announced {
        rung: Rung {
            id: CompensateBizId(id),
            epoch: LeaseEpoch(0),
        },
        trace_context: row.trace_context.clone(),
    }
}

/// Inserts the rows in one statement; answers their ids. A multi-row INSERT of new rows gets ids in
/// equal steps, whatever else is inserted meanwhile (`innodb_autoinc_lock_mode`, "simple inserts").
async fn insert_some(
    connection: &mut Connection,
    tenant: &Tenant,
    rows: &[NewRow],
    scan_interval: Option<Duration>,
) -> Result<impl Iterator<Item = u64> + use<>, StoreError> {
    let values: Vec<String> = rows.iter().map(|row| values(row, scan_interval)).collect();
    let mut insert = sql_query(format!(
        "INSERT INTO compensate_biz (tenant, biz_type, biz_id, lane, context, trace_context, \
         max_cnt, group_id, task_id, priority, announced, wake_at) VALUES {}",
        values.join(",")
    ))
    .into_boxed::<Mysql>();
    for row in rows {
        insert = insert
            .bind::<Text, _>(tenant.as_str())
            .bind::<Text, _>(row.biz_type.as_str())
            .bind::<Text, _>(row.biz_id.as_str())
            .bind::<Text, _>(row.lane.as_str())
            .bind::<Text, _>(row.context.as_str())
            .bind::<Nullable<Text>, _>(row.trace_context.as_deref());
    }
    insert.execute(connection).await?;
    let ids: Inserted =
        sql_query("SELECT LAST_INSERT_ID() AS first, @@auto_increment_increment AS step")
            .get_result(connection)
            .await?;
    Ok((0..rows.len() as u64).map(move |place| ids.first + place * ids.step))
}

fn values(row: &NewRow, scan_interval: Option<Duration>) -> String {
    let (is_announced, wait) = match scan_interval {
        Some(scan_interval) if row.delay.is_zero() => ("TRUE", scan_interval),
        _ => ("FALSE", row.delay),
    };
    format!(
        "(?, ?, ?, ?, ?, ?, {}, {}, {}, {}, {is_announced}, {})",
        row.max_cnt,
        number(row.group_id),
        number(row.task_id.map(|task| task.0)),
        row.priority,
        after(wait)
    )
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "NULL".to_owned(), |number| number.to_string())
}

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = Unsigned<BigInt>)]
    first: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    step: u64,
}
