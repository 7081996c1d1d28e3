//! Looking after rows that nobody looks after: leases that ended, hard deadlines that passed.
//!
//! Shown by `tests/it/sweep.rs`.

use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use domain::{Change, CompensateBizId, Event, Failure, FailureCode, FailureKind, Lane};

use crate::Store;
use crate::born::Births;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::{Id, LOCKED_ROW, LockedRow, RowAsStored};
use crate::settle::{Case, settle};

/// A row whose holder has vanished, and what it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// The row.
    pub id: CompensateBizId,
    /// Who held it.
    pub owner: Option<String>,
    /// What it became.
    pub change: Change,
}

impl Store {
    /// Rescues at most `limit` rows of the lane whose lease has ended, oldest first. Rows that
    /// another sweep or their own worker has locked are left alone.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was rescued.
    pub async fn sweep(&self, lane: &Lane, limit: usize) -> Result<Vec<Rescued>, StoreError> {
        let lane = lane.clone();
        self.transact(Op::Sweep, async move |connection: &mut Connection| {
            // Found without locks: among them may be a long backlog of waiting rows.
            let found: Vec<Id> = sql_query(format!(
                "SELECT id FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? AND wake_at <= UTC_TIMESTAMP(6) AND status = 'PROCESSING' \
                 ORDER BY wake_at LIMIT {limit}"
            ))
            .bind::<Text, _>(lane.as_str())
            .load(connection)
            .await?;
            if found.is_empty() {
                return Ok(Vec::new());
            }
            let mut ids: Vec<u64> = found.into_iter().map(|row| row.id).collect();
            ids.sort_unstable();
            let ended: Vec<LockedRow> = sql_query(format!(
                "{LOCKED_ROW} FORCE INDEX (PRIMARY) WHERE id IN ({}) AND status = 'PROCESSING' \
                 AND wake_at <= UTC_TIMESTAMP(6) ORDER BY id FOR UPDATE SKIP LOCKED",
                list(ids)
            ))
            .load::<RowAsStored>(connection)
            .await?
            .into_iter()
            .map(RowAsStored::into_locked)
            .collect::<Result<_, _>>()?;
            // The last row of a group ends it.
            let mut births = Births::left_to_the_relay();
            let mut rescued = Vec::with_capacity(ended.len());
            for row in ended {
                let change = settle(connection, &row, &rescue(&row), &mut births).await?;
                rescued.push(Rescued {
                    id: row.id,
                    owner: row.owner,
                    change,
                });
            }
            Ok(rescued)
        })
        .await
    }
}

fn rescue(row: &LockedRow) -> Case {
    let owner = row.owner.as_deref().unwrap_or("nobody");
    let detail = if row.deadline_passed {
        format!("the hard deadline passed while {owner} held the row")
    } else {
        format!("the lease ended without a word from {owner}")
    };
    let failure = Failure {
        kind: FailureKind::LeaseLost,
        code: FailureCode::TimedOut,
        sentence: None,
        detail,
    };
    let event = Event::Rescue {
        deadline_passed: row.deadline_passed,
    };
    Case {
        cause: Some(failure),
        ..Case::new(event)
    }
}
