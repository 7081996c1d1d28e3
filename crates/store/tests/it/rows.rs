//! A stream gives each row of one snapshot exactly once, and ends when its reader does.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::{Access, Catalog, Cell, ExportDefaults, ExportRequest, ExportSpec, RowChunk, Tenant};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use store::{RowQuery, Rows, Store, StoreError};
use testkit::{TestDatabase, eventually_within};
use tokio_util::task::TaskTracker;

use crate::datasets::shipped;
use crate::large::many_employees;

pub(crate) fn spec(catalog: &Catalog, body: &Value) -> ExportSpec {
    let timezone = "UTC".parse().expect("a zone");
    let defaults = ExportDefaults {
        locale: "en".to_owned(),
        timezone,
    };
    let request = ExportRequest::from_json(body.to_string().as_bytes()).expect("a request");
    request
        .check(
            catalog,
            &defaults,
            Access { sensitive: true },
            DateTime::<Utc>::UNIX_EPOCH,
        )
        .expect("a spec")
}

pub(crate) fn query(catalog: &Catalog, body: &Value) -> RowQuery {
    let spec = spec(catalog, body);
    let tenant = Tenant::parse("acme").expect("a tenant");
    RowQuery::new(
        catalog.get(&spec.dataset).expect("a dataset"),
        &spec,
        &tenant,
    )
    .expect("a query")
}

pub(crate) async fn open(store: &Store, catalog: &Catalog, body: &Value) -> Rows {
    store
        .rows(query(catalog, body), &TaskTracker::new())
        .await
        .expect("a stream")
}

pub(crate) async fn all(mut rows: Rows) -> Vec<Vec<Cell<'static>>> {
    let mut all = Vec::new();
    while let Some(chunk) = rows.next().await {
        // a test's rows may live as long as the test
        let chunk: &'static RowChunk = Box::leak(Box::new(chunk.expect("rows")));
        all.extend(chunk.rows().map(Iterator::collect::<Vec<_>>));
    }
    all
}

/// The texts of the first column.
async fn texts(store: &Store, body: &Value) -> Vec<String> {
    let rows = all(open(store, &shipped(), body).await).await;
    let text = |row: &Vec<Cell>| match row[0] {
        Cell::Text(text) => text.to_owned(),
        other => panic!("{other:?} is no text"),
    };
    rows.iter().map(text).collect()
}

pub(crate) async fn employees(database: &TestDatabase, rows: &[&str]) {
    let columns =
        "tenant, employee_no, name, department, salary, hire_date, created_at, deleted_at";
    let sql = format!(
        "INSERT INTO employee ({columns}) VALUES {}",
        rows.join(", ")
    );
    database.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_one_snapshot_of_the_tenants_living_rows() {
    let database = TestDatabase::with_examples().await;
    let store = database.store();
    employees(
        &database,
        &[
            "('acme','E1','a','x',1,'2020-01-01','2020-01-01',NULL)",
            "('acme','E2','b','x',1,'2020-01-01','2020-01-01','2021-01-01')",
            "('other','E3','c','x',1,'2020-01-01','2020-01-01',NULL)",
            "('Acme','E4','d','x',1,'2020-01-01','2020-01-01',NULL)",
            "('acme','E5','e','x',1,'2020-01-01','2020-01-01',NULL)",
        ],
    )
    .await;
    let body = json!({"dataset": "employee", "columns": ["name"]});
    let rows = open(&store, &shipped(), &body).await;
    assert_eq!(rows.total(), 2);
    database
        .execute("DELETE FROM employee WHERE employee_no = 'E1'")
        .await;
    employees(
        &database,
        &["('acme','E6','f','x',1,'2020-01-01','2020-01-01',NULL)"],
    )
    .await;
    let seen = all(rows).await;
    assert_eq!(seen, [[Cell::Text("a")], [Cell::Text("e")]]);
    assert_eq!(texts(&store, &body).await, ["e", "f"]);
    database
        .execute(
            "INSERT INTO user (tenant, username, deleted) VALUES ('acme','u',0),('acme','v',1)",
        )
        .await;
    assert_eq!(
        texts(&store, &json!({"dataset": "user", "columns": ["username"]})).await,
        ["u"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_text_is_data() {
    let database = TestDatabase::with_examples().await;
    let store = database.store();
    let nasty = [
        "' OR 1=1 --",
        "%",
        "_",
        "\\",
        "|",
        "\\'",
        "😀",
        "a\0b",
        "a%b",
        "a|b",
        "a_b",
        "a\\b",
        "`",
    ];
    let mut connection = database.plain_connection().await;
    let insert = "INSERT INTO member (tenant, member_no, name, mobile, level, points, balance) \
                  VALUES ('acme', ?, ?, '1', 1, 1, 1)";
    let rows = nasty.iter().enumerate().map(|(index, text)| (index, *text));
    connection
        .exec_batch(insert, rows)
        .await
        .expect("rows are inserted");
    for text in nasty {
        let filter =
            |it: Value| json!({"dataset": "member", "columns": ["name"], "filters": {"name": it}});
        assert_eq!(texts(&store, &filter(json!(text))).await, [text]);
        let starting: Vec<&str> = nasty
            .into_iter()
            .filter(|it| it.starts_with(text))
            .collect();
        assert_eq!(
            texts(&store, &filter(json!({"like_prefix": text}))).await,
            starting
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_mean_what_the_contract_says() {
    let database = TestDatabase::with_examples().await;
    let store = database.store();
    employees(
        &database,
        &[
            "('acme','E1','a','x',0.10,'2020-01-01','2020-01-01 00:00:00',NULL)",
            "('acme','E2','b','y',9999999999.99,'2020-06-01','2020-01-01 08:00:00',NULL)",
            "('acme','E3','c','z',NULL,'2021-01-01','2020-01-01 08:00:00.000001',NULL)",
        ],
    )
    .await;
    database
        .execute("UPDATE employee SET position = 'p' WHERE name <> 'c'")
        .await;
    let cases = [
        (json!({"department": "x"}), "a"),
        (json!({"department": {"ne": "x"}}), "bc"),
        (json!({"position": {"ne": "q"}}), "ab"),
        (json!({"position": {"is_null": true}}), "c"),
        (json!({"position": {"is_null": false}}), "ab"),
        (json!({"department": {"in": ["x", "z"]}}), "ac"),
        (json!({"department": {"in": []}}), ""),
        (json!({"salary": {"gt": "0.1"}}), "b"),
        (json!({"salary": {"gte": 0.1}}), "ab"),
        (json!({"salary": {"lt": "9999999999.989999999999"}}), "a"),
        (
            json!({"hire_date": {"gte": "2020-06-01", "lt": "2021-01-01"}}),
            "b",
        ),
        (json!({"hire_date": "2020-01-01"}), "a"),
        (
            json!({"created_at": {"gt": "2020-01-01T16:00:00+08:00"}}),
            "c",
        ),
        (json!({"created_at": {"lte": "2020-01-01T08:00:00Z"}}), "ab"),
        (json!({"active": true, "department": "y"}), "b"),
        (json!({"active": false}), ""),
        (json!({"id": {"gte": u64::MAX}}), ""),
    ];
    for (filters, expected) in cases {
        let body = json!({"dataset": "employee", "columns": ["name"], "filters": filters});
        assert_eq!(texts(&store, &body).await.concat(), expected, "{body}");
    }
    let sorted = json!({"dataset": "employee", "columns": ["name"], "sort": ["-hire_date"]});
    assert_eq!(texts(&store, &sorted).await.concat(), "cba");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_value_arrives_as_it_is() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "CREATE TABLE thing (id BIGINT PRIMARY KEY, u BIGINT UNSIGNED, m DECIMAL(20,2), f FLOAT, \
             b TINYINT(1), bits BIT(1), d DATE, t DATETIME(6), s TIMESTAMP NULL, c TIME, n TEXT, e ENUM('p','q'))",
        )
        .await;
    let mut connection = database.plain_connection().await;
    connection
        .query_drop("SET sql_mode = '', time_zone = '+08:00'")
        .await
        .expect("set");
    connection
        .query_drop(
            "INSERT INTO thing VALUES \
             (1, 18446744073709551615, -12.50, 1.1, 1, b'1', '2026-01-31', '2026-01-31 23:59:59.5', \
             '2026-01-31 08:00:00', '08:30:00', '好', 'q'), \
             (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
             (3, 0, 0, 0, 0, b'0', '0000-00-00', '2026-00-00', NULL, '-838:59:59', '', 'p')",
        )
        .await
        .expect("rows are inserted");
    let column = |name: &str, kind: &str| {
        format!("{{ name = \"{name}\", label = {{ en = \"{name}\" }}, type = \"{kind}\" }}")
    };
    let columns = [
        ("u", "integer"),
        ("m", "decimal"),
        ("f", "decimal"),
        ("b", "boolean"),
        ("bits", "boolean"),
        ("d", "date"),
        ("t", "datetime"),
        ("s", "datetime"),
        ("c", "time"),
        ("n", "string"),
        ("e", "string"),
    ];
    let definition = format!(
        "name = \"thing\"\nlabel = {{ en = \"Thing\" }}\nversion = \"1\"\ntable = \"thing\"\n\
         shared = true\nprimary_key = [\"id\"]\nkey = [\"u\"]\ncolumns = [{}]",
        columns.map(|(name, kind)| column(name, kind)).join(", ")
    );
    let catalog = Catalog::parse([("thing.toml", definition)]).expect("a definition");
    let rows = all(open(&database.store(), &catalog, &json!({"dataset": "thing"})).await).await;
    let day = NaiveDate::from_ymd_opt(2026, 1, 31).expect("a day");
    let odd = Cell::Odd;
    let first = vec![
        Cell::UInt(u64::MAX),
        Cell::Decimal("-12.50"),
        Cell::Float(1.1),
        Cell::Bool(true),
        Cell::Bool(true),
        Cell::Date(day),
        Cell::DateTime(day.and_hms_milli_opt(23, 59, 59, 500).expect("a time")),
        Cell::DateTime(day.and_time(NaiveTime::MIN)),
        Cell::Time(NaiveTime::from_hms_opt(8, 30, 0).expect("a time")),
        Cell::Text("好"),
        Cell::Text("q"),
    ];
    assert_eq!(rows[0], first);
    assert_eq!(rows[1], vec![Cell::Null; 11]);
    assert_eq!(
        rows[2][3..7],
        [
            Cell::Bool(false),
            Cell::Bool(false),
            odd("0000-00-00"),
            odd("2026-00-00 00:00:00")
        ]
    );
    assert_eq!(rows[2][8..10], [odd("-838:59:59"), Cell::Text("")]);
}

/// The number that a cell holds.
pub(crate) fn number(cell: &Cell) -> u64 {
    match cell {
        Cell::UInt(number) => *number,
        Cell::Int(number) => number.unsigned_abs(),
        other => panic!("{other:?} is no id"),
    }
}

/// A table of which each row takes 2 ms, so that reading the rest would take minutes.
async fn slow_table(database: &TestDatabase) -> Catalog {
    many_employees(database).await;
    database
        .execute("CREATE VIEW slow AS SELECT id, tenant, IF(SLEEP(0.002), '', name) AS name FROM employee")
        .await;
    let definition = r#"
name = "slow"
label = { en = "Slow" }
version = "1"
table = "slow"
primary_key = ["id"]
key = ["name"]
columns = [{ name = "name", label = { en = "Name" }, type = "string" }]
"#;
    Catalog::parse([("slow.toml", definition)]).expect("a definition")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_ends_at_the_server_at_once() {
    let database = TestDatabase::with_examples().await;
    let catalog = slow_table(&database).await;
    let tracker = TaskTracker::new();
    let query = query(&catalog, &json!({"dataset": "slow"}));
    let mut rows = database
        .store()
        .rows(query, &tracker)
        .await
        .expect("a stream");
    rows.next().await.expect("rows").expect("rows");
    let running = "SELECT COUNT(*) FROM performance_schema.processlist \
                   WHERE DB = DATABASE() AND INFO LIKE '%FROM `slow`%' AND ID <> CONNECTION_ID()";
    assert_eq!(database.one::<u64>(running).await, 1);
    drop(rows);
    eventually_within(Duration::from_secs(2), "the query has ended", async || {
        (database.one::<u64>(running).await == 0).then_some(())
    })
    .await;
    tracker.close();
    tokio::time::timeout(Duration::from_secs(2), tracker.wait())
        .await
        .expect("the pump has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_the_server_does_not_take_is_an_error() {
    let database = TestDatabase::create().await;
    let query = query(&shipped(), &json!({"dataset": "employee"}));
    let opened = database.store().rows(query, &TaskTracker::new()).await;
    assert!(matches!(opened.err(), Some(StoreError::Refused(_))));
}
