//! `settle`: the one transition that ends an attempt or a row, with all that follows from it, in
//! one transaction and one lock order: compensate_biz, (group,) task.
//!
//! Used by the worker ([`Store::settle_held`]), the sweep, cancel and, later, redrive. What may
//! follow what is `domain::transition`; the write names id, status and lease epoch, and a write that
//! matches no row is [`StoreError::Fenced`] and takes everything back. Shown by `tests/it/settle.rs`.

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, Change, Event, Failure, FailureKind, TaskId, TaskStatus, transition};

use crate::Store;
use crate::claim::Lease;
use crate::door::Op;
use crate::effects::{Effects, Tx};
use crate::error::StoreError;
use crate::fragment::after;
use crate::pool::Connection;
use crate::row::{LockedRow, lock_row};

/// How the holder ends its attempt.
#[derive(Debug, Clone)]
pub enum Ending {
    /// Done: the effects are committed with it.
    Finished(Effects),
    /// Not done; another try, if there is one, after the delay.
    Failed(Failure, Duration),
    /// Given back because the worker shuts down.
    HandedBack,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// This holder's ending was committed; the row stands there.
    Now(BizStatus),
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
                let (cause, delay) = match &ending {
                    Ending::Finished(effects) => {
                        let mut tx = Tx {
                            connection,
                            tenant: row.tenant.clone(),
                            task_id: row.task_id,
                        };
                        (effects.0)(&mut tx).await?;
                        (None, Duration::ZERO)
                    }
                    Ending::Failed(failure, delay) => (Some(failure.clone()), *delay),
                    Ending::HandedBack => (None, Duration::ZERO),
                };
                let case = Case {
                    event: event_of(&ending),
                    cause,
                    delay,
                    story,
                };
                Ok(Settled::Now(settle(connection, &row, &case).await?.to))
            })
            .await;
        match settled {
            Err(StoreError::Fenced) => Ok(Settled::Lost),
            done => done,
        }
    }
}

fn event_of(ending: &Ending) -> Event {
    match ending {
        Ending::Finished(_) => Event::Finish,
        Ending::Failed(failure, _) => Event::Fail(failure.kind),
        Ending::HandedBack => Event::HandBack,
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
        Settled::Now(row.state.status)
    } else {
        Settled::Lost
    }
}

fn illegal(error: domain::IllegalTransition) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// What happens to a row, why, and what is told of it.
pub(crate) struct Case {
    pub(crate) event: Event,
    pub(crate) cause: Option<Failure>,
    pub(crate) delay: Duration,
    pub(crate) story: Story,
}

impl Case {
    pub(crate) fn new(event: Event, cause: Option<Failure>) -> Self {
        Self {
            event,
            cause,
            delay: Duration::ZERO,
            story: Story::default(),
        }
    }
}

/// Applies one event to a locked row, with all that follows.
pub(crate) async fn settle(
    connection: &mut Connection,
    row: &LockedRow,
    case: &Case,
) -> Result<Change, StoreError> {
    let change = transition(row.state, case.event).map_err(illegal)?;
    write_row(connection, row, change, case).await?;
    if let Some(failure) = &case.cause {
        write_attempt(connection, row, failure, &case.story).await?;
        if change.dead_letter {
            crate::dead_letter::write(connection, row, failure).await?;
        }
    }
    if let Some(task) = row.task_id {
        project(connection, task, change, case.cause.as_ref()).await?;
    }
    Ok(change)
}

async fn write_row(
    connection: &mut Connection,
    row: &LockedRow,
    change: Change,
    case: &Case,
) -> Result<(), StoreError> {
    let (wake_at, finished_at) = if change.to.is_final() {
        ("NULL".to_owned(), "UTC_TIMESTAMP(6)")
    } else {
        (after(case.delay), "NULL")
    };
    let epoch = if change.raises_epoch {
        row.epoch.next()
    } else {
        row.epoch
    };
    let deadline = if case.event == Event::Redrive {
        "NULL"
    } else {
        "hard_deadline"
    };
    let reason = case
        .cause
        .as_ref()
        .map(|failure| shortened(&failure.to_string(), 2000));
    let matched = sql_query(format!(
        "UPDATE compensate_biz FORCE INDEX (PRIMARY) \
         SET status = ?, lease_epoch = ?, lease_owner = NULL, cnt = ?, announced = FALSE, \
             wake_at = {wake_at}, hard_deadline = {deadline}, \
             last_failed_reason = COALESCE(?, last_failed_reason), \
             updated_at = UTC_TIMESTAMP(6), finished_at = {finished_at} \
         WHERE id = ? AND status = ? AND lease_epoch = ?"
    ))
    .bind::<Text, _>(change.to.as_str())
    .bind::<Unsigned<BigInt>, _>(epoch.0)
    .bind::<Unsigned<Integer>, _>(change.cnt)
    .bind::<Nullable<Text>, _>(reason)
    .bind::<Unsigned<BigInt>, _>(row.id.0)
    .bind::<Text, _>(row.state.status.as_str())
    .bind::<Unsigned<BigInt>, _>(row.epoch.0)
    .execute(connection)
    .await?;
    if matched == 1 {
        Ok(())
    } else {
        Err(StoreError::Fenced)
    }
}

async fn write_attempt(
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

/// Writes what the row's change means for its task. Counts are the handler's business; an export
/// that waits for another try begins anew.
async fn project(
    connection: &mut Connection,
    task: TaskId,
    change: Change,
    cause: Option<&Failure>,
) -> Result<(), StoreError> {
    let status = TaskStatus::of_row(change.to);
    let failed = status == TaskStatus::Failed;
    let sentence = match cause {
        Some(failure) if failed => Some(sentence(connection, task, failure).await?),
        _ => None,
    };
    let code = cause
        .filter(|_| failed)
        .map(|failure| failure.code.as_str());
    let finished_at = if status.is_final() {
        "UTC_TIMESTAMP(6)"
    } else {
        "NULL"
    };
    sql_query(format!(
        "UPDATE task SET status = ?, retry_count = GREATEST(retry_count, LEAST(?, max_retries)), \
         last_error = COALESCE(?, last_error), error_code = ?, error_msg = ?, \
         phase = IF(status = 'PENDING', NULL, phase), \
         done_rows = IF(status = 'PENDING' AND kind = 'EXPORT', 0, done_rows), \
         open_key = IF(status IN ('PENDING', 'PROCESSING'), open_key, NULL), \
         finished_at = {finished_at}, version = version + 1 WHERE id = ?"
    ))
    .bind::<Text, _>(status.as_str())
    .bind::<Unsigned<Integer>, _>(change.cnt)
    .bind::<Nullable<Text>, _>(cause.map(|failure| shortened(&failure.detail, 8000)))
    .bind::<Nullable<Text>, _>(code)
    .bind::<Nullable<Text>, _>(sentence)
    .bind::<Unsigned<BigInt>, _>(task.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the user reads: the failure's own sentence, or its code's in the task's language.
async fn sentence(
    connection: &mut Connection,
    task: TaskId,
    failure: &Failure,
) -> Result<String, StoreError> {
    if let Some(sentence) = &failure.sentence {
        return Ok(shortened(sentence, 1000));
    }
    let rows: Vec<Locale> = sql_query("SELECT locale FROM task WHERE id = ?")
        .bind::<Unsigned<BigInt>, _>(task.0)
        .load(connection)
        .await?;
    // A row that outlived its task must still be settled.
    let locale = rows
        .into_iter()
        .next()
        .map(|row| row.locale)
        .unwrap_or_default();
    Ok(failure.code.sentence(&locale).to_owned())
}

/// The first `most` characters: the columns are bounded and strict mode refuses more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[derive(QueryableByName)]
struct Locale {
    #[diesel(sql_type = Text)]
    locale: String,
}
