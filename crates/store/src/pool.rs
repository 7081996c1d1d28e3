//! The pool: connections with checked session settings, on the runtime that made the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::result::{ConnectionError, ConnectionResult};
use diesel::sql_types::{BigInt, Text};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};
use futures::FutureExt;
use mysql_async::{Opts, OptsBuilder};
use tokio::runtime::Handle;

use crate::error::StoreError;

pub(crate) type Connection = AsyncMysqlConnection;

/// How to reach MySQL.
#[derive(Clone)]
pub struct StoreSettings {
    /// `mysql://user:password@host:port/database`. Never printed.
    pub url: String,
    /// Connections of the pool, at most.
    pub pool_size: usize,
}

/// Longest wait for a connection, in seconds, a free one or a new one. Past it the database counts
/// as unavailable.
const CONNECT_SECONDS: u64 = 5;

/// Seconds that a statement waits for a row lock before the whole transaction is repeated
/// (design.md §4).
const LOCK_WAIT_SECONDS: u32 = 3;

/// The truth: MySQL behind a pool. Cheap to clone.
///
/// Every query runs on the runtime on which [`Store::connect`] was called, whoever asks: actix-web's
/// workers are runtimes of their own, and a pooled socket stays with the runtime that opened it.
#[derive(Clone)]
pub struct Store {
    pool: Pool<Connection>,
    pub(crate) runtime: Handle,
    pub(crate) settings: Arc<StoreSettings>,
    /// Where else rows are read, by name (rows.rs). Never printed.
    pub(crate) sources: Arc<BTreeMap<String, String>>,
}

impl Store {
    /// Makes the pool; connections are opened when they are first needed, so a database that is
    /// away does not keep a process from starting.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the pool's size is zero.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(settings: StoreSettings) -> Result<Self, StoreError> {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Verified;
        config.custom_setup = Box::new(|url| open(url).boxed());
        let manager = AsyncDieselConnectionManager::new_with_config(&settings.url, config);
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size)
            .build()
            .map_err(|error| StoreError::Refused(Box::new(error)))?;
        crate::measures::describe();
        Ok(Self {
            pool,
            runtime: Handle::current(),
            settings: Arc::new(settings),
            sources: Arc::default(),
        })
    }

    /// A connection from the pool.
    pub(crate) async fn connection(&self) -> Result<Object<Connection>, StoreError> {
        let wait = Duration::from_secs(CONNECT_SECONDS);
        match tokio::time::timeout(wait, self.pool.get()).await {
            Ok(connection) => connection.map_err(|error| StoreError::Unavailable(Box::new(error))),
            Err(elapsed) => Err(StoreError::Unavailable(Box::new(elapsed))),
        }
    }

    /// The runtime on which the store lives.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Opens a connection, sets the session and checks that the server took it.
async fn open(url: &str) -> ConnectionResult<Connection> {
    let opts = Opts::from_url(url)
        .map_err(|error| ConnectionError::InvalidConnectionUrl(error.to_string()))?;
    // As diesel-async opens its own, with the one thing more that it does not offer: texts in memory
    // for LOAD DATA. Guarded writes count the rows that they match, changed or not.
    let opts = OptsBuilder::from_opts(opts)
        .stmt_cache_size(0)
        .client_found_rows(true)
        .local_infile_handler(Some(crate::apply::infile::answer));
    let opened = mysql_async::Conn::new(opts).await;
    let opened = opened.map_err(|error| ConnectionError::BadConnection(error.to_string()))?;
    let mut connection = Connection::try_from(opened).await?;
    let set = format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, \
         lc_messages = 'en_US', max_error_count = 1024, \
         sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
NO_ENGINE_SUBSTITUTION'"
    );
    connection
        .batch_execute(&set)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    let session: Session = diesel::sql_query(
        "SELECT CAST(@@session.transaction_isolation AS CHAR) AS isolation, \
         CAST(@@session.time_zone AS CHAR) AS zone, CAST(@@session.sql_mode AS CHAR) AS sql_mode, \
         CAST(@@session.innodb_lock_wait_timeout AS SIGNED) AS lock_wait, \
         CAST(@@session.lc_messages AS CHAR) AS language",
    )
    .get_result(&mut connection)
    .await
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    session.check().map_err(ConnectionError::BadConnection)?;
    Ok(connection)
}

#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = Text)]
    isolation: String,
    #[diesel(sql_type = Text)]
    zone: String,
    #[diesel(sql_type = Text)]
    sql_mode: String,
    #[diesel(sql_type = BigInt)]
    lock_wait: i64,
    /// Errors are told apart by their text (error.rs).
    #[diesel(sql_type = Text)]
    language: String,
}

impl Session {
    fn check(&self) -> Result<(), String> {
        let Self {
            isolation,
            zone,
            sql_mode,
            lock_wait,
            language,
        } = self;
        let right = isolation == "READ-COMMITTED"
            && zone == "+00:00"
            && sql_mode.contains("STRICT_ALL_TABLES")
            && *lock_wait == i64::from(LOCK_WAIT_SECONDS)
            && language == "en_US";
        right.then_some(()).ok_or_else(|| {
            format!(
                "the server did not take the session settings: isolation {isolation}, zone {zone}, \
                 sql_mode {sql_mode}, innodb_lock_wait_timeout {lock_wait}, lc_messages {language}"
            )
        })
    }
}
