//! The database as it is, past the proxy: what the harness watches and the checker reads.

use std::time::Duration;

use anyhow::{Context, Result};
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Opts, TxOpts};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server's number for a key that is there already.
const DUPLICATE: u16 = 1062;

/// One connection for each question: the server comes and goes.
#[derive(Clone)]
pub(crate) struct Database {
    opts: Opts,
}

impl Database {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let opts = Opts::from_url(url)?;
        Ok(Self { opts })
    }

    /// All rows of a query.
    pub(crate) async fn query<T: FromRow + Send + 'static>(&self, sql: &str) -> Result<Vec<T>> {
        let asked = async {
            let mut conn = Conn::new(self.opts.clone()).await?;
            let rows = conn.query(sql).await?;
            conn.disconnect().await?;
            anyhow::Ok(rows)
        };
        let rows = tokio::time::timeout(PATIENCE, asked).await;
        rows.context("the database is silent")?
            .with_context(|| sql.to_owned())
    }

    /// The one row of a query.
    pub(crate) async fn one<T: FromRow + Send + 'static>(&self, sql: &str) -> Result<T> {
        let row = self.query(sql).await?.into_iter().next();
        row.with_context(|| format!("no row: {sql}"))
    }

    /// Runs a statement.
    pub(crate) async fn execute(&self, sql: &str) -> Result<()> {
        self.query::<mysql_async::Row>(sql).await.map(drop)
    }

    /// Runs statements in one transaction; true when it was committed now, false when the first of
    /// them meets what an earlier try has left.
    pub(crate) async fn commit(&self, statements: &[String]) -> Result<bool> {
        let committed = async {
            let mut conn = Conn::new(self.opts.clone()).await?;
            let mut transaction = conn.start_transaction(TxOpts::default()).await?;
            for statement in statements {
                match transaction.query_drop(statement.as_str()).await {
                    Err(mysql_async::Error::Server(error)) if error.code == DUPLICATE => {
                        return Ok(false);
                    }
                    done => done?,
                }
            }
            transaction.commit().await?;
            conn.disconnect().await?;
            anyhow::Ok(true)
        };
        let committed = tokio::time::timeout(PATIENCE, committed).await;
        committed.context("the database is silent")?
    }

    /// Rows of work, and tasks, that are not at their end.
    pub(crate) async fn open(&self) -> Result<(u64, u64)> {
        self.one(
            "SELECT (SELECT COUNT(*) FROM compensate_biz
                     WHERE status IN ('WAIT_HANDLE', 'PROCESSING')),
                    (SELECT COUNT(*) FROM task WHERE status IN ('PENDING', 'PROCESSING'))",
        )
        .await
    }
}
