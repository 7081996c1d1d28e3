//! A dataset with a source is read there and nowhere else.

use std::collections::BTreeMap;

use domain::Catalog;
use serde_json::json;
use store::{Store, StoreError};
use testkit::TestDatabase;
use tokio_util::task::TaskTracker;

use crate::rows::{all, number, open, query};

const PAY: &str = r#"
name = "pay"
label = { en = "Pay" }
version = "1"
table = "pay"
source = "replica"
shared = true
primary_key = ["id"]
key = ["id"]
columns = [{ name = "id", label = { en = "ID" }, type = "integer" }]
"#;

fn catalog(definition: &str) -> Catalog {
    Catalog::parse([("pay.toml", definition)]).expect("a definition")
}

fn with_replica(database: &TestDatabase, url: &str) -> Store {
    let sources = BTreeMap::from([("replica".to_owned(), url.to_owned())]);
    database.store().with_sources(sources)
}

async fn pay(database: &TestDatabase, ids: &str) {
    database
        .execute("CREATE TABLE pay (id BIGINT PRIMARY KEY)")
        .await;
    database
        .execute(&format!("INSERT INTO pay VALUES {ids}"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_from_the_source_that_the_dataset_names() {
    let (house, replica) = (TestDatabase::create().await, TestDatabase::create().await);
    pay(&house, "(1), (2)").await;
    pay(&replica, "(7), (8), (9)").await;
    let store = with_replica(&house, replica.url());
    let ids = async |definition: &str| -> Vec<u64> {
        let rows = open(&store, &catalog(definition), &json!({"dataset": "pay"})).await;
        let total = rows.total();
        let rows = all(rows).await;
        assert_eq!(rows.len() as u64, total);
        rows.iter().map(|row| number(&row[0])).collect()
    };
    assert_eq!(ids(PAY).await, [7, 8, 9]);
    assert_eq!(
        ids(&PAY.replace("source = \"replica\"\n", "")).await,
        [1, 2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_compared_with_the_table_of_its_source() {
    let (house, replica) = (TestDatabase::create().await, TestDatabase::create().await);
    let store = with_replica(&house, replica.url());
    let faults = async |definition: &str| -> Vec<String> {
        let faults = store.check_datasets(&catalog(definition)).await;
        let faults = faults.expect("both servers answer");
        faults.iter().map(ToString::to_string).collect()
    };
    let there = "pay.toml:2: at source `replica`: there is no table `pay`";
    assert_eq!(faults(PAY).await, [there]);
    let imported = format!("import_modes = [\"insert\"]{PAY}");
    let here = "pay.toml:2: there is no table `pay`";
    assert_eq!(
        faults(&imported).await,
        [here, there],
        "imports write to the house's own"
    );
    pay(&replica, "(7)").await;
    assert!(faults(PAY).await.is_empty());
    assert_eq!(faults(&imported).await, [here]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_may_come_back_and_one_that_nobody_knows_will_not() {
    let house = TestDatabase::create().await;
    let definition = catalog(PAY);
    let opened = async |store: &Store| {
        let query = query(&definition, &json!({"dataset": "pay"}));
        store.rows(query, &TaskTracker::new()).await.err()
    };
    // nobody listens on port 1
    let away = with_replica(&house, "mysql://reader@127.0.0.1:1/hr");
    let error = opened(&away).await.expect("nobody answers");
    assert!(error.is_transient(), "{error:?}");
    let error = away
        .check_datasets(&definition)
        .await
        .expect_err("nobody answers");
    assert!(error.is_transient(), "{error:?}");
    let error = opened(&house.store()).await.expect("nobody was told of it");
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
}
