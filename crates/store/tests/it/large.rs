//! Large tables: nothing is missed or doubled while they change, and no more is looked at than must
//! be.

use domain::{Cell, Tenant};
use mysql_async::Params;
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use store::RowQuery;
use testkit::TestDatabase;
use tokio_util::task::TaskTracker;

use crate::datasets::shipped;
use crate::rows::{all, employees, number, open, query, spec};

/// Rows of the large table, enough for plans to differ and a stream to be cut in its middle.
pub(crate) const MANY: u64 = 200_000;

pub(crate) async fn many_employees(database: &TestDatabase) {
    let digits = "SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL \
         SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 \
         UNION ALL SELECT 9";
    let sql = format!(
        "INSERT INTO employee (tenant, employee_no, name, department, email, hire_date) \
         WITH d AS ({digits}), k AS (SELECT a.n + 10 * b.n + 100 * c.n + 1000 * e.n + 10000 * f.n \
         + 100000 * g.n AS n FROM d a, d b, d c, d e, d f, d g WHERE g.n < {}) \
         SELECT IF(n % 100 = 0, 'small', 'acme'), CONCAT('E', n), 'n', CONCAT('d', n % 10), \
         REPEAT('x', 100), '2020-01-01' + INTERVAL n % 1000 DAY FROM k",
        MANY / 100_000
    );
    database.execute(&sql).await;
    database
        .query::<mysql_async::Row>("ANALYZE TABLE employee")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_change_while_they_are_read_are_each_given_once_as_they_were() {
    let database = TestDatabase::with_examples().await;
    many_employees(&database).await;
    let living = "SELECT id FROM employee WHERE tenant = 'acme' ORDER BY id";
    let mut living: Vec<u64> = database.query(living).await;
    let (store, catalog) = (database.store(), shipped());
    // two hundred rows of one department differ in nothing but their key
    let body = |sort| {
        let columns = ["department", "id"];
        json!({"dataset": "employee", "columns": columns, "sort": sort})
    };
    let by_key = open(&store, &catalog, &body(json!([]))).await;
    let by_department = open(&store, &catalog, &body(json!(["-department"]))).await;
    database
        .execute("UPDATE employee SET department = 'd5', id = id + 1000000 WHERE id % 3 = 0")
        .await;
    database
        .execute("DELETE FROM employee WHERE id % 7 = 0")
        .await;
    employees(
        &database,
        &["('acme','N1','a','d5',1,'2020-01-01','2020-01-01',NULL)"],
    )
    .await;
    let given = |rows: Vec<Vec<Cell<'static>>>| -> Vec<(String, u64)> {
        let pair = |row: &Vec<Cell<'static>>| match row[0] {
            Cell::Text(department) => (department.to_owned(), number(&row[1])),
            other => panic!("{other:?} is no text"),
        };
        rows.iter().map(pair).collect()
    };
    let in_key_order = given(all(by_key).await);
    assert!(
        in_key_order
            .iter()
            .map(|(_, id)| *id)
            .eq(living.iter().copied())
    );
    let sorted = given(all(by_department).await);
    let later = |a: &(String, u64), b: &(String, u64)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
    assert!(
        sorted.is_sorted_by(|a, b| later(a, b).is_lt()),
        "ties have one order"
    );
    let mut ids: Vec<u64> = sorted.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    living.sort_unstable();
    assert_eq!(ids, living);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_share_is_found_by_index_and_a_large_one_by_walking_the_table() {
    let database = TestDatabase::with_examples().await;
    many_employees(&database).await;
    let (store, catalog) = (database.store(), shipped());
    let employee = catalog.get("employee").expect("a dataset");
    // rows fetched by walking the table or its primary key, which is the same, and by other indexes
    let fetched = async || -> (u64, u64) {
        let walked = "IFNULL(INDEX_NAME, 'PRIMARY') = 'PRIMARY'";
        let sums = format!(
            "SELECT CAST(SUM(IF({walked}, COUNT_FETCH, 0)) AS UNSIGNED), \
                    CAST(SUM(IF({walked}, 0, COUNT_FETCH)) AS UNSIGNED) \
                    FROM performance_schema.table_io_waits_summary_by_index_usage \
                    WHERE OBJECT_SCHEMA = DATABASE() AND OBJECT_NAME = 'employee'"
        );
        database.one(&sums).await
    };
    let looked_at = async |tenant: &str, filters: Value| -> (u64, u64) {
        let before = fetched().await;
        let body = json!({"dataset": "employee", "columns": ["id"], "filters": filters});
        let tenant = Tenant::parse(tenant).expect("a tenant");
        let query = RowQuery::new(employee, &spec(&catalog, &body), &tenant).expect("a query");
        let rows = store.rows(query, &TaskTracker::new()).await;
        all(rows.expect("a stream")).await;
        let after = fetched().await;
        (after.0 - before.0, after.1 - before.1)
    };
    // once to count and once to read
    let share = MANY / 100;
    let (by_key, by_index) = looked_at("small", json!({})).await;
    assert!(
        (2 * share..3 * share).contains(&by_index),
        "{by_index} for {share} rows"
    );
    assert!(by_key < share, "{by_key}");
    // all but few rows of the table; then none of many, which only a look at each can tell
    for filters in [json!({}), json!({"active": false})] {
        let (by_key, by_index) = looked_at("acme", filters.clone()).await;
        assert!(
            (2 * MANY..3 * MANY).contains(&by_key),
            "{filters}: {by_key}"
        );
        assert_eq!(by_index, 0, "{filters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_share_in_key_order_is_read_without_sorting() {
    let database = TestDatabase::with_examples().await;
    many_employees(&database).await;
    let query = query(&shipped(), &json!({"dataset": "employee"}));
    let mut connection = database.plain_connection().await;
    let explain = format!("EXPLAIN FORMAT=TREE {}", query.select(true));
    let values = Params::from(query.values().to_vec());
    let plan: Option<String> = connection
        .exec_first(explain, values)
        .await
        .expect("a plan");
    let plan = plan.expect("a plan");
    assert!(
        plan.contains("using PRIMARY") && !plan.contains("Sort"),
        "{plan}"
    );
    let rows = open(
        &database.store(),
        &shipped(),
        &json!({"dataset": "employee", "columns": ["id"]}),
    )
    .await;
    assert_eq!(rows.total(), MANY / 100 * 99);
    let ids: Vec<Cell> = all(rows).await.into_iter().flatten().collect();
    assert_eq!(ids.len() as u64, MANY / 100 * 99);
    assert!(
        ids.windows(2)
            .all(|pair| number(&pair[0]) < number(&pair[1]))
    );
}
