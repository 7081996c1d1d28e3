//! The database as it is: the rows that files are compared with, the peers' copy, what became of
//! submitted tasks.

use std::path::Path;

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Value};
use tokio::sync::mpsc;

use crate::check::Row;

/// The columns of the peers' table, and of ours beside the tenant.
pub(crate) const COLUMNS: &str =
    "id,member_no,name,mobile,email,level,points,balance,birthday,created_at,remark";
/// The tenant whose rows the bench seeds and exports.
pub(crate) const TENANT: &str = "acme";
/// The user of the submits at a fixed rate.
pub(crate) const LOAD_USER: &str = "load";

/// Rows handed over at once, and how many such portions wait at most.
const PORTION: usize = 1000;
const PORTIONS: usize = 8;

/// How many tasks stand where.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) open: u64,
    pub(crate) succeeded: u64,
    pub(crate) otherwise: u64,
}

/// The database that the servers use.
#[derive(Clone)]
pub(crate) struct Database {
    opts: Opts,
}

impl Database {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let opts = Opts::from_url(url)?;
        Ok(Self { opts })
    }

    pub(crate) async fn connect(&self) -> Result<Conn> {
        Ok(Conn::new(self.opts.clone()).await?)
    }

    /// Its clock, in seconds since 1970.
    pub(crate) async fn now(&self) -> Result<u64> {
        let mut conn = self.connect().await?;
        let now: Option<u64> = conn.query_first("SELECT UNIX_TIMESTAMP()").await?;
        conn.disconnect().await?;
        now.context("the database has no clock")
    }

    /// The TCP port of the server, for the peers.
    pub(crate) fn port(&self) -> u16 {
        self.opts.tcp_port()
    }

    /// The first `limit` rows as text, in portions; the task that reads them ends with the last.
    pub(crate) async fn rows(&self, limit: u64, to: mpsc::Sender<Vec<Row>>) -> Result<()> {
        let query = format!(
            "SELECT {COLUMNS} FROM member WHERE tenant = '{TENANT}' ORDER BY id LIMIT {limit}"
        );
        let mut conn = Conn::new(self.opts.clone()).await?;
        let mut result = conn.query_iter(query).await?;
        let mut portion = Vec::with_capacity(PORTION);
        while let Some(row) = result.next().await? {
            portion.push(row.unwrap().into_iter().map(text).collect());
            if portion.len() == PORTION && to.send(std::mem::take(&mut portion)).await.is_err() {
                break; // the reader has seen enough; it tells why
            }
        }
        if !portion.is_empty() {
            to.send(portion).await.ok();
        }
        drop(result);
        conn.disconnect().await?;
        Ok(())
    }

    /// The same rows in the peers' own table, made by their schema.
    pub(crate) async fn copy_for_peers(&self, schema: &Path) -> Result<()> {
        let schema = std::fs::read_to_string(schema)
            .with_context(|| format!("the peers' schema, {}", schema.display()))?;
        let ours = self
            .opts
            .db_name()
            .context("the address names no database")?;
        let mut conn = Conn::new(self.opts.clone()).await?;
        conn.query_drop(schema).await?;
        conn.query_drop(format!(
            "INSERT INTO peer.member ({COLUMNS}) SELECT {COLUMNS} FROM `{ours}`.member
             WHERE tenant = '{TENANT}' ORDER BY id"
        ))
        .await?;
        let analyze = format!("ANALYZE TABLE peer.member, `{ours}`.member");
        conn.query_drop(analyze).await?;
        conn.disconnect().await?;
        Ok(())
    }

    /// What became of the tasks of [`LOAD_USER`].
    pub(crate) async fn standing(&self) -> Result<Standing> {
        let mut conn = Conn::new(self.opts.clone()).await?;
        let query = format!(
            "SELECT COALESCE(SUM(status IN ('PENDING','PROCESSING')), 0),
                    COALESCE(SUM(status = 'SUCCESS'), 0), COUNT(*)
             FROM task WHERE tenant = '{TENANT}' AND created_by = '{LOAD_USER}'"
        );
        let row: Option<(u64, u64, u64)> = conn.query_first(query).await?;
        conn.disconnect().await?;
        let (open, succeeded, all) = row.unwrap_or_default();
        Ok(Standing {
            open,
            succeeded,
            otherwise: all - open - succeeded,
        })
    }
}

/// The text protocol sends every value as text.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(format!("{other:?}")),
    }
}

/// A channel for [`Database::rows`].
pub(crate) fn channel() -> (mpsc::Sender<Vec<Row>>, mpsc::Receiver<Vec<Row>>) {
    mpsc::channel(PORTIONS)
}
