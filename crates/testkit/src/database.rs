//! A fresh database for each test, with the real migrations. Left behind when the test ends: the
//! server is thrown away.

use std::path::Path;

use mysql_async::prelude::{FromRow, Queryable};
use store::{Store, StoreSettings};
use uuid::Uuid;

/// A database of one test.
pub struct TestDatabase {
    url: String,
}

impl TestDatabase {
    /// Makes one and migrates it. The test must run on a multi-threaded runtime.
    ///
    /// # Panics
    /// When the server is away or a migration fails.
    pub async fn create() -> Self {
        Self::create_at(&crate::mysql()).await
    }

    /// As [`TestDatabase::create`], on another server.
    ///
    /// # Panics
    /// When the server is away or a migration fails.
    pub async fn create_at(server: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let url = format!("{}/{name}", server.trim_end_matches('/'));
        store::migrate(&url)
            .await
            .expect("the migrations apply to an empty database");
        Self { url }
    }

    /// As [`TestDatabase::create`], with the example tables of `deploy/datasets`.
    ///
    /// # Panics
    /// When a script fails.
    pub async fn with_examples() -> Self {
        Self::with_examples_at(&crate::mysql()).await
    }

    /// As [`TestDatabase::with_examples`], on another server.
    ///
    /// # Panics
    /// When a script fails.
    pub async fn with_examples_at(server: &str) -> Self {
        let database = Self::create_at(server).await;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/datasets");
        for name in ["employee", "user", "member", "coupon_grant"] {
            let script = std::fs::read_to_string(folder.join(format!("{name}.sql")))
                .expect("each example dataset has its table's script");
            store::run_script(&database.url, &script)
                .await
                .expect("the example table is made");
        }
        database
    }

    /// `mysql://…/test_…`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A store on it.
    ///
    /// # Panics
    /// Never on a tokio runtime.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store_with_pool(4)
    }

    /// A store with so many connections.
    ///
    /// # Panics
    /// When `pool_size` is zero.
    #[must_use]
    pub fn store_with_pool(&self, pool_size: usize) -> Store {
        let settings = StoreSettings {
            url: self.url.clone(),
            pool_size,
        };
        Store::connect(settings).expect("a pool of at least one connection")
    }

    /// Runs a statement as any service's plain client would.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.plain_connection().await;
        connection
            .query_drop(sql)
            .await
            .expect("the statement runs");
        connection
            .disconnect()
            .await
            .expect("the connection closes");
    }

    /// Reads all rows of a query.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn query<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        let mut connection = self.plain_connection().await;
        let rows = connection.query(sql).await.expect("the query runs");
        connection
            .disconnect()
            .await
            .expect("the connection closes");
        rows
    }

    /// Reads the one row of a query.
    ///
    /// # Panics
    /// When there is none.
    pub async fn one<T: FromRow + Send + 'static>(&self, sql: &str) -> T {
        self.query(sql)
            .await
            .into_iter()
            .next()
            .expect("the query gives a row")
    }

    /// A connection of a plain client, with the server's own session settings.
    ///
    /// # Panics
    /// When the server is away.
    pub async fn plain_connection(&self) -> mysql_async::Conn {
        mysql_async::Conn::from_url(&self.url)
            .await
            .expect("MySQL is up")
    }
}
