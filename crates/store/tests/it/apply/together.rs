//! Two imports of the same keys at once.

use domain::ImportMode;
use mysql_async::prelude::Queryable;
use store::{Applied, Store, StoreError};
use testkit::{TestDatabase, eventually, eventually_within};
use tokio::task::JoinSet;

use super::thing::{NULL, a_table, apply, read, rows, target};

const FIELDS: [&str; 2] = ["code", "level"];
const KEYS: usize = 300;

/// What the engine does with a batch that kept meeting locks: again, later.
async fn until_done(store: &Store, mode: ImportMode, given: &[[String; 2]]) -> Applied {
    loop {
        match store.apply_rows(target(mode, &FIELDS), rows(given)).await {
            Err(StoreError::Contended(_)) => (),
            done => return done.expect("applied"),
        }
    }
}

/// Batches over the same keys, each in an order of its own.
fn batches() -> Vec<Vec<[String; 2]>> {
    let batch = |stride: usize| {
        let keys = (0..KEYS).map(|n| n * stride % KEYS);
        keys.map(|key| [format!("C{key:03}"), "1".to_owned()])
            .collect()
    };
    // strides without a common factor with the number of keys reach every key
    [1, 7, 299, 11, 13, 293].map(batch).to_vec()
}

async fn all_at_once(mode: ImportMode) -> (TestDatabase, Vec<Applied>) {
    let database = a_table().await;
    let mut running = JoinSet::new();
    for batch in batches() {
        let store = database.store_with_pool(1);
        running.spawn(async move { until_done(&store, mode, &batch).await });
    }
    let applied = running.join_all().await;
    (database, applied)
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_of_the_same_keys_at_once_take_each_key_once_and_refuse_the_rest() {
    let (database, applied) = all_at_once(ImportMode::Insert).await;
    let inserted: u64 = applied.iter().map(|it| it.inserted).sum();
    let refused: usize = applied.iter().map(|it| it.refused.len()).sum();
    assert_eq!(
        (inserted, refused),
        (KEYS as u64, KEYS * (batches().len() - 1))
    );
    let stored: Vec<i8> = read(&database, "level").await;
    assert_eq!(stored.len(), KEYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn upserts_of_the_same_keys_at_once_add_each_key_once_and_refuse_none() {
    let (database, applied) = all_at_once(ImportMode::Upsert).await;
    let inserted: u64 = applied.iter().map(|it| it.inserted).sum();
    let updated: u64 = applied.iter().map(|it| it.updated).sum();
    assert!(applied.iter().all(|it| it.refused.is_empty()));
    assert_eq!(inserted, KEYS as u64);
    assert_eq!(updated, (KEYS * (batches().len() - 1)) as u64);
    let stored: Vec<i8> = read(&database, "level").await;
    assert_eq!(stored.len(), KEYS);
}

/// Whether somebody waits for a row lock of this database's table.
async fn somebody_waits(database: &TestDatabase) -> bool {
    let name = database.url().rsplit('/').next().expect("a name");
    let waiting: u64 = database
        .one(&format!(
            "SELECT COUNT(*) FROM performance_schema.data_lock_waits w \
             JOIN performance_schema.data_locks l \
               ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID \
             WHERE l.OBJECT_SCHEMA = '{name}' AND l.OBJECT_NAME = 'thing'"
        ))
        .await;
    waiting > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_adds_in_between_is_changed_by_upsert_and_not_refused() {
    let database = a_table().await;
    for size in [3, 60] {
        database.execute("DELETE FROM thing").await;
        let mut other = database.plain_connection().await;
        other.query_drop("BEGIN").await.expect("begins");
        let insert = "INSERT INTO thing (tenant, code, level) VALUES ('acme', 'C001', 9)";
        other.query_drop(insert).await.expect("inserted");

        let given: Vec<[String; 2]> = (0..size)
            .map(|n| [format!("C{n:03}"), "1".to_owned()])
            .collect();
        let store = database.store();
        let upsert = tokio::task::JoinSet::from_iter([async move {
            apply(&store, ImportMode::Upsert, &FIELDS, &given).await
        }]);
        eventually("the upsert waits for the other's row", async || {
            somebody_waits(&database).await.then_some(())
        })
        .await;
        other.query_drop("COMMIT").await.expect("commits");
        let applied = upsert.join_all().await.remove(0);
        assert_eq!(applied.refused, []);
        assert_eq!((applied.inserted, applied.updated), (size - 1, 1));
        let stored: Vec<i8> = read(&database, "level").await;
        assert_eq!(stored.len() as u64, size);
        assert!(stored.iter().all(|level| *level == 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_held_too_long_makes_the_whole_batch_run_again() {
    let database = a_table().await;
    apply(
        &database.store(),
        ImportMode::Insert,
        &FIELDS,
        &[["C050", "1"]],
    )
    .await;
    let mut other = database.plain_connection().await;
    other.query_drop("BEGIN").await.expect("begins");
    let lock = "SELECT id FROM thing WHERE code = 'C050' FOR UPDATE";
    other.query_drop(lock).await.expect("locked");

    let given: Vec<[String; 2]> = (0..100)
        .map(|n| [format!("C{n:03}"), "2".to_owned()])
        .collect();
    let store = database.store();
    let upsert = tokio::task::JoinSet::from_iter([async move {
        apply(&store, ImportMode::Upsert, &FIELDS, &given).await
    }]);
    let waits = async || somebody_waits(&database).await.then_some(());
    let gave_up = async || (!somebody_waits(&database).await).then_some(());
    eventually("it waits", waits).await;
    let long = std::time::Duration::from_secs(30);
    eventually_within(long, "it gives up", gave_up).await;
    eventually("it waits again", waits).await;
    other.query_drop("ROLLBACK").await.expect("releases");
    let applied = upsert.join_all().await.remove(0);
    assert_eq!(
        (applied.inserted, applied.updated, applied.refused.len()),
        (99, 1, 0)
    );
    let stored: Vec<i8> = read(&database, "level").await;
    assert_eq!(stored, vec![2; 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_null_is_like_no_other() {
    let database = a_table().await;
    database
        .execute("ALTER TABLE thing MODIFY code VARCHAR(20) NULL")
        .await;
    let store = database.store();
    for round in 1..=2 {
        let applied = apply(
            &store,
            ImportMode::Upsert,
            &FIELDS,
            &[[NULL, "1"], ["A1", "1"]],
        )
        .await;
        assert_eq!(applied.refused, [], "round {round}");
    }
    let stored: Vec<Option<String>> = read(&database, "code").await;
    assert_eq!(stored, [None, None, Some("A1".to_owned())]);
}
