//! The rules of design.md §4 for all tables, read from information_schema.

use testkit::TestDatabase;

const OURS: &str = "TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> '__diesel_schema_migrations'";

/// Lanes belong to the house: all tenants' work goes through them.
const A_TENANTS: &str = "TABLE_NAME <> 'lane'";

#[tokio::test(flavor = "multi_thread")]
async fn every_text_column_compares_as_utf8mb4_bin() {
    let database = TestDatabase::create().await;
    let wrong: Vec<(String, String)> = database
        .query(&format!(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE {OURS} \
             AND COLLATION_NAME IS NOT NULL AND COLLATION_NAME <> 'utf8mb4_bin'"
        ))
        .await;
    assert_eq!(wrong, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_a_tenant_and_every_unique_key_begins_with_it() {
    let database = TestDatabase::create().await;
    let without: Vec<String> = database
        .query(&format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES t WHERE {OURS} AND {A_TENANTS} AND NOT EXISTS \
             (SELECT 1 FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA \
             AND c.TABLE_NAME = t.TABLE_NAME AND c.COLUMN_NAME = 'tenant')"
        ))
        .await;
    assert_eq!(without, Vec::<String>::new());
    let wrong: Vec<(String, String)> = database
        .query(&format!(
            "SELECT TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE {OURS} \
             AND NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY' AND SEQ_IN_INDEX = 1 \
             AND COLUMN_NAME <> 'tenant'"
        ))
        .await;
    assert_eq!(wrong, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_time_is_datetime_6_and_a_default_is_utc_whatever_the_session() {
    let database = TestDatabase::create().await;
    let wrong: Vec<(String, String, String, Option<String>, String)> = database
        .query(&format!(
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_DEFAULT, EXTRA \
             FROM information_schema.COLUMNS WHERE {OURS} \
             AND DATA_TYPE IN ('datetime', 'timestamp', 'date', 'time') \
             AND (COLUMN_TYPE <> 'datetime(6)' OR EXTRA LIKE '%on update%' \
             OR (COLUMN_DEFAULT IS NOT NULL AND COLUMN_DEFAULT <> 'utc_timestamp(6)'))"
        ))
        .await;
    assert_eq!(wrong, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn compensate_biz_has_exactly_the_indexes_that_its_throughput_allows() {
    let database = TestDatabase::create().await;
    let indexes: Vec<(String, String)> = database
        .query(
            "SELECT INDEX_NAME, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) \
             FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME = 'compensate_biz' GROUP BY INDEX_NAME ORDER BY INDEX_NAME",
        )
        .await;
    let expected = [
        ("group_id", "group_id"),
        ("lane_wake_at", "lane,wake_at"),
        ("PRIMARY", "id"),
        ("task_id", "task_id"),
        ("tenant_biz", "tenant,biz_type,biz_id"),
    ];
    assert_eq!(
        indexes,
        expected.map(|(name, columns)| (name.to_owned(), columns.to_owned()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_work_submitted_twice_is_one_row_and_case_makes_it_another() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "INSERT INTO compensate_biz (biz_type, biz_id, context) \
             VALUES ('COUPON', 'a1', '{}'), ('COUPON', 'A1', '{}')",
        )
        .await;
    let mut client = database.plain_connection().await;
    let again = mysql_async::prelude::Queryable::query_drop(
        &mut client,
        "INSERT INTO compensate_biz (biz_type, biz_id, context) VALUES ('COUPON', 'a1', '{}')",
    )
    .await;
    assert!(again.is_err(), "the unique key refuses it");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_again_applies_nothing() {
    let database = TestDatabase::create().await;
    let again = store::migrate(database.url()).await.expect("migrates");
    assert_eq!(again.applied, Vec::<String>::new());
    assert!(!again.server_version.is_empty());
}
