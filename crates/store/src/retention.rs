//! What has had its time: files, what attempts left behind in storage, keys of requests, finished
//! rows, groups without any, deleted tasks, dead letters that somebody has dealt with, old notices.
//!
//! Each step is bounded and safe to run in several processes at once: what is found without locks is
//! locked by its primary key, where another holds it it is left alone (SKIP LOCKED), and whether its
//! time has come is looked at once more under the lock. What lies in storage is told to the caller,
//! who removes it and then says so; what nobody said is told again some minutes later, so a storage
//! that is away, or a sweeper that dies, costs that and nothing else. Never removed: a row that is
//! open, can be tried again, or has a dead letter that waits for a person; the rows of a task that is
//! there and are shown with it. Shown by `tests/it/retention.rs`.

mod deliveries;
mod files;
mod groups;
mod keys;
mod leftovers;
mod letters;
mod notices;
mod purge;
mod rows;

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Unsigned};
use diesel_async::RunQueryDsl;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use rows::DELETED_AT_ONCE;

pub use files::FileToRemove;
pub use leftovers::{AttemptsEnd, EndedTask, Goes};
pub use purge::Purged;

/// How long whoever was told of an object has to remove it, in seconds, before it is told again.
const REMOVAL_SECONDS: u64 = 300;

/// Rows of one page of a walk over a primary key, and of one statement that deletes.
const PAGE_ROWS: usize = 1_000;

/// How long things are kept once they have come to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionTerms {
    /// Finished rows, groups, deleted tasks, dead letters that were dealt with, notifications, and what
    /// a retry of an import would need: its file and its batches.
    pub rows: Duration,
    /// What the attempts at a task left behind in storage.
    pub leftovers: Duration,
}

/// One page of a walk over a primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Where the next page begins: behind this number. None at the end, and where everything that
    /// follows is too young: the walk begins anew.
    pub next: Option<u64>,
    /// Rows that were removed.
    pub removed: usize,
}

/// A row as a walk meets it.
#[derive(QueryableByName)]
struct Met {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    /// Was there before the time that is kept began. Numbers rise with time, so behind a page without
    /// one there is none either.
    #[diesel(sql_type = Bool)]
    is_old: bool,
    #[diesel(sql_type = Bool)]
    has_ended: bool,
}

/// The page behind `after`. What has ended is a condition on the table's columns.
async fn met(
    connection: &mut Connection,
    (table, after): (&str, u64),
    kept_since: &str,
    has_ended: &str,
) -> Result<Vec<Met>, StoreError> {
    let met = sql_query(format!(
        "SELECT id, created_at <= {kept_since} AS is_old, {has_ended} AS has_ended \
         FROM {table} FORCE INDEX (PRIMARY) WHERE id > {after} ORDER BY id LIMIT {PAGE_ROWS}"
    ));
    Ok(met.load(connection).await?)
}

impl Store {
    /// Looks at one page of a table that nothing else hangs on, and removes what has ended: a condition
    /// on its columns, made of the moment since when things are kept.
    async fn drop_ended(
        &self,
        (table, after): (&'static str, u64),
        keep: Duration,
        has_ended: fn(&str) -> String,
    ) -> Result<Walked, StoreError> {
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let kept_since = before(keep);
            let has_ended = has_ended(&kept_since);
            let met = met(connection, (table, after), &kept_since, &has_ended).await?;
            let (next, ended) = page(&met);
            let mut removed = 0;
            for ended in ended.chunks(DELETED_AT_ONCE) {
                removed += sql_query(format!(
                    "DELETE d FROM {table} d FORCE INDEX (PRIMARY) \
                     WHERE id IN ({}) AND {has_ended}",
                    list(ended.iter().copied())
                ))
                .execute(connection)
                .await?;
            }
            Ok(Walked { next, removed })
        })
        .await
    }
}

/// Where the walk goes on, and what it met that has ended.
fn page(met: &[Met]) -> (Option<u64>, Vec<u64>) {
    let is_full = met.len() == PAGE_ROWS;
    let goes_on = is_full && met.iter().any(|row| row.is_old);
    let next = met.last().map(|row| row.id).filter(|_| goes_on);
    let ended = met.iter().filter(|row| row.has_ended).map(|row| row.id);
    (next, ended.collect())
}

/// The database's clock less `time`.
fn before(time: Duration) -> String {
    format!(
        "UTC_TIMESTAMP(6) - INTERVAL {} MICROSECOND",
        time.as_micros()
    )
}
