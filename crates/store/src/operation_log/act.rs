//! Acts that have no transaction of their own, such as a download: submitted as work of the biz type
//! that writes the log, so that the act waits for one small row and nothing is lost. Shown by
//! `tests/it/operation_log.rs`.

use std::time::Duration;

use domain::{BizId, BizType, Lane, ObjectKind, OperationAction, OperationNote, OperationOutcome};
use serde_json::{Map, Value};

use super::{Actor, OBJECT_ID_CHARACTERS, Operation, write};
use crate::Store;
use crate::announce::Announced;
use crate::born::{NewRow, insert_rows};
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::settle::shortened;

/// What somebody did, or was refused.
#[derive(Debug, Clone)]
pub struct LoggedAct {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: OperationAction,
    /// To what.
    pub object: ObjectKind,
    /// Its number or name, at most 249 characters.
    pub object_id: String,
    /// What came of it.
    pub outcome: OperationOutcome,
    /// What else is to be said.
    pub detail: Option<Map<String, Value>>,
    /// What makes it one act: the same again is not written again, as long as its row is kept.
    pub once: BizId,
    /// The span that it belongs to, as W3C `traceparent`.
    pub trace_context: Option<String>,
}

/// Who writes such entries: a biz type of kind `operation_log`.
#[derive(Debug, Clone)]
pub struct LogDesk {
    /// Its name.
    pub biz_type: BizType,
    /// Where it rings.
    pub lane: Lane,
    /// Failures that may be followed by another try.
    pub max_cnt: u32,
    /// When the scan looks at a row that no ring brought.
    pub scan_interval: Duration,
}

impl Store {
    /// Has an act logged: it is durable when this returns, and stands in the log soon after. Answers
    /// what is to be rung. Without a desk the entry is written here and now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_act(
        &self,
        act: LoggedAct,
        desk: Option<&LogDesk>,
    ) -> Result<Vec<(Lane, Announced)>, StoreError> {
        let Some(desk) = desk else {
            let operation = act.operation();
            let wrote = self.transact(Op::LogAct, async move |connection: &mut Connection| {
                write(connection, &operation).await
            });
            return wrote.await.map(|()| Vec::new());
        };
        let (row, tenant) = (act.row(desk)?, act.actor.tenant.clone());
        let scan_interval = Some(desk.scan_interval);
        let submit = || {
            let (rows, tenant) = ([row.clone()], tenant.clone());
            self.transact(Op::LogAct, async move |connection: &mut Connection| {
                insert_rows(connection, &tenant, &rows, scan_interval).await
            })
        };
        match submit().await {
            // Asked again: what that COMMIT wrote is a duplicate then.
            Err(StoreError::UnknownCommit(_)) => logged(submit().await),
            done => logged(done),
        }
    }
}

/// What is there already is logged; relay and scan bring it.
fn logged(
    done: Result<Vec<(Lane, Announced)>, StoreError>,
) -> Result<Vec<(Lane, Announced)>, StoreError> {
    match done {
        Err(StoreError::Duplicate(_)) => Ok(Vec::new()),
        done => done,
    }
}

impl LoggedAct {
    fn operation(&self) -> Operation {
        let done = Operation::done(&self.actor, self.action, self.object, &self.object_id);
        Operation {
            outcome: self.outcome,
            detail: self.detail.clone().map(Value::Object),
            ..done
        }
    }

    fn row(&self, desk: &LogDesk) -> Result<NewRow, StoreError> {
        let note = OperationNote {
            actor: Some(self.actor.user.clone()),
            action: self.action.as_str().to_owned(),
            object_kind: self.object.as_str().to_owned(),
            object_id: shortened(&self.object_id, OBJECT_ID_CHARACTERS),
            outcome: self.outcome,
            detail: self.detail.clone(),
            request_id: self.actor.request_id.clone(),
        };
        Ok(NewRow {
            biz_type: desk.biz_type.clone(),
            biz_id: self.once.clone(),
            lane: desk.lane.clone(),
            context: serde_json::to_string(&note)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?,
            max_cnt: desk.max_cnt,
            group_id: None,
            task_id: None,
            priority: 0,
            delay: Duration::ZERO,
            trace_context: self.trace_context.clone(),
        })
    }
}
