//! Moves rows from a connection into a channel, until one of the two ends.

use std::time::Duration;

use domain::RowChunk;
use futures::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row};
use tokio::sync::{mpsc, oneshot};

use super::decode::cell;
use super::query::RowQuery;
use crate::error::StoreError;

/// Rows of a chunk, at most.
const CHUNK_ROWS: usize = 256;
/// Bytes of text in a chunk after which it is full, so that long texts do not pile up.
const CHUNK_BYTES: usize = 1 << 20;
/// Longest wait for a connection, in seconds.
const CONNECT_SECONDS: u64 = 5;
/// Longest that the server waits for a slow reader, in seconds.
const NET_WRITE_SECONDS: u32 = 600;
/// Idle time after which the system asks whether the server is still there, in milliseconds.
const KEEPALIVE_MILLIS: u32 = 30_000;
/// A query that reads at least one of so many rows of its table walks the primary key: an index on
/// the tenant would cost a lookup for each row and a sort of all of them.
const LARGE_SHARE: u64 = 8;

type Chunks = mpsc::Sender<Result<RowChunk, StoreError>>;

/// The whole life of a stream. Ends when the rows have ended or nobody reads them any more.
pub(super) async fn run(
    url: String,
    query: RowQuery,
    opened: oneshot::Sender<Result<u64, StoreError>>,
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
    opened: oneshot::Sender<Result<u64, StoreError>>,
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

/// Takes the snapshot, counts in it and chooses how to read it.
async fn open(connection: &mut Conn, query: &RowQuery) -> Result<(u64, String), StoreError> {
    // MySQL alone reads what stands in the comment
    connection
        .query_drop(format!(
            "SET SESSION time_zone = '+00:00', net_write_timeout = {NET_WRITE_SECONDS} \
             /*!80000 , max_execution_time = 0, information_schema_stats_expiry = 0 */"
        ))
        .await?;
    connection
        .query_drop("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .await?;
    connection
        .query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        .await?;
    let values = || Params::from(query.values().to_vec());
    let total: Option<u64> = connection.exec_first(query.count(), values()).await?;
    let total = total.unwrap_or_default();
    let by_key = query.in_key_order && total * LARGE_SHARE >= rows_of(connection, query).await?;
    Ok((total, query.select(by_key)))
}

/// The server's estimate of the table's rows; for a view there is none.
async fn rows_of(connection: &mut Conn, query: &RowQuery) -> Result<u64, StoreError> {
    let estimate: Option<Option<u64>> = connection
        .exec_first(
            "SELECT TABLE_ROWS FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
            (&query.table,),
        )
        .await?;
    Ok(estimate.flatten().unwrap_or(u64::MAX))
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
    let (mut chunk, mut bytes) = (empty(), 0);
    while let Some(row) = rows.next().await {
        for (value, kind) in row?.unwrap().into_iter().zip(&query.kinds) {
            if let mysql_async::Value::Bytes(text) = &value {
                bytes += text.len();
            }
            chunk.push(cell(value, *kind));
        }
        if chunk.len() == CHUNK_ROWS || bytes >= CHUNK_BYTES {
            bytes = 0;
            let full = std::mem::replace(&mut chunk, empty());
            if chunks.send(Ok(full)).await.is_err() {
                return Ok(());
            }
        }
    }
    drop(rows);
    if !chunk.is_empty() {
        drop(chunks.send(Ok(chunk)).await);
    }
    Ok(connection.query_drop("COMMIT").await?)
}
