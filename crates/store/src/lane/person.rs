//! A lane that a person pauses, lets go on, or has looked at.

use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use domain::{Lane, LaneState, ObjectKind, OperationAction};
use serde_json::json;

use super::{LaneStanding, REASON_CHARACTERS, breaker, lock, read};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::operation_log::{self, Actor, Operation};
use crate::pool::Connection;
use crate::settle::shortened;

/// What came of a person's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneAct {
    /// The lane stands so now.
    Done(LaneStanding),
    /// Another person has paused it; of a scan: it is not open.
    Refused(LaneStanding),
}

impl Store {
    /// Pauses the lane until a person lets it go on; one that paused by itself, too. Whoever paused
    /// it may say why anew; what another has paused stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pause_lane(
        &self,
        lane: &Lane,
        actor: &Actor,
        reason: &str,
    ) -> Result<LaneAct, StoreError> {
        let (lane, actor) = (lane.clone(), actor.clone());
        let reason = shortened(reason, REASON_CHARACTERS);
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let before = lock(connection, &lane).await?;
            let by = format!("{}/{}", actor.tenant, actor.user);
            let act = Operation::done(&actor, OperationAction::LanePause, ObjectKind::Lane, &lane);
            let act = act.with_detail(json!({"reason": reason, "was": before.state}));
            if before.paused_by.as_ref().is_some_and(|other| *other != by) {
                operation_log::write(connection, &act.refused()).await?;
                return Ok(LaneAct::Refused(before));
            }
            sql_query(
                "UPDATE lane FORCE INDEX (PRIMARY) SET state = 'PAUSED', reason = ?, \
                 paused_by = ?, paused_at = COALESCE(paused_at, UTC_TIMESTAMP(6)), \
                 probe_at = NULL, probe_owner = NULL, updated_at = UTC_TIMESTAMP(6) \
                 WHERE name = ?",
            )
            .bind::<Text, _>(&reason)
            .bind::<Text, _>(&by)
            .bind::<Text, _>(lane.as_str())
            .execute(connection)
            .await?;
            operation_log::write(connection, &act).await?;
            Ok(LaneAct::Done(read(connection, &lane, "").await?))
        })
        .await
    }

    /// Lets the lane go on, whoever or whatever paused it. One that is open stays so, and that is no
    /// act.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume_lane(
        &self,
        lane: &Lane,
        actor: &Actor,
    ) -> Result<LaneStanding, StoreError> {
        let (lane, actor) = (lane.clone(), actor.clone());
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let before = read(connection, &lane, " FOR UPDATE").await?;
            if before.state == LaneState::Open {
                return Ok(before);
            }
            breaker::open(connection, &lane, 0).await?;
            let act = Operation::done(&actor, OperationAction::LaneResume, ObjectKind::Lane, &lane);
            let was = json!({"was": before.state, "paused_by": before.paused_by,
                "reason": before.reason});
            operation_log::write(connection, &act.with_detail(was)).await?;
            read(connection, &lane, "").await
        })
        .await
    }

    /// Has the workers of the lane look for due rows as soon as they look at the lane, and not when
    /// their scan comes round. Of a lane that is not open nothing is taken, so that is refused.
    ///
    /// # Errors
    /// [`StoreError`]; asked again, they look once more, which does no harm.
    pub async fn scan_lane(&self, lane: &Lane, actor: &Actor) -> Result<LaneAct, StoreError> {
        let (lane, actor) = (lane.clone(), actor.clone());
        self.transact(Op::MoveLane, async move |connection: &mut Connection| {
            let before = lock(connection, &lane).await?;
            let act = Operation::done(&actor, OperationAction::LaneScan, ObjectKind::Lane, &lane);
            if before.state != LaneState::Open {
                let act = act.with_detail(json!({"was": before.state}));
                operation_log::write(connection, &act.refused()).await?;
                return Ok(LaneAct::Refused(before));
            }
            sql_query(
                "UPDATE lane FORCE INDEX (PRIMARY) SET scans = scans + 1, \
                 updated_at = UTC_TIMESTAMP(6) WHERE name = ?",
            )
            .bind::<Text, _>(lane.as_str())
            .execute(connection)
            .await?;
            operation_log::write(connection, &act).await?;
            Ok(LaneAct::Done(read(connection, &lane, "").await?))
        })
        .await
    }
}
