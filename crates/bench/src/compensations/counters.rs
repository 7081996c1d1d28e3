//! What the database server has counted since it was started: bytes of its logs, commits, rows.

use anyhow::{Context, Result};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::database::Database;

/// One reading; the difference of two is what a run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) redo_bytes: u64,
    pub(crate) binlog_bytes: u64,
    /// Commits of transactions, statements outside of one too.
    pub(crate) commits: u64,
    pub(crate) deadlocks: u64,
    pub(crate) lock_waits: u64,
    /// Rows inserted, updated and deleted.
    pub(crate) writes: u64,
}

impl Counters {
    pub(crate) async fn read(database: &Database) -> Result<Self> {
        let mut conn = database.connect().await?;
        let read = Self {
            redo_bytes: status(&mut conn, "Innodb_redo_log_current_lsn").await?,
            binlog_bytes: binlog_bytes(&mut conn).await?,
            commits: innodb(&mut conn, "trx_rw_commits").await?,
            deadlocks: innodb(&mut conn, "lock_deadlocks").await?,
            lock_waits: status(&mut conn, "Innodb_row_lock_waits").await?,
            writes: status(&mut conn, "Innodb_rows_inserted").await?
                + status(&mut conn, "Innodb_rows_updated").await?
                + status(&mut conn, "Innodb_rows_deleted").await?,
        };
        conn.disconnect().await?;
        Ok(read)
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            redo_bytes: self.redo_bytes - before.redo_bytes,
            binlog_bytes: self.binlog_bytes - before.binlog_bytes,
            commits: self.commits - before.commits,
            deadlocks: self.deadlocks - before.deadlocks,
            lock_waits: self.lock_waits - before.lock_waits,
            writes: self.writes - before.writes,
        }
    }
}

/// Switches on the counters of commits, which are off until somebody asks for them.
pub(crate) async fn switch_on(database: &Database) -> Result<()> {
    let mut conn = database.connect().await?;
    conn.query_drop("SET GLOBAL innodb_monitor_enable = 'trx_rw_commits'")
        .await?;
    conn.disconnect().await?;
    Ok(())
}

async fn status(conn: &mut Conn, name: &str) -> Result<u64> {
    let query = "SELECT VARIABLE_VALUE FROM performance_schema.global_status \
                 WHERE VARIABLE_NAME = ?";
    let value: Option<String> = conn.exec_first(query, (name,)).await?;
    let value = value.with_context(|| format!("the server has no status {name}"))?;
    value.parse().with_context(|| format!("{name} is {value}"))
}

async fn innodb(conn: &mut Conn, name: &str) -> Result<u64> {
    let query = "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = ?";
    let value: Option<i64> = conn.exec_first(query, (name,)).await?;
    let value = value.with_context(|| format!("the server does not count {name}"))?;
    u64::try_from(value).with_context(|| format!("{name} is {value}"))
}

/// None is removed while the bench runs, so the sum only grows.
async fn binlog_bytes(conn: &mut Conn) -> Result<u64> {
    let files: Vec<(String, u64, String)> = conn.query("SHOW BINARY LOGS").await?;
    Ok(files.into_iter().map(|(_, size, _)| size).sum())
}
