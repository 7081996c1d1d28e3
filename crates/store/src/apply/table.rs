//! What the database says of the table, as far as writing rows and finding them by a key needs it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::target::ApplyTarget;
use crate::error::StoreError;
use crate::pool::Connection;

/// Longest text of a key, in bytes: the longest index of InnoDB has 3,072.
const KEY_BYTES: i64 = 4_096;
/// Bytes of a character, at most, in any charset.
const CHAR_BYTES: i64 = 4;

/// How long it is believed, in seconds: to ask costs as much as to write a hundred rows.
const FRESH_SECONDS: u64 = 10;

/// By server and database, and table.
type Known = HashMap<(String, String), (Instant, Arc<Table>)>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// One unique index over plain columns.
#[derive(Debug)]
pub(super) struct UniqueIndex {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

/// Types and unique indexes of a table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<TableColumn>,
    pub(super) unique: Vec<UniqueIndex>,
    /// Longest statement that the server takes, values included.
    pub(super) packet_bytes: usize,
}

#[derive(QueryableByName)]
struct Server {
    /// Which server and database this connection is at.
    #[diesel(sql_type = Text)]
    place: String,
    #[diesel(sql_type = BigInt)]
    packet: i64,
}

#[derive(Debug, QueryableByName)]
struct TableColumn {
    #[diesel(sql_type = Text)]
    name: String,
    /// With its length: `decimal(12,2)`.
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    charset: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    collation: Option<String>,
    /// Bytes of a character, at most; of a column without a length, of which no index has all, none.
    #[diesel(sql_type = Nullable<BigInt>)]
    char_bytes: Option<i64>,
    #[diesel(sql_type = Text)]
    nullable: String,
    #[diesel(sql_type = Nullable<Text>)]
    fallback: Option<String>,
    /// `auto_increment`, `STORED GENERATED` and other words.
    #[diesel(sql_type = Text)]
    extra: String,
}

impl TableColumn {
    fn counts_up(&self) -> bool {
        self.extra.contains("auto_increment")
    }

    fn takes_null(&self) -> bool {
        self.nullable == "YES" || self.counts_up()
    }

    fn fills_itself(&self) -> bool {
        self.takes_null() || self.fallback.is_some() || self.extra.contains("GENERATED")
    }
}

#[derive(QueryableByName)]
struct IndexPart {
    #[diesel(sql_type = Text)]
    index_name: String,
    /// None for an expression.
    #[diesel(sql_type = Nullable<Text>)]
    column_name: Option<String>,
}

impl Table {
    /// As it was at most [`FRESH_SECONDS`] ago.
    pub(super) async fn of(
        connection: &mut Connection,
        target: &ApplyTarget,
    ) -> Result<Arc<Self>, StoreError> {
        let server: Server = sql_query(
            "SELECT CAST(CONCAT_WS(' ', @@hostname, @@port, DATABASE()) AS CHAR) AS place, \
             CAST(@@SESSION.max_allowed_packet AS SIGNED) AS packet",
        )
        .get_result(connection)
        .await?;
        let key = (server.place, target.table.clone());
        if let Some(table) = known(&key) {
            return Ok(table);
        }
        let table = Arc::new(Self::read(connection, target, server.packet).await?);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, (Instant::now(), Arc::clone(&table)));
        Ok(table)
    }

    async fn read(
        connection: &mut Connection,
        target: &ApplyTarget,
        packet: i64,
    ) -> Result<Self, StoreError> {
        let columns: Vec<TableColumn> = sql_query(
            "SELECT CAST(COLUMN_NAME AS CHAR) AS name, CAST(COLUMN_TYPE AS CHAR) AS kind, \
             CAST(CHARACTER_SET_NAME AS CHAR) AS charset, \
             CAST(COLLATION_NAME AS CHAR) AS collation, \
             CAST(IF(DATA_TYPE LIKE '%text', NULL, \
             CHARACTER_OCTET_LENGTH DIV CHARACTER_MAXIMUM_LENGTH) AS SIGNED) AS char_bytes, \
             CAST(IS_NULLABLE AS CHAR) AS nullable, \
             CAST(COLUMN_DEFAULT AS CHAR) AS fallback, CAST(EXTRA AS CHAR) AS extra \
             FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
        )
        .bind::<Text, _>(&target.table)
        .load(connection)
        .await?;
        let parts: Vec<IndexPart> = sql_query(
            "SELECT CAST(INDEX_NAME AS CHAR) AS index_name, \
             CAST(COLUMN_NAME AS CHAR) AS column_name \
             FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND NON_UNIQUE = 0 \
             ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        )
        .bind::<Text, _>(&target.table)
        .load(connection)
        .await?;
        Ok(Self {
            columns,
            unique: indexes(parts),
            packet_bytes: usize::try_from(packet)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?,
        })
    }

    /// Whether null is no value of this column.
    pub(super) fn refuses_null(&self, column: &str) -> bool {
        let found = self.columns.iter().find(|it| it.name == column);
        found.is_some_and(|found| !found.takes_null())
    }

    /// Whether a new row is whole with these columns alone.
    pub(super) fn is_whole_with(&self, columns: &[&str]) -> bool {
        let given = |it: &TableColumn| columns.contains(&it.name.as_str());
        self.columns.iter().all(|it| it.fills_itself() || given(it))
    }

    /// The type by which a value becomes comparable with the column: its own, or for text one of the
    /// same collation with room to spare.
    pub(super) fn type_of(&self, column: &str) -> Result<String, StoreError> {
        let found = self.columns.iter().find(|it| it.name == column);
        let Some(found) = found else {
            return Err(StoreError::Corrupt(format!(
                "the table has no column `{column}`"
            )));
        };
        Ok(match (&found.charset, &found.collation) {
            (Some(charset), Some(collation)) => {
                let char_bytes = found.char_bytes.unwrap_or(CHAR_BYTES);
                let chars = KEY_BYTES / char_bytes.clamp(1, CHAR_BYTES);
                format!("VARCHAR({chars}) CHARACTER SET {charset} COLLATE {collation}")
            }
            _ => found.kind.clone(),
        })
    }

    /// The one column of the dataset that makes an index unique within a tenant.
    pub(super) fn single_column(&self, target: &ApplyTarget, index: &str) -> Option<String> {
        let index = self.unique.iter().find(|it| it.name == index)?;
        let beside = [target.tenant_column(), target.soft_delete_column()];
        let own = |name: &&String| !beside.contains(&Some(name.as_str()));
        let mut columns = index.columns.iter().filter(own);
        let column = columns.next().filter(|name| target.has_column(name))?;
        columns.next().is_none().then(|| column.clone())
    }

    /// An index by which at most one row is found for these columns within a tenant.
    pub(super) fn index_for(&self, target: &ApplyTarget, columns: &[&str]) -> Option<&UniqueIndex> {
        self.unique.iter().find(|index| {
            let own = |name: &String| target.tenant_column() == Some(name.as_str());
            let mut parts = index.columns.iter().filter(|name| !own(name)).peekable();
            parts.peek().is_some() && parts.all(|name| columns.contains(&name.as_str()))
        })
    }
}

fn known(key: &(String, String)) -> Option<Arc<Table>> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let (read, table) = known.get(key)?;
    (read.elapsed() < Duration::from_secs(FRESH_SECONDS)).then(|| Arc::clone(table))
}

/// Without those over expressions, which say nothing of columns.
fn indexes(parts: Vec<IndexPart>) -> Vec<UniqueIndex> {
    let mut indexes: Vec<UniqueIndex> = Vec::new();
    let mut expressions: Vec<String> = Vec::new();
    for part in parts {
        let Some(column) = part.column_name else {
            expressions.push(part.index_name);
            continue;
        };
        match indexes.last_mut() {
            Some(last) if last.name == part.index_name => last.columns.push(column),
            _ => indexes.push(UniqueIndex {
                name: part.index_name,
                columns: vec![column],
            }),
        }
    }
    indexes.retain(|index| !expressions.contains(&index.name));
    indexes
}
