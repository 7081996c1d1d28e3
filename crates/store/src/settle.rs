//! `settle`: the one transition that ends an attempt or a row, with all that follows from it, in
//! one transaction and one lock order: compensate_biz, group, task.
//!
//! Used by the worker ([`Store::settle_held`]), the sweep, cancel and redrive. What may follow what
//! is `domain::transition`; the write names id, status and lease epoch, and a write that does not
//! match every row is [`StoreError::Fenced`] and takes everything back. Shown by
//! `tests/it/settle.rs`.

mod project;
mod together;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{BizStatus, Change, Event, Failure, Lane, RowState, TaskId, transition};

use crate::Store;
use crate::announce::Announced;
use crate::born::Births;
use crate::claim::Lease;
use crate::door::Op;
use crate::effects::{Effects, Tx};
use crate::error::StoreError;
use crate::group::{self, Tally};
use crate::ledger;
use crate::pool::Connection;
use crate::row::{LockedRow, lock_row};

pub(crate) use write::shortened;

/// How the holder ends its attempt.
#[derive(Debug, Clone)]
pub enum Ending {
    /// Done: the effects are committed with it.
    Finished(Effects),
    /// Not done; another try, if there is one, after the delay.
    Failed(Failure, Duration),
    /// Given back because the worker shuts down.
    HandedBack,
    /// Given back for so long: it was not its turn, and no try is spent.
    Postponed(Duration),
}

/// What an attempt has to say about itself.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// How long it ran.
    pub ran: Duration,
    /// Its trace, 32 hex digits.
    pub trace_id: Option<String>,
}

/// What became of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// This holder's ending was committed; the row stands there. What was born with it is to be rung
    /// right after this; where the ending had been committed before, relay and scan bring it.
    Now(BizStatus, Vec<(Lane, Announced)>),
    /// Somebody else holds or has ended it: nothing was written.
    Lost,
}

impl Store {
    /// Ends the holder's attempt: finished, failed or handed back. Asked again for the same lease,
    /// it answers what became of the row; so after an unknown COMMIT the outcome is read back by
    /// epoch, however long the database was away meanwhile (cases.md C 5).
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot say; [`StoreError`] of the effects.
    pub async fn settle_held(
        &self,
        lease: &Lease,
        ending: Ending,
        story: Story,
    ) -> Result<Settled, StoreError> {
        match self.settle_once(lease, &ending, &story).await {
            Err(StoreError::UnknownCommit(_)) => self.settle_once(lease, &ending, &story).await,
            settled => settled,
        }
    }

    async fn settle_once(
        &self,
        lease: &Lease,
        ending: &Ending,
        story: &Story,
    ) -> Result<Settled, StoreError> {
        let (lease, ending, story) = (lease.clone(), ending.clone(), story.clone());
        let settled = self
            .transact(Op::Settle, async move |connection: &mut Connection| {
                let Some(row) = lock_row(connection, lease.id).await? else {
                    return Ok(Settled::Lost);
                };
                if !row.is_held_by(&lease) {
                    return Ok(settled_before(&row, &lease, event_of(&ending)));
                }
                // A batch that was put back though it is applied has nothing left to do.
                let ending = match ending {
                    Ending::Failed(..) if ledger::stands(connection, &row).await? => {
                        Ending::Finished(Effects::none())
                    }
                    ending => ending,
                };
                let mut births = Births::rung();
                let (cause, delay) = match &ending {
                    Ending::Finished(effects) => {
                        write_effects(connection, &row, effects, &mut births).await?;
                        (None, Duration::ZERO)
                    }
                    Ending::Failed(failure, delay) => (Some(failure.clone()), *delay),
                    Ending::HandedBack => (None, Duration::ZERO),
                    Ending::Postponed(delay) => (None, *delay),
                };
                let case = Case {
                    cause,
                    delay,
                    story,
                    ..Case::new(event_of(&ending))
                };
                let change = settle(connection, &row, &case, &mut births).await?;
                Ok(Settled::Now(change.to, births.born))
            })
            .await;
        match settled {
            Err(StoreError::Fenced) => Ok(Settled::Lost),
            done => done,
        }
    }
}

async fn write_effects(
    connection: &mut Connection,
    row: &LockedRow,
    effects: &Effects,
    births: &mut Births,
) -> Result<(), StoreError> {
    let mut tx = Tx {
        connection,
        tenant: row.tenant.clone(),
        task_id: row.task_id,
        biz_id: row.biz_id.clone(),
        trace_context: row.trace_context.clone(),
        scan_interval: births.scan_interval,
        born: Vec::new(),
    };
    effects.write(&mut tx).await?;
    births.born.append(&mut tx.born);
    #[cfg(feature = "failpoints")]
    fail::fail_point!("after_effect");
    Ok(())
}

fn event_of(ending: &Ending) -> Event {
    match ending {
        Ending::Finished(_) => Event::Finish,
        Ending::Failed(failure, _) => Event::Fail(failure.kind),
        Ending::HandedBack | Ending::Postponed(_) => Event::HandBack,
    }
}

/// What an earlier COMMIT of the same holder did. Whatever takes a row away from its holder raises
/// the epoch; so a row that has ended or waits at the lease's own epoch was settled by this holder.
fn settled_before(row: &LockedRow, lease: &Lease, event: Event) -> Settled {
    let handed_back = event == Event::HandBack
        && row.state.status == BizStatus::WaitHandle
        && row.epoch == lease.epoch.next();
    let settled = row.state.status != BizStatus::Processing && row.epoch == lease.epoch;
    if settled || handed_back {
        Settled::Now(row.state.status, Vec::new())
    } else {
        Settled::Lost
    }
}

fn illegal(error: domain::IllegalTransition) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// What happens to rows, why, and what is told of it.
pub(crate) struct Case {
    pub(crate) event: Event,
    pub(crate) cause: Option<Failure>,
    pub(crate) delay: Duration,
    pub(crate) story: Story,
    /// The task that ends as a whole with these rows, by a person's wish.
    pub(crate) cancelled_task: Option<TaskId>,
}

impl Case {
    pub(crate) fn new(event: Event) -> Self {
        Self {
            event,
            cause: None,
            delay: Duration::ZERO,
            story: Story::default(),
            cancelled_task: None,
        }
    }
}

/// Applies one event to a locked row, with all that follows.
pub(crate) async fn settle(
    connection: &mut Connection,
    row: &LockedRow,
    case: &Case,
    births: &mut Births,
) -> Result<Change, StoreError> {
    let change = transition(row.state, case.event).map_err(illegal)?;
    follow(connection, &[(row, change)], case, births).await?;
    Ok(change)
}

/// Applies one event to locked rows of one tenant, with all that follows, in few statements however
/// many they are.
pub(crate) async fn settle_all(
    connection: &mut Connection,
    rows: &[LockedRow],
    case: &Case,
    births: &mut Births,
) -> Result<(), StoreError> {
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        changes.push((row, transition(row.state, case.event).map_err(illegal)?));
    }
    follow(connection, &changes, case, births).await
}

/// Claims and finishes locked rows of one tenant in one step, for work that is done in the transaction
/// that takes it, so that nobody ever holds them (design.md §5, WAIT_HANDLE → SUCCESS).
pub(crate) async fn finish_at_once(
    connection: &mut Connection,
    rows: &[LockedRow],
    births: &mut Births,
) -> Result<(), StoreError> {
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        let claimed = transition(row.state, Event::Claim).map_err(illegal)?;
        let held = RowState {
            status: claimed.to,
            cnt: claimed.cnt,
            ..row.state
        };
        let finished = transition(held, Event::Finish).map_err(illegal)?;
        let raises_epoch = claimed.raises_epoch || finished.raises_epoch;
        changes.push((
            row,
            Change {
                raises_epoch,
                ..finished
            },
        ));
    }
    follow(connection, &changes, &Case::new(Event::Finish), births).await
}

async fn follow(
    connection: &mut Connection,
    changes: &[(&LockedRow, Change)],
    case: &Case,
    births: &mut Births,
) -> Result<(), StoreError> {
    write::rows(connection, changes, case).await?;
    if let Some(failure) = &case.cause {
        for (row, change) in changes {
            write::attempt(connection, row, failure, &case.story).await?;
            if change.dead_letter {
                crate::dead_letter::write(connection, row, failure, births).await?;
            }
        }
    }
    count(connection, changes, case, births).await?;
    let mut of_task: BTreeMap<TaskId, Vec<(&LockedRow, Change)>> = BTreeMap::new();
    for (row, change) in changes {
        if let Some(task) = row.task_id {
            of_task.entry(task).or_default().push((row, *change));
        }
    }
    for (task, changes) in of_task {
        project::show(connection, task, &changes, case).await?;
    }
    Ok(())
}

async fn count(
    connection: &mut Connection,
    changes: &[(&LockedRow, Change)],
    case: &Case,
    births: &mut Births,
) -> Result<(), StoreError> {
    let mut moves: BTreeMap<u64, Vec<(BizStatus, BizStatus)>> = BTreeMap::new();
    let mut traces = BTreeMap::new();
    for (row, change) in changes {
        let from = row.state.status;
        if let Some(group) = row.group_id
            && (from.is_final() || change.to.is_final())
        {
            moves.entry(group).or_default().push((from, change.to));
            if let Some(trace) = row.trace_context.as_deref() {
                traces.entry(group).or_insert(trace);
            }
        }
    }
    let Some((first, _)) = changes.first() else {
        return Ok(());
    };
    let tally = Tally {
        moves,
        redriven: case.event == Event::Redrive,
        cancelled_task: case.cancelled_task,
        traces,
    };
    group::count(connection, &first.tenant, &tally, births).await
}
