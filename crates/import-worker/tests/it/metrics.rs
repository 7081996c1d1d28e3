//! What the worker tells of itself.

use std::collections::BTreeMap;

use domain::{TaskId, TaskStatus};
use mysql_async::prelude::Queryable;
use serde_json::json;
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::club::club_rows;
use crate::house::{House, Import, batches, imports};
use crate::moments::has_been_read;
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
    let first = Import::members(members(1_200, |_, _| ()), json!({}));
    let first = split_alone(&house, first).await;
    let torn = house.stored_for(first);
    let torn = torn.iter().find(|path| path.ends_with("b000002"));
    std::fs::write(torn.expect("a batch"), "torn").expect("written");
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
    for name in [
        "batches_open",
        "batches_dead",
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

/// Has an import split, by nobody who applies batches.
async fn split_alone(house: &House, import: Import<'_>) -> TaskId {
    let splitting = house.work_on(&[imports()]);
    let task = house.import(import).await;
    eventually("the batches", async || {
        has_been_read(&house.task(task).await).then_some(())
    })
    .await;
    splitting.stop().await;
    let at_once = "UPDATE compensate_biz SET announced = 1";
    house.database.execute(at_once).await;
    task
}

/// Files and batches of two datasets, one batch given up by the sweeper, while nobody may take any.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_late_and_dead_is_told_by_dataset() {
    let house = House::build().await;
    let member = Import::members(members(1_200, |_, _| ()), json!({}));
    let member = split_alone(&house, member).await;
    let club = workbook(club_rows(vec![vec![text("a")]]));
    let club = split_alone(&house, Import::club(club, json!({}))).await;
    let operator = house.actor();
    for lane in [imports(), batches()] {
        let paused = house.store.pause_lane(&lane, &operator, "a test").await;
        paused.expect("paused");
    }
    for _ in 0..2 {
        house.import_members(members(5, |_, _| ()), json!({})).await;
    }
    for sql in [
        "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR \
         WHERE wake_at IS NOT NULL"
            .to_owned(),
        format!(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR \
             WHERE task_id = {member} AND biz_id LIKE '%/1'"
        ),
        format!(
            "UPDATE compensate_biz SET status = 'PROCESSING', lease_owner = 'gone', \
             lease_epoch = 1, cnt = max_cnt, wake_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND \
             WHERE task_id = {member} AND biz_id LIKE '%/2'"
        ),
    ] {
        house.database.execute(&sql).await;
    }
    let swept = house.store.sweep(&batches(), 10).await.expect("swept");
    assert_eq!(swept.len(), 1);

    let worker = house.process();
    let address = admin_of(&house).await;
    let of = |gauge, dataset| format!("{gauge}{{dataset=\"{dataset}\"}}");
    until_told(&address, &of("batches_dead", "member"), 1.0).await;
    let told = series(&rendered(&address).await);
    for (gauge, of_member, of_club) in [
        ("batches_open", 2.0, 1.0),
        ("batches_dead", 1.0, 0.0),
        ("files_open", 2.0, 0.0),
    ] {
        for (dataset, expected) in [("member", of_member), ("club", of_club), ("user", 0.0)] {
            let name = format!("quayside_import_{}", of(gauge, dataset));
            assert_eq!(told.get(&name), Some(&expected), "{name} in {told:#?}");
        }
    }
    let oldest = |dataset| told[&format!("quayside_import_{}", of("oldest_row_seconds", dataset))];
    assert!((3_600.0..7_200.0).contains(&oldest("member")), "{told:#?}");
    assert_eq!(oldest("club"), 0.0, "it is not due");
    assert!(!house.task(club).await.status.is_final());
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_changed_meanwhile_are_counted_as_conflicts_of_their_dataset() {
    let house = House::build().await;
    house
        .database
        .execute(
            "INSERT INTO club (tenant, code, revision) VALUES ('acme', 'a', 7), ('acme', 'b', 7), \
             ('acme', 'c', 7)",
        )
        .await;
    let worker = house.process();
    let address = admin_of(&house).await;
    let mut rows = club_rows(vec![]);
    rows[0].push(text("Revision"));
    rows.extend(
        [("a", 6), ("b", 7), ("c", 6)]
            .map(|(code, revision)| vec![text(code), text(code), number(1), number(revision)]),
    );
    let update = json!({"mode": "update"});
    let task = house.import(Import::club(workbook(rows), update)).await;
    house.until(task, TaskStatus::PartialSuccess).await;
    let errors = house.row_errors(task).await;
    let errors: Vec<(u32, &str, Option<&str>)> = errors
        .iter()
        .map(|error| (error.row, error.code.as_str(), error.column.as_deref()))
        .collect();
    let conflict = |row| (row, "conflict_changed", Some("D"));
    assert_eq!(errors, [conflict(2), conflict(4)]);
    let conflicts = "row_errors_total{dataset=\"club\",code=\"conflict_changed\"}";
    assert_eq!(until_told(&address, conflicts, 1.0).await, 2.0);
    drop(worker);
}

/// Somebody has a lock that a batch waits for, and then waits for one of the batch's. The batch has
/// written less, so the server takes it back.
#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_are_counted_by_dataset_and_the_batch_goes_in_afterwards() {
    let house = House::build().await;
    let mut other = house.database.plain_connection().await;
    let add = |number: &str| {
        format!(
            "INSERT INTO member (tenant, member_no, name, mobile, level, points, balance) \
             VALUES ('acme', '{number}', 'x', '1', 1, 1, 1)"
        )
    };
    other.query_drop("BEGIN").await.expect("begun");
    for n in 0..100 {
        let heavy = add(&format!("other{n}"));
        other.query_drop(heavy).await.expect("added");
    }
    other.query_drop(add("M0000004")).await.expect("added");

    let worker = house.process();
    let address = admin_of(&house).await;
    let task = house.import_members(members(5, |_, _| ()), json!({})).await;
    let name = house.database.url().rsplit('/').next().expect("a name");
    let waiting = format!(
        "SELECT COUNT(*) FROM performance_schema.data_lock_waits w \
         JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID \
         WHERE l.OBJECT_SCHEMA = '{name}' AND l.OBJECT_NAME = 'member'"
    );
    eventually("the batch to wait", async || {
        (house.database.one::<u64>(&waiting).await > 0).then_some(())
    })
    .await;
    other.query_drop(add("M0000000")).await.expect("it wins");
    let events = |event| format!("batches_total{{dataset=\"member\",event=\"{event}\"}}");
    until_told(&address, &events("deadlocked"), 1.0).await;
    other.query_drop("ROLLBACK").await.expect("given up");
    house.until(task, TaskStatus::Success).await;
    assert_eq!(house.rows("member").await, 5);
    until_told(&address, &events("done"), 1.0).await;
    let repeated = until_told(&address, &events("repeated"), 1.0).await;
    let deadlocked = until_told(&address, &events("deadlocked"), 1.0).await;
    assert!(repeated >= deadlocked, "{repeated} and {deadlocked}");
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_repeated_and_batches_that_are_retried_are_counted() {
    let house = House::build().await;
    // judged by a definition that the worker has another version of: tried again until it has it
    let judged = workbook(club_rows(vec![vec![text("a")]]));
    let waiting = split_alone(&house, Import::club(judged, json!({}))).await;
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
    let deadlocked = events("member", "deadlocked");
    assert!(
        !told.contains_key(&format!("quayside_import_{deadlocked}")),
        "it only waited"
    );
    assert!(!house.task(waiting).await.status.is_final());
    drop(worker);
}
