//! Moves rows from a connection into a channel, until one of the two ends.

use std::time::Duration;

use domain::RowChunk;
use futures::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, Value};
use tokio::sync::{mpsc, oneshot};

use super::Total;
use super::decode::push;
use super::query::RowQuery;
use crate::error::StoreError;

/// Rows of a chunk, at most.
const CHUNK_ROWS: usize = 1_024;
/// Bytes of text in a chunk after which it is full, so that long texts do not pile up.
const CHUNK_BYTES: usize = 512 << 10;
/// Longest wait for a connection, in seconds.
const CONNECT_SECONDS: u64 = 5;
/// Longest that the server waits for a slow reader, in seconds.
const NET_WRITE_SECONDS: u32 = 600;
/// Idle time after which the system asks whether the server is still there, in milliseconds.
const KEEPALIVE_MILLIS: u32 = 30_000;
/// Largest packet that is taken, in bytes: MySQL's own limit. Named, as the next, so that the driver
/// does not ask the server.
const MAX_PACKET_BYTES: usize = 1 << 30;
/// Idle time after which a server closes a connection, in seconds: MySQL's default. No stream idles.
const IDLE_SECONDS: usize = 28_800;
/// A query for which the server would look at one of so many rows of its table, or more, walks the
/// primary key: an index on the tenant would cost a lookup for each row (1.8 s instead of 0.2 s to
/// count 600,000 of 1,000,000) and a sort of all of them.
const LARGE_SHARE: u64 = 8;

/// How a count that was bounded ends: 3024 in MySQL, 1969 in MariaDB.
const OUT_OF_TIME: [u16; 2] = [3024, 1969];

/// Rows, and `None` after the last.
type Chunks = mpsc::Sender<Result<Option<RowChunk>, StoreError>>;

/// The whole life of a stream. Ends when the rows have ended or nobody reads them any more.
pub(super) async fn run(
    url: String,
    query: RowQuery,
    opened: oneshot::Sender<Result<Total, StoreError>>,
    chunks: Chunks,
) {
    let mut connection = match connect(&url).await {
        Ok(connection) => connection,
        Err(error) => {
            // an opener that has gone needs no answer
            drop(opened.send(Err(error)));
            return;
        }
    };
    let id = connection.id();
    // this transaction only reads: cutting it short leaves nothing behind
    let finished = tokio::select! {
        () = chunks.closed() => false,
        () = stream(&mut connection, &query, opened, &chunks) => !chunks.is_closed(),
    };
    if !finished && let Err(error) = kill(&url, id).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "An abandoned query could not be killed; the server ends it when its connection closes."
        );
    }
}

pub(super) async fn connect(url: &str) -> Result<Conn, StoreError> {
    let opts = Opts::from_url(url).map_err(mysql_async::Error::from)?;
    let opts = OptsBuilder::from_opts(opts)
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE_MILLIS))
        .max_allowed_packet(Some(MAX_PACKET_BYTES))
        .wait_timeout(Some(IDLE_SECONDS))
        .stmt_cache_size(0);
    let wait = Duration::from_secs(CONNECT_SECONDS);
    match tokio::time::timeout(wait, Conn::new(opts)).await {
        Ok(connection) => Ok(connection?),
        Err(elapsed) => Err(StoreError::Unavailable(Box::new(elapsed))),
    }
}

async fn kill(url: &str, id: u32) -> Result<(), StoreError> {
    let mut connection = connect(url).await?;
    match connection.query_drop(format!("KILL CONNECTION {id}")).await {
        // 1094: it has ended by itself
        Err(mysql_async::Error::Server(error)) if error.code == 1094 => {}
        other => other?,
    }
    Ok(connection.disconnect().await?)
}

async fn stream(
    connection: &mut Conn,
    query: &RowQuery,
    opened: oneshot::Sender<Result<Total, StoreError>>,
    chunks: &Chunks,
) {
    let statement = match open(connection, query).await {
        Ok((total, statement)) => {
            drop(opened.send(Ok(total)));
            statement
        }
        Err(error) => {
            drop(opened.send(Err(error)));
            return;
        }
    };
    if let Err(error) = read(connection, query, &statement, chunks).await {
        // a reader that has gone needs no error
        drop(chunks.send(Err(error)).await);
    }
}

/// Takes the snapshot, counts in it and chooses how to read it. Seven round trips, of which each
/// prepared statement takes two.
async fn open(connection: &mut Conn, query: &RowQuery) -> Result<(Total, String), StoreError> {
    let table_rows = begin(connection, query).await?;
    let plan = Plan::ask(connection, query).await?;
    // a view has neither rows of its own nor a primary key
    let by_key = table_rows.is_some_and(|rows| plan.looked_at.saturating_mul(LARGE_SHARE) >= rows);
    let total = count(connection, query, by_key, &plan).await?;
    Ok((total, query.select(by_key && query.in_key_order)))
}

/// Sets the session and begins the snapshot, in one round trip. Gives the server's estimate of the
/// table's rows; for a view there is none.
async fn begin(connection: &mut Conn, query: &RowQuery) -> Result<Option<u64>, StoreError> {
    let table = &query.table;
    // what stands in a comment is read by MySQL alone, or by MariaDB alone
    let statements = format!(
        "SET SESSION time_zone = '+00:00', net_write_timeout = {NET_WRITE_SECONDS} \
         /*!80000 , max_execution_time = 0, information_schema_stats_expiry = 0 */ \
         /*M!100101 , max_statement_time = 0 */; \
         SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
         SELECT TABLE_ROWS FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{table}'; \
         START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    );
    let mut answers = connection.query_iter(statements).await?;
    let mut rows = None;
    while !answers.is_empty() {
        let answer: Vec<Option<u64>> = answers.collect().await?;
        rows = rows.or(answer.first().copied().flatten());
    }
    Ok(rows)
}

/// Counts, or estimates where that would take too long.
async fn count(
    connection: &mut Conn,
    query: &RowQuery,
    by_key: bool,
    plan: &Plan,
) -> Result<Total, StoreError> {
    let values = Params::from(query.values().to_vec());
    let counted = connection.exec_first(query.count(by_key), values).await;
    let (rows, estimated) = match counted {
        Ok(rows) => (rows.unwrap_or_default(), false),
        Err(mysql_async::Error::Server(error)) if OUT_OF_TIME.contains(&error.code) => {
            (plan.expected, true)
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Total { rows, estimated })
}

/// What the server says of a query beforehand.
struct Plan {
    /// Rows that it would look at.
    looked_at: u64,
    /// Rows that it expects to find.
    expected: u64,
}

impl Plan {
    async fn ask(connection: &mut Conn, query: &RowQuery) -> Result<Self, StoreError> {
        let values = Params::from(query.values().to_vec());
        let first: Option<Row> = connection.exec_first(query.explain(), values).await?;
        // without a table ("impossible WHERE") there is no number; MariaDB has no share
        let rows = |row: &Row| row.get_opt::<u64, _>("rows")?.ok();
        let share = |row: &Row| row.get_opt::<f64, _>("filtered")?.ok();
        let looked_at = first.as_ref().and_then(rows).unwrap_or_default();
        let share = first.as_ref().and_then(share).unwrap_or(100.0);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate; the cast saturates"
        )]
        let expected = (looked_at as f64 * share / 100.0).ceil() as u64;
        Ok(Self {
            looked_at,
            expected,
        })
    }
}

async fn read(
    connection: &mut Conn,
    query: &RowQuery,
    statement: &str,
    chunks: &Chunks,
) -> Result<(), StoreError> {
    let values = Params::from(query.values().to_vec());
    let mut rows = connection
        .exec_stream::<Row, _, _>(statement, values)
        .await?;
    let empty = || RowChunk::with_capacity(query.kinds.len(), CHUNK_ROWS);
    let mut chunk = empty();
    while let Some(row) = rows.next().await {
        let row = row?;
        for (index, kind) in query.kinds.iter().enumerate() {
            push(&mut chunk, row.as_ref(index).unwrap_or(&Value::NULL), *kind);
        }
        if chunk.len() == CHUNK_ROWS || chunk.text().len() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut chunk, empty());
            if chunks.send(Ok(Some(full))).await.is_err() {
                return Ok(());
            }
        }
    }
    drop(rows);
    connection.query_drop("COMMIT").await?;
    // a reader that has gone needs neither
    if !chunk.is_empty() {
        drop(chunks.send(Ok(Some(chunk))).await);
    }
    drop(chunks.send(Ok(None)).await);
    Ok(())
}
