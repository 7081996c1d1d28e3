//! `/metrics` of the gateway, over HTTP: what the documents name is there, and says what it means.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use testkit::TestDatabase;

use crate::house::{SECRET, manager};
use crate::process::{Ended, address, command};

/// Of the gateway and the store, as docs/OPERATIONS.md names them.
const DOCUMENTED: [&str; 9] = [
    "quayside_event_streams",
    "quayside_http_problems_total",
    "quayside_http_request_duration_seconds",
    "quayside_http_requests_total",
    "quayside_import_row_errors_total",
    "quayside_import_rows_total",
    "quayside_store_errors_total",
    "quayside_store_retries_total",
    "quayside_store_transaction_duration_seconds",
];

/// Makes the first submit of an export meet a deadlock.
async fn a_deadlock_once(database: &TestDatabase) {
    // What AUTO_INCREMENT has counted stays when the transaction is rolled back.
    for statement in [
        "CREATE TABLE tries (number INT AUTO_INCREMENT PRIMARY KEY)",
        "CREATE TRIGGER meet BEFORE INSERT ON task FOR EACH ROW BEGIN \
         INSERT INTO tries () VALUES (); IF LAST_INSERT_ID() = 1 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, \
         MESSAGE_TEXT = 'Deadlock found when trying to get lock; try restarting transaction'; \
         END IF; END",
    ] {
        database.execute(statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_metric_is_there_and_says_what_it_means() {
    let database = TestDatabase::with_examples().await;
    a_deadlock_once(&database).await;
    let storage = tempfile::tempdir().unwrap();
    let mut command = command(database.url(), SECRET, storage.path());
    let handlers = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/handlers");
    command.env("QUAYSIDE__HANDLERS__DIR", handlers);
    let mut process = Ended(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(process.0.stderr.take().unwrap());
    let admin = address(&mut log, "admin port is open");
    let public = address(&mut log, "the gateway is open");
    // A log that nobody reads would hold the process up.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let post = async |path: &str, body| {
        let request = client.request(Method::POST, format!("http://{public}/api/v1/{path}"));
        let request = request.bearer_auth(manager()).json(&body);
        let request = request.header("idempotency-key", "k");
        request.send().await.unwrap().status().as_u16()
    };
    let export = json!({"dataset": "employee"});
    let row = json!({"member_no": "M1", "name": "张三", "mobile": "13800000000", "level": 1,
        "points": 0, "balance": "1.50"});
    let rows = json!({"rows": [row, {"member_no": "M2"}]});
    assert_eq!(post("exports", export.clone()).await, 202);
    // The key is taken: an error of the store that no client sees.
    assert_eq!(post("exports", export).await, 202);
    assert_eq!(post("datasets/member/rows", rows).await, 200);
    assert_eq!(post("exports", json!({})).await, 400);
    let grant = json!({"biz_type": "coupon_grant", "biz_id": "1", "context": {}});
    let twice = json!({"items": [grant.clone(), grant]});
    assert_eq!(post("compensations", twice).await, 202);
    let stream = client.get(format!("http://{public}/api/v1/tasks/events"));
    let stream = stream.bearer_auth(manager()).send().await.unwrap();
    assert_eq!(stream.status(), 200);

    let metrics = client.get(format!("http://{admin}/metrics"));
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    let named = |kind: &str| -> BTreeSet<&str> {
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(kind));
        lines.filter_map(|line| line.split(' ').next()).collect()
    };
    let (typed, helped) = (named("# TYPE "), named("# HELP "));
    for name in DOCUMENTED {
        assert!(typed.contains(name), "{name} is missing: {metrics}");
    }
    let ours = [
        "quayside_http_",
        "quayside_store_",
        "quayside_import_",
        "quayside_event_",
    ];
    for name in typed {
        let is_ours = ours.iter().any(|ours| name.starts_with(ours));
        assert!(!is_ours || helped.contains(name), "{name} has no HELP");
        assert!(
            !is_ours || DOCUMENTED.contains(&name),
            "{name} is not documented"
        );
    }
    for line in [
        r#"quayside_import_rows_total{dataset="member",outcome="inserted"} 1"#,
        r#"quayside_import_rows_total{dataset="member",outcome="failed"} 1"#,
        r#"quayside_import_row_errors_total{dataset="member",code="required"} 5"#,
        r#"quayside_store_retries_total{op="submit_export"} 1"#,
        r#"quayside_store_errors_total{op="submit_export",error="duplicate"} 1"#,
        r#"quayside_http_problems_total{code="invalid_request"} 1"#,
        r#"quayside_compensations_submitted_total{biz_type="coupon_grant",outcome="accepted"} 1"#,
        r#"quayside_compensations_submitted_total{biz_type="coupon_grant",outcome="duplicate"} 1"#,
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    drop(stream);
}
