//! Whether a lane is worked on: a row of `lane`, which every worker looks at; without one it is open.
//!
//! It is paused by the breaker of a worker (`lane/breaker.rs`), which one probe reopens, or by a
//! person (`lane/person.rs`), whom only a person overrules. Each change is made under the row's lock,
//! and the database's clock decides when a probe is due. Shown by `tests/it/lane.rs`.

mod breaker;
mod person;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Datetime, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Lane, LaneState};

use crate::Store;
use crate::backlog::Backlog;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;

pub use breaker::LaneProbe;
pub use person::LaneAct;

/// Characters of a reason.
const REASON_CHARACTERS: usize = 500;

/// How a lane stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStanding {
    /// The lane.
    pub lane: Lane,
    /// Whether it is worked on.
    pub state: LaneState,
    /// Why not.
    pub reason: Option<String>,
    /// `<tenant>/<user>` of who paused it; none when it paused by itself.
    pub paused_by: Option<String>,
    /// Since when.
    pub paused_at: Option<DateTime<Utc>>,
    /// When a probe may be taken.
    pub probe_at: Option<DateTime<Utc>>,
    /// Whether that time has come, by the database's clock.
    pub probe_is_due: bool,
    /// Who has the probe.
    pub probe_owner: Option<String>,
    /// How often it paused by itself without having been well in between.
    pub trips: u32,
    /// How often a person has asked for a scan.
    pub scans: u64,
}

impl LaneStanding {
    /// A lane that nobody ever paused.
    #[must_use]
    pub fn open(lane: Lane) -> Self {
        Self {
            lane,
            state: LaneState::Open,
            reason: None,
            paused_by: None,
            paused_at: None,
            probe_at: None,
            probe_is_due: false,
            probe_owner: None,
            trips: 0,
            scans: 0,
        }
    }
}

impl Store {
    /// How the lane stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane(&self, lane: &Lane) -> Result<LaneStanding, StoreError> {
        let lane = lane.clone();
        self.transact(Op::ReadLane, async move |connection: &mut Connection| {
            read(connection, &lane, "").await
        })
        .await
    }

    /// How each of these lanes stands, each that was ever paused and each that rows name, by name,
    /// with what is open on it. Counts each open row: not to be asked more often than every few
    /// seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lanes(&self, known: &[Lane]) -> Result<Vec<(LaneStanding, Backlog)>, StoreError> {
        let rows = self.transact(Op::ReadLane, async |connection: &mut Connection| {
            let sql = format!("{LANE} WHERE name > ''");
            Ok(sql_query(sql).load::<LaneRow>(connection).await?)
        });
        let mut lanes: BTreeMap<Lane, LaneStanding> = BTreeMap::new();
        for standing in rows.await?.into_iter().map(LaneRow::into_standing) {
            let standing = standing?;
            lanes.insert(standing.lane.clone(), standing);
        }
        let named = self.lanes_of_rows().await?.into_iter();
        let named = named.filter_map(|name| Lane::parse(name).ok());
        for lane in known.iter().cloned().chain(named) {
            let open = || LaneStanding::open(lane.clone());
            lanes.entry(lane.clone()).or_insert_with(open);
        }
        let mut told = Vec::with_capacity(lanes.len());
        for (lane, standing) in lanes {
            told.push((standing, self.backlog(&lane).await?));
        }
        Ok(told)
    }

    /// Whether the lane was ever paused, or any row names it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn knows_lane(&self, lane: &Lane) -> Result<bool, StoreError> {
        let lane = lane.clone();
        self.transact(Op::ReadLane, async move |connection: &mut Connection| {
            let mut found = 0;
            for sql in [
                "SELECT 1 AS found FROM lane FORCE INDEX (PRIMARY) WHERE name = ?",
                "SELECT 1 AS found FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? LIMIT 1",
            ] {
                let query = sql_query(sql).bind::<Text, _>(lane.as_str());
                found += query.load::<Found>(connection).await?.len();
            }
            Ok(found > 0)
        })
        .await
    }
}

/// What is read of a lane.
const LANE: &str = "SELECT name, state, reason, paused_by, paused_at, probe_at, \
     COALESCE(probe_at <= UTC_TIMESTAMP(6), FALSE) AS probe_is_due, probe_owner, trips, \
     scans \
     FROM lane FORCE INDEX (PRIMARY)";

/// Reads the lane, under its lock where `lock` says so.
async fn read(
    connection: &mut Connection,
    lane: &Lane,
    lock: &'static str,
) -> Result<LaneStanding, StoreError> {
    let row: Option<LaneRow> = sql_query(format!("{LANE} WHERE name = ?{lock}"))
        .bind::<Text, _>(lane.as_str())
        .load(connection)
        .await?
        .pop();
    row.map_or_else(
        || Ok(LaneStanding::open(lane.clone())),
        LaneRow::into_standing,
    )
}

/// Reads the lane under its lock; makes the row that is missing.
async fn lock(connection: &mut Connection, lane: &Lane) -> Result<LaneStanding, StoreError> {
    sql_query("INSERT INTO lane (name) VALUES (?) ON DUPLICATE KEY UPDATE name = lane.name")
        .bind::<Text, _>(lane.as_str())
        .execute(connection)
        .await?;
    read(connection, lane, " FOR UPDATE").await
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    #[expect(dead_code, reason = "that there is one says all")]
    found: i64,
}

#[derive(QueryableByName)]
struct LaneRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    paused_by: Option<String>,
    #[diesel(sql_type = Nullable<Datetime>)]
    paused_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Datetime>)]
    probe_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Bool)]
    probe_is_due: bool,
    #[diesel(sql_type = Nullable<Text>)]
    probe_owner: Option<String>,
    #[diesel(sql_type = Unsigned<Integer>)]
    trips: u32,
    #[diesel(sql_type = Unsigned<BigInt>)]
    scans: u64,
}

impl LaneRow {
    fn into_standing(self) -> Result<LaneStanding, StoreError> {
        let lane = Lane::parse(self.name);
        Ok(LaneStanding {
            lane: lane.map_err(|error| StoreError::Corrupt(error.to_string()))?,
            state: self.state.parse()?,
            reason: self.reason,
            paused_by: self.paused_by,
            paused_at: self.paused_at.map(|at| at.and_utc()),
            probe_at: self.probe_at.map(|at| at.and_utc()),
            probe_is_due: self.probe_is_due,
            probe_owner: self.probe_owner,
            trips: self.trips,
            scans: self.scans,
        })
    }
}
