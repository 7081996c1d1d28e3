//! A lane that pauses by itself, and the probe that opens it again.

use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{Integer, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BreakerTerms, Lane, LaneState};

use super::{LaneStanding, REASON_CHARACTERS, lock, read};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::pool::Connection;
use crate::settle::shortened;

/// The right to try one row of a lane that is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneProbe {
    /// Who has it; at most 191 characters.
    pub owner: String,
    /// The trip that it follows.
    pub trips: u32,
}

impl LaneProbe {
    /// The probe of the lane, if `owner` has it.
    #[must_use]
    pub fn held_by(owner: &str, lane: &LaneStanding) -> Option<Self> {
        let held = lane.state == LaneState::Probing && lane.probe_owner.as_deref() == Some(owner);
        held.then(|| Self {
            owner: owner.to_owned(),
            trips: lane.trips,
        })
    }
}

impl Store {
    /// Pauses an open lane by itself. Whether this did it: a lane that is paused stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trip_lane(
        &self,
        lane: &Lane,
        reason: &str,
        terms: &BreakerTerms,
    ) -> Result<bool, StoreError> {
        let (lane, reason, terms) = (lane.clone(), reason.to_owned(), *terms);
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let standing = lock(connection, &lane).await?;
            if standing.state != LaneState::Open {
                return Ok(false);
            }
            let trips = match is_as_good_as_new(connection, &lane, terms.longest_pause).await? {
                true => 1,
                false => standing.trips.saturating_add(1),
            };
            pause(connection, &lane, &reason, trips, terms).await?;
            Ok(true)
        })
        .await
    }

    /// Takes the probe of a lane that paused by itself, when it is due: one asker gets it, for so
    /// long; then it is due again, unless its row is still at work ([`Store::keep_probe`]).
    ///
    /// # Errors
    /// [`StoreError`]; after an unknown COMMIT, [`LaneProbe::held_by`] tells.
    pub async fn take_probe(
        &self,
        lane: &Lane,
        owner: &str,
        limit: Duration,
    ) -> Result<Option<LaneProbe>, StoreError> {
        let (lane, owner) = (lane.clone(), owner.to_owned());
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let standing = read(connection, &lane, " FOR UPDATE").await?;
            // One that a person paused has no time for a probe.
            if standing.state == LaneState::Open || !standing.probe_is_due {
                return Ok(None);
            }
            sql_query(format!(
                "UPDATE lane FORCE INDEX (PRIMARY) SET state = 'PROBING', probe_owner = ?, \
                 probe_at = {}, updated_at = UTC_TIMESTAMP(6) WHERE name = ?",
                after(limit)
            ))
            .bind::<Text, _>(&owner)
            .bind::<Text, _>(lane.as_str())
            .execute(connection)
            .await?;
            Ok(Some(LaneProbe {
                owner,
                trips: standing.trips,
            }))
        })
        .await
    }

    /// Keeps a probe whose row is still at work: for so long from now on nobody else gets one. Whether
    /// it is still this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_probe(
        &self,
        lane: &Lane,
        probe: &LaneProbe,
        limit: Duration,
    ) -> Result<bool, StoreError> {
        let (lane, probe) = (lane.clone(), probe.clone());
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let matched = sql_query(format!(
                "UPDATE lane FORCE INDEX (PRIMARY) SET probe_at = {}, \
                 updated_at = UTC_TIMESTAMP(6) WHERE name = ? AND state = 'PROBING' \
                 AND probe_owner = ? AND trips = ?",
                after(limit)
            ))
            .bind::<Text, _>(lane.as_str())
            .bind::<Text, _>(&probe.owner)
            .bind::<Unsigned<Integer>, _>(probe.trips)
            .execute(connection)
            .await?;
            Ok(matched == 1)
        })
        .await
    }

    /// A probe found that work gets done: opens the lane. Whether this did it; a probe that took long
    /// may, too, as long as no other failed meanwhile and nobody paused the lane.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn probe_succeeded(
        &self,
        lane: &Lane,
        probe: &LaneProbe,
    ) -> Result<bool, StoreError> {
        let (lane, probe) = (lane.clone(), probe.clone());
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let standing = read(connection, &lane, " FOR UPDATE").await?;
            if standing.state != LaneState::Probing || standing.trips != probe.trips {
                return Ok(false);
            }
            open(connection, &lane, standing.trips).await?;
            Ok(true)
        })
        .await
    }

    /// A probe found that it does not: pauses the lane again, for longer. Whether this did it; whoever
    /// has lost the probe changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn probe_failed(
        &self,
        lane: &Lane,
        probe: &LaneProbe,
        reason: &str,
        terms: &BreakerTerms,
    ) -> Result<bool, StoreError> {
        let (lane, probe, terms) = (lane.clone(), probe.clone(), *terms);
        let reason = reason.to_owned();
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let standing = read(connection, &lane, " FOR UPDATE").await?;
            if LaneProbe::held_by(&probe.owner, &standing).as_ref() != Some(&probe) {
                return Ok(false);
            }
            let trips = standing.trips.saturating_add(1);
            pause(connection, &lane, &reason, trips, terms).await?;
            Ok(true)
        })
        .await
    }
}

/// Whether the lane, which is open and locked, has been so for long.
async fn is_as_good_as_new(
    connection: &mut Connection,
    lane: &Lane,
    longest: Duration,
) -> Result<bool, StoreError> {
    let lately: Vec<super::Found> = sql_query(format!(
        "SELECT 1 AS found FROM lane FORCE INDEX (PRIMARY) WHERE name = ? \
         AND updated_at > UTC_TIMESTAMP(6) - INTERVAL {} MICROSECOND",
        longest.as_micros()
    ))
    .bind::<Text, _>(lane.as_str())
    .load(connection)
    .await?;
    Ok(lately.is_empty())
}

async fn pause(
    connection: &mut Connection,
    lane: &Lane,
    reason: &str,
    trips: u32,
    terms: BreakerTerms,
) -> Result<(), StoreError> {
    sql_query(format!(
        "UPDATE lane FORCE INDEX (PRIMARY) SET state = 'PAUSED', reason = ?, paused_by = NULL, \
         paused_at = UTC_TIMESTAMP(6), probe_at = {}, probe_owner = NULL, trips = ?, \
         updated_at = UTC_TIMESTAMP(6) WHERE name = ?",
        after(terms.pause_after(trips))
    ))
    .bind::<Text, _>(shortened(reason, REASON_CHARACTERS))
    .bind::<Unsigned<Integer>, _>(trips)
    .bind::<Text, _>(lane.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// Opens the lane, which is locked.
pub(super) async fn open(
    connection: &mut Connection,
    lane: &Lane,
    trips: u32,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE lane FORCE INDEX (PRIMARY) SET state = 'OPEN', reason = NULL, paused_by = NULL, \
         paused_at = NULL, probe_at = NULL, probe_owner = NULL, trips = ?, \
         updated_at = UTC_TIMESTAMP(6) WHERE name = ?",
    )
    .bind::<Unsigned<Integer>, _>(trips)
    .bind::<Text, _>(lane.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
