//! The due rows of a lane, looked at without locks, so many at a time.

use std::time::Duration;

use chrono::NaiveDateTime;
use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::Lane;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;

/// Due rows that one step looks at, whatever they are: where a lane is paused, or has more than its
/// workers can do, nearly all of them only wait.
pub(super) const LOOKED_AT: usize = 1_000;

/// Where a walk along a lane's due rows, oldest first, has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPlace(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Behind { wake_at: NaiveDateTime, id: u64 },
    Since(Duration),
}

impl SweepPlace {
    /// Before what became due in this time, by the database's clock at each look.
    #[must_use]
    pub const fn since(age: Duration) -> Self {
        Self(Place::Since(age))
    }
}

impl Store {
    /// Found without locks. No index knows which of them are held, so that is not asked of the server: it
    /// would read the whole backlog in vain.
    pub(super) async fn due_rows(
        &self,
        lane: &Lane,
        from: Option<SweepPlace>,
    ) -> Result<Vec<DueRow>, StoreError> {
        let lane = lane.clone();
        self.transact(Op::Sweep, async move |connection: &mut Connection| {
            let place = from.map(|SweepPlace(place)| place);
            let behind = match &place {
                // two ranges of the index, however many rows became due at one moment
                Some(Place::Behind { id, .. }) => {
                    format!(" AND (wake_at = ? AND id > {id} OR wake_at > ?)")
                }
                Some(Place::Since(age)) => format!(
                    " AND wake_at > UTC_TIMESTAMP(6) - INTERVAL {} MICROSECOND",
                    age.as_micros()
                ),
                None => String::new(),
            };
            let mut look = sql_query(format!(
                "SELECT id, wake_at, status = 'PROCESSING' AS is_held, group_id, task_id \
                 FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? AND wake_at <= UTC_TIMESTAMP(6){behind} \
                 ORDER BY wake_at, id LIMIT {LOOKED_AT}"
            ))
            .into_boxed::<Mysql>()
            .bind::<Text, _>(lane.as_str().to_owned());
            if let Some(Place::Behind { wake_at, .. }) = place {
                look = look
                    .bind::<Datetime, _>(wake_at)
                    .bind::<Datetime, _>(wake_at);
            }
            Ok(look.load(connection).await?)
        })
        .await
    }
}

#[derive(QueryableByName)]
pub(super) struct DueRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(super) id: u64,
    #[diesel(sql_type = Datetime)]
    wake_at: NaiveDateTime,
    /// Its lease has ended then; otherwise it waits.
    #[diesel(sql_type = Bool)]
    pub(super) is_held: bool,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    group_id: Option<u64>,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    task_id: Option<u64>,
}

impl DueRow {
    pub(super) const fn place(&self) -> SweepPlace {
        SweepPlace(Place::Behind {
            wake_at: self.wake_at,
            id: self.id,
        })
    }

    /// Whether whoever holds up the one holds up the other.
    pub(super) fn meets_the_locks_of(&self, other: &Self) -> bool {
        let locks = |row: &Self| (row.group_id, row.task_id);
        locks(self) == locks(other) && locks(self) != (None, None)
    }
}
