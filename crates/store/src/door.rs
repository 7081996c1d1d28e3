//! The one door to the database: every statement of the store goes through [`Store::transact`].
//!
//! It begins, runs the body, commits, and repeats the **whole** transaction on deadlock and lock
//! wait (1205 rolls back the statement only, so the rest must go too), at most [`MAX_TRIES`] times,
//! with jitter. It runs on the store's own runtime as a task of its own, so a caller that goes
//! away, times out or sits on another runtime never cuts a transaction in two.
//! Shown by `tests/it/door.rs`.

use std::time::{Duration, Instant};

use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AnsiTransactionManager, SimpleAsyncConnection, TransactionManager};

use crate::Store;
use crate::error::StoreError;
use crate::pool::Connection;

/// Tries of one transaction before [`StoreError::Contended`] (cases.md C 6).
const MAX_TRIES: u32 = 5;

/// Longest pause before the second try, in milliseconds; doubles with each further try.
const FIRST_PAUSE_MILLIS: u64 = 20;

/// Longest try of one transaction, in seconds: a server that is silent (stopped, failed over without
/// a word) counts as away after it. Far above any transaction of ours but those of
/// [`ROWS_SECONDS`].
const TRY_SECONDS: u64 = 20;

/// The same for a transaction that writes rows of a dataset: where thousands of them are refused one
/// by one, it has as many statements to send.
const ROWS_SECONDS: u64 = 120;

/// What a transaction is for: the label of its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    SubmitExport,
    SubmitImport,
    OpenUpload,
    DropUpload,
    ReadLedger,
    Collation,
    ReadTask,
    ReadTasks,
    Standings,
    ListTasks,
    ClaimRung,
    ClaimDue,
    RunBatch,
    Heartbeat,
    Settle,
    SettleTogether,
    Cancel,
    Retry,
    Delete,
    ReadAttempts,
    ReadQuota,
    Announce,
    Retract,
    Sweep,
    Retention,
    DeadLetter,
    ReadDeadLetters,
    ActOnDeadLetter,
    ReadOperations,
    LogAct,
    Notifications,
    Webhooks,
    ReadLane,
    MoveLane,
    SubmitCompensations,
    SubmitGathered,
    ReadCompensations,
    ActOnCompensation,
    Apply,
    Backlog,
    Ping,
}

impl Op {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SubmitExport => "submit_export",
            Self::SubmitImport => "submit_import",
            Self::OpenUpload => "open_upload",
            Self::DropUpload => "drop_upload",
            Self::ReadLedger => "read_ledger",
            Self::Collation => "collation",
            Self::ReadTask => "read_task",
            Self::ReadTasks => "read_tasks",
            Self::Standings => "standings",
            Self::ListTasks => "list_tasks",
            Self::ClaimRung => "claim_rung",
            Self::ClaimDue => "claim_due",
            Self::RunBatch => "run_batch",
            Self::Heartbeat => "heartbeat",
            Self::Settle => "settle",
            Self::SettleTogether => "settle_together",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Delete => "delete",
            Self::ReadAttempts => "read_attempts",
            Self::ReadQuota => "read_quota",
            Self::Announce => "announce",
            Self::Retract => "retract",
            Self::Sweep => "sweep",
            Self::Retention => "retention",
            Self::DeadLetter => "dead_letter",
            Self::ReadDeadLetters => "read_dead_letters",
            Self::ActOnDeadLetter => "act_on_dead_letter",
            Self::ReadOperations => "read_operations",
            Self::LogAct => "log_act",
            Self::Notifications => "notifications",
            Self::Webhooks => "webhooks",
            Self::ReadLane => "read_lane",
            Self::MoveLane => "move_lane",
            Self::SubmitCompensations => "submit_compensations",
            Self::SubmitGathered => "submit_gathered",
            Self::ReadCompensations => "read_compensations",
            Self::ActOnCompensation => "act_on_compensation",
            Self::Apply => "apply",
            Self::Backlog => "backlog",
            Self::Ping => "ping",
        }
    }

    /// Whether it is tried once where locks are met: what many callers, or many vanished rows, wait for
    /// together. Each goes by itself then, and waits for nobody else's lock.
    const fn is_tried_once(self) -> bool {
        matches!(
            self,
            Self::SubmitGathered | Self::SettleTogether | Self::Sweep
        )
    }

    /// How long one try may take.
    const fn longest_try(self) -> Duration {
        let writes_rows = matches!(self, Self::Settle | Self::RunBatch | Self::Apply);
        Duration::from_secs(if writes_rows {
            ROWS_SECONDS
        } else {
            TRY_SECONDS
        })
    }

    /// Whether work begins, changes hands or ends by it: where a kill is worth something.
    #[cfg(feature = "failpoints")]
    const fn moves_rows(self) -> bool {
        matches!(
            self,
            Self::SubmitExport
                | Self::SubmitImport
                | Self::ClaimRung
                | Self::ClaimDue
                | Self::RunBatch
                | Self::Settle
                | Self::SettleTogether
                | Self::Cancel
                | Self::Retry
                | Self::Sweep
                | Self::DeadLetter
                | Self::ActOnDeadLetter
                | Self::SubmitCompensations
                | Self::SubmitGathered
                | Self::ActOnCompensation
                | Self::Apply
        )
    }

    /// Whether its reads without a lock see what others have not committed: quotas are exact by it
    /// (quota.rs).
    const fn counts_the_uncommitted(self) -> bool {
        matches!(
            self,
            Self::SubmitExport | Self::SubmitImport | Self::OpenUpload | Self::Retry
        )
    }
}

/// The body of a transaction, with its future nameable so that it can be required to be `Send`.
pub(crate) trait Body<A, R>:
    AsyncFnOnce(A) -> R + FnOnce(A) -> <Self as Body<A, R>>::Fut
{
    type Fut: Future<Output = R>;
}

impl<F, A, R, Fut> Body<A, R> for F
where
    F: AsyncFnOnce(A) -> R + FnOnce(A) -> Fut,
    Fut: Future<Output = R>,
{
    type Fut = Fut;
}

impl Store {
    /// Runs `body` in one transaction. The body is cloned for each try, so what it captures must be
    /// cheap to clone.
    pub(crate) async fn transact<T, F>(&self, op: Op, body: F) -> Result<T, StoreError>
    where
        for<'c> F: AsyncFnOnce(&'c mut Connection) -> Result<T, StoreError>
            + Body<&'c mut Connection, Result<T, StoreError>, Fut: Send>
            + Clone
            + Send
            + 'static,
        T: Send + 'static,
    {
        let store = self.clone();
        let task = self
            .runtime
            .spawn(async move { store.try_until_done(op, body).await });
        match task.await {
            Ok(done) => done,
            Err(stopped) => Err(StoreError::Unavailable(Box::new(stopped))),
        }
    }

    async fn try_until_done<T, F>(&self, op: Op, body: F) -> Result<T, StoreError>
    where
        for<'c> F: AsyncFnOnce(&'c mut Connection) -> Result<T, StoreError>
            + Body<&'c mut Connection, Result<T, StoreError>, Fut: Send>
            + Clone
            + Send,
        T: Send,
    {
        let began = Instant::now();
        let most_tries = if op.is_tried_once() { 1 } else { MAX_TRIES };
        let mut tried = 1;
        let done = loop {
            match self.try_once(op, body.clone()).await {
                Err(StoreError::Contended(_)) if tried < most_tries => {
                    count_retry(op);
                    tokio::time::sleep(pause(tried)).await;
                    tried += 1;
                }
                done => break done,
            }
        };
        metrics::histogram!("quayside_store_transaction_duration_seconds", "op" => op.as_str())
            .record(began.elapsed());
        match &done {
            Ok(_) => {}
            // nobody is told of it: each goes by itself now, or the sweep comes again
            Err(StoreError::Contended(_)) if op.is_tried_once() => count_retry(op),
            Err(error) => metrics::counter!("quayside_store_errors_total",
                "op" => op.as_str(), "error" => error.word())
            .increment(1),
        }
        done
    }

    async fn try_once<T, F>(&self, op: Op, body: F) -> Result<T, StoreError>
    where
        for<'c> F: AsyncFnOnce(&'c mut Connection) -> Result<T, StoreError>
            + Body<&'c mut Connection, Result<T, StoreError>, Fut: Send>
            + Send,
        T: Send,
    {
        let mut connection = self.connection().await?;
        let mut committing = false;
        let bound = op.longest_try();
        // The one place where a transaction may be cut off: its connection goes with it.
        let tried = tokio::time::timeout(
            bound,
            in_transaction(&mut connection, op, body, &mut committing),
        );
        let done = match tried.await {
            Ok(done) => done,
            Err(silence) => Err(StoreError::Unavailable(Box::new(silence))),
        };
        match done {
            Err(StoreError::Unavailable(cause)) => {
                // Broken, silent or read-only: the pool must not hand it out again.
                drop(Object::take(connection));
                Err(if committing {
                    StoreError::UnknownCommit(cause)
                } else {
                    StoreError::Unavailable(cause)
                })
            }
            done => done,
        }
    }
}

async fn in_transaction<T, F>(
    connection: &mut Connection,
    op: Op,
    body: F,
    committing: &mut bool,
) -> Result<T, StoreError>
where
    for<'c> F: AsyncFnOnce(&'c mut Connection) -> Result<T, StoreError>
        + Body<&'c mut Connection, Result<T, StoreError>, Fut: Send>
        + Send,
    T: Send,
{
    if op.counts_the_uncommitted() {
        // Holds for the next transaction alone.
        let isolation = "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED";
        connection.batch_execute(isolation).await?;
    }
    AnsiTransactionManager::begin_transaction(connection).await?;
    match body(connection).await {
        Ok(value) => {
            *committing = true;
            #[cfg(feature = "failpoints")]
            if op.moves_rows() {
                fail::fail_point!("before_commit");
            }
            AnsiTransactionManager::commit_transaction(connection).await?;
            #[cfg(feature = "failpoints")]
            if op.moves_rows() {
                fail::fail_point!("after_commit");
            }
            Ok(value)
        }
        Err(error) => {
            // A connection that cannot even roll back is dropped by the pool; the server then
            // rolls back by itself.
            if let Err(rollback) = AnsiTransactionManager::rollback_transaction(connection).await {
                tracing::debug!(error = %rollback, "rollback failed; the connection is dropped");
            }
            Err(error)
        }
    }
}

fn count_retry(op: Op) {
    metrics::counter!("quayside_store_retries_total", "op" => op.as_str()).increment(1);
}

fn pause(tried: u32) -> Duration {
    let longest = FIRST_PAUSE_MILLIS << tried.min(6);
    Duration::from_millis(rand::random_range(longest / 2..=longest))
}
