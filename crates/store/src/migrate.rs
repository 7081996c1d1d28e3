//! The schema's migrations, embedded, and the server's version. Run by `quay migrate` alone.

use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncConnection, AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use mysql_async::{Opts, OptsBuilder};

use crate::error::StoreError;
use crate::pool::Connection;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Seconds that a second migration waits for the first.
const LOCK_SECONDS: u32 = 60;

/// What a migration run found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The server's version, as it says.
    pub server_version: String,
    /// Versions applied now; empty when the schema was up to date.
    pub applied: Vec<String>,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Nullable<BigInt>)]
    locked: Option<i64>,
}

/// Creates the URL's database when it is missing and applies what is pending, one run at a time.
/// Must run on a multi-threaded tokio runtime.
///
/// # Errors
/// [`StoreError`] when the server is away or refuses a statement.
pub async fn migrate(url: &str) -> Result<Migrated, StoreError> {
    create_database(url).await?;
    let mut connection = open(url).await?;
    let Version { version } = diesel::sql_query("SELECT VERSION() AS version")
        .get_result(&mut connection)
        .await?;
    let lock = format!("SELECT GET_LOCK('quayside.migrate', {LOCK_SECONDS}) AS locked");
    let Locked { locked } = diesel::sql_query(lock).get_result(&mut connection).await?;
    if locked != Some(1) {
        return Err(StoreError::Corrupt(
            "another migration is still running".to_owned(),
        ));
    }
    let mut harness = AsyncMigrationHarness::new(connection);
    let applied = tokio::task::block_in_place(|| {
        harness
            .run_pending_migrations(MIGRATIONS)
            .map(|versions| versions.iter().map(ToString::to_string).collect())
    })
    .map_err(StoreError::Refused)?;
    Ok(Migrated {
        server_version: version,
        applied,
    })
}

/// Runs a script of several statements, such as an example table's definition.
///
/// # Errors
/// [`StoreError`] when the server is away or refuses a statement.
pub async fn run_script(url: &str, sql: &str) -> Result<(), StoreError> {
    Ok(open(url).await?.batch_execute(sql).await?)
}

async fn create_database(url: &str) -> Result<(), StoreError> {
    let opts = Opts::from_url(url).map_err(mysql_async::Error::from)?;
    let Some(name) = opts.db_name().map(str::to_owned) else {
        return Err(StoreError::Corrupt(
            "the MySQL address names no database".to_owned(),
        ));
    };
    let server = OptsBuilder::from_opts(opts).db_name(None::<String>);
    let mut connection = mysql_async::Conn::new(server).await?;
    let create = format!(
        "CREATE DATABASE IF NOT EXISTS `{}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        name.replace('`', "``")
    );
    mysql_async::prelude::Queryable::query_drop(&mut connection, create).await?;
    connection.disconnect().await?;
    Ok(())
}

async fn open(url: &str) -> Result<Connection, StoreError> {
    Connection::establish(url)
        .await
        .map_err(|error| StoreError::Unavailable(Box::new(error)))
}
