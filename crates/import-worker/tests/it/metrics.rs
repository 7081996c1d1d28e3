//! What the worker tells of itself.

use std::collections::BTreeMap;

use domain::TaskStatus;
use mysql_async::prelude::Queryable;
use serde_json::json;
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::club::club_rows;
use crate::house::{House, Import, imports};
use crate::workbook::{members, number, text, workbook};

/// What stands behind the name and the labels of a series.
type Metrics = BTreeMap<String, f64>;

/// The address of the worker's admin port, as its log tells it.
async fn admin_of(house: &House) -> String {
    eventually("the admin port", async || {
        let log = std::fs::read_to_string(house.path("worker.log")).ok()?;
        let line = log
            .lines()
            .find(|line| line.contains("admin port is open"))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let found = line.to_string();
        let from = found.find("127.0.0.1:")?;
        let rest = &found[from..];
        let end = rest.find(|it: char| it != '.' && it != ':' && !it.is_ascii_digit());
        Some(rest[..end?].to_owned())
    })
    .await
}

async fn rendered(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = b"GET /metrics HTTP/1.0\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

fn series(rendered: &str) -> Metrics {
    let lines = rendered
        .lines()
        .filter(|line| line.starts_with("quayside_import_"));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_rows_and_faults_are_counted_by_dataset() {
    let house = House::build().await;
    // three batches, of which one cannot be read
    let splitting = house.work_on(&[imports()]);
    let first = house
        .import_members(members(1_200, |_, _| ()), json!({}))
        .await;
    eventually("the batches", async || {
        let phase = house.task(first).await.progress.phase;
        (phase.as_deref() == Some("importing")).then_some(())
    })
    .await;
    splitting.stop().await;
    let torn = house.stored_for(first);
    let torn = torn.iter().find(|path| path.ends_with("b000002"));
    std::fs::write(torn.expect("a batch"), "torn").expect("written");
    let at_once = "UPDATE compensate_biz SET announced = 1";
    house.database.execute(at_once).await;

    let worker = house.process();
    let address = admin_of(&house).await;
    house.until(first, TaskStatus::PartialSuccess).await;
    let content = members(800, |n, row| match n {
        0..5 => row[2] = text("13800x"),
        // its key is there already
        5 => {}
        6 => row[4] = number(9),
        n => row[0] = text(format!("N{n}")),
    });
    let second = house.import_members(content, json!({})).await;
    house.until(second, TaskStatus::PartialSuccess).await;
    let checked = members(10, |_, _| ());
    let checked = house
        .import_members(checked, json!({"validate_only": true}))
        .await;
    house.until(checked, TaskStatus::Success).await;
    let refused = house
        .import_members(b"PK\x03\x04".to_vec(), json!({}))
        .await;
    house.until(refused, TaskStatus::Failed).await;

    let rendered = eventually("all effects to be let go", async || {
        let rendered = rendered(&address).await;
        let all = "quayside_import_rows_total{dataset=\"member\",outcome=\"validated\"} 10";
        rendered.contains(all).then_some(rendered)
    })
    .await;
    let told = series(&rendered);
    let batches = |event: &str| {
        let name = format!("quayside_import_batches_total{{dataset=\"member\",event=\"{event}\"}}");
        told.get(&name).copied()
    };
    // the first import was split elsewhere
    assert_eq!(batches("born"), Some(3.0), "{told:#?}");
    assert_eq!(batches("done"), Some(5.0), "{told:#?}");
    assert_eq!(batches("dead"), Some(1.0), "{told:#?}");
    assert_eq!(batches("begun"), Some(6.0), "{told:#?}");
    let expected = [
        ("rows_total", "outcome", "inserted", 700.0 + 793.0),
        ("rows_total", "outcome", "updated", 0.0),
        ("rows_total", "outcome", "validated", 10.0),
        ("rows_total", "outcome", "failed", 7.0),
        ("row_errors_total", "code", "pattern_mismatch", 5.0),
        ("row_errors_total", "code", "duplicate_in_db", 1.0),
        ("row_errors_total", "code", "out_of_range", 1.0),
        ("files_total", "outcome", "split", 2.0),
        ("files_total", "outcome", "refused", 1.0),
        ("files_total", "outcome", "finished", 3.0),
    ];
    for (name, label, value, expected) in expected {
        let name = format!("quayside_import_{name}{{dataset=\"member\",{label}=\"{value}\"}}");
        assert_eq!(told.get(&name), Some(&expected), "{name} in {told:#?}");
    }
    for dataset in ["member", "club"] {
        for gauge in ["batches_open", "files_open", "oldest_row_seconds"] {
            let name = format!("quayside_import_{gauge}{{dataset=\"{dataset}\"}}");
            assert!(told.contains_key(&name), "{told:#?}");
        }
    }
    for name in [
        "batches_open",
        "files_open",
        "oldest_row_seconds",
        "batches_total",
        "rows_total",
        "row_errors_total",
        "files_total",
    ] {
        let help = format!("# HELP quayside_import_{name} ");
        assert!(rendered.contains(&help), "{name}");
    }
    drop(worker);
}

/// What stands in a series of this dataset when it comes to `least`.
async fn until_told(address: &str, series_of: &str, least: f64) -> f64 {
    let name = format!("quayside_import_{series_of}");
    eventually(&format!("{name} to come to {least}"), async || {
        let told = series(&rendered(address).await);
        told.get(&name).copied().filter(|value| *value >= least)
    })
    .await
}

/// Has the only import under way split, by nobody who applies batches.
async fn split_alone(house: &House, content: Vec<u8>) -> domain::TaskId {
    let splitting = house.work_on(&[imports()]);
    let task = house.import(Import::club(content, json!({}))).await;
    eventually("the batches", async || {
        let phase = house.task(task).await.progress.phase;
        (phase.as_deref() == Some("importing")).then_some(())
    })
    .await;
    splitting.stop().await;
    let at_once = "UPDATE compensate_biz SET announced = 1";
    house.database.execute(at_once).await;
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_repeated_and_batches_that_are_retried_are_counted() {
    let house = House::build().await;
    // judged by a definition that the worker has another version of: tried again until it has it
    let judged = workbook(club_rows(vec![vec![text("a")]]));
    let waiting = split_alone(&house, judged).await;
    let file = house.path("datasets").join("club.toml");
    let definition = std::fs::read_to_string(&file).expect("a definition");
    let changed = definition.replace("max_length = 40", "max_length = 39");
    std::fs::write(&file, changed).expect("written");
    // somebody is about to add a member of the same number: the batch waits longer than it may
    let mut other = house.database.plain_connection().await;
    let adding = "INSERT INTO member (tenant, member_no, name, mobile, level, points, balance) \
                  VALUES ('acme', 'M0000002', 'x', '1', 1, 1, 1)";
    other.query_drop("BEGIN").await.expect("begun");
    other.query_drop(adding).await.expect("added");

    let worker = house.process();
    let address = admin_of(&house).await;
    let locked = house.import_members(members(5, |_, _| ()), json!({})).await;
    let events =
        |dataset, event| format!("batches_total{{dataset=\"{dataset}\",event=\"{event}\"}}");
    until_told(&address, &events("member", "repeated"), 1.0).await;
    other.query_drop("ROLLBACK").await.expect("given up");
    house.until(locked, TaskStatus::Success).await;
    until_told(&address, &events("member", "done"), 1.0).await;
    until_told(&address, &events("club", "retried"), 1.0).await;
    let begun = until_told(&address, &events("club", "begun"), 2.0).await;
    let told = series(&rendered(&address).await);
    let retried = told.get(&format!("quayside_import_{}", events("club", "retried")));
    assert!(
        retried.is_some_and(|retried| *retried >= begun - 1.0),
        "{told:#?}"
    );
    assert!(!told.contains_key(&format!("quayside_import_{}", events("club", "repeated"))));
    assert!(!house.task(waiting).await.status.is_final());
    drop(worker);
}
