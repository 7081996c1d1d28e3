//! A total is counted where the rows are read, or said to be an estimate.

use domain::{Catalog, Cell};
use serde_json::json;
use testkit::TestDatabase;

use crate::datasets::shipped;
use crate::rows::{all, employees, number, open};

/// Rows of the table of which each takes 50 ms to be found: 3 s to count, more than is allowed.
const SLOW: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_total_is_counted_in_the_snapshot() {
    let database = TestDatabase::with_examples().await;
    let employee = |n: usize| format!("('acme','E{n}','a','x',1,'2020-01-01','2020-01-01',NULL)");
    let rows: Vec<String> = (0..7).map(employee).collect();
    employees(
        &database,
        &rows.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    let (store, catalog) = (database.store(), shipped());
    for (filters, total) in [
        (json!({}), 7),
        (json!({"employee_no": {"in": ["E1", "E2", "E9"]}}), 2),
        (json!({"department": {"in": []}}), 0),
        (json!({"id": {"gt": 5, "lt": 4}}), 0),
    ] {
        let body = json!({"dataset": "employee", "columns": ["id"], "filters": filters});
        let rows = open(&store, &catalog, &body).await;
        database
            .execute("UPDATE employee SET active = NOT active")
            .await;
        assert_eq!(
            (rows.total(), rows.total_is_estimate()),
            (total, false),
            "{body}"
        );
        assert_eq!(all(rows).await.len() as u64, total, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_takes_too_long_is_an_estimate_and_the_rows_are_still_one_snapshot() {
    let database = TestDatabase::create().await;
    database
        .execute("CREATE TABLE thing (id BIGINT AUTO_INCREMENT PRIMARY KEY)")
        .await;
    let rows = vec!["()"; SLOW].join(", ");
    database
        .execute(&format!("INSERT INTO thing VALUES {rows}"))
        .await;
    database
        .execute("CREATE VIEW slow AS SELECT id FROM thing WHERE SLEEP(0.05 + id * 0) = 0")
        .await;
    let definition = r#"
name = "slow"
label = { en = "Slow" }
version = "1"
table = "slow"
shared = true
primary_key = ["id"]
key = ["id"]
columns = [{ name = "id", label = { en = "ID" }, type = "integer" }]
"#;
    let catalog = Catalog::parse([("slow.toml", definition)]).expect("a definition");
    let rows = open(&database.store(), &catalog, &json!({"dataset": "slow"})).await;
    assert!(rows.total_is_estimate());
    let most = 2 * SLOW as u64;
    assert!(
        (1..=most).contains(&rows.total()),
        "{} of {SLOW}",
        rows.total()
    );
    database.execute("INSERT INTO thing VALUES (), ()").await;
    let ids: Vec<Cell> = all(rows).await.into_iter().flatten().collect();
    let ids: Vec<u64> = ids.iter().map(number).collect();
    assert_eq!(ids, (1..=SLOW as u64).collect::<Vec<_>>());

    // whether there will be several files must be known for sure
    let parts = json!({"dataset": "slow", "options": {"rows_per_file": 10}});
    let rows = open(&database.store(), &catalog, &parts).await;
    let total = (rows.total(), rows.total_is_estimate());
    assert_eq!(total, (SLOW as u64 + 2, false));
}
