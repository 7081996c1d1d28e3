//! The worker as a process.

use std::path::PathBuf;

use domain::TaskStatus;
use serde_json::json;
use testkit::eventually;

use crate::held::HeldKills;
use crate::house::House;

/// Rows that take a worker some seconds, compressed as hard as can be.
const MANY: u64 = 500_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_mid_export_leads_to_one_success_with_one_visible_file() {
    let house = House::build().await;
    house.fill(MANY).await;
    let first = house.process(house.shipped_datasets());
    let task = house.submit(&json!({"dataset": "employee"})).await;
    house.until_in_the_middle(task).await;
    first.signal("KILL");
    let second = house.process(house.shipped_datasets());
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.files.len(), 1, "{done:?}");
    assert_eq!(done.files[0].rows, MANY);
    let epochs = "SELECT lease_epoch FROM compensate_biz";
    assert!(
        house.database.one::<u64>(epochs).await >= 3,
        "claimed, rescued, claimed again"
    );
    let path = house.path("storage").join(&done.files[0].object_key);
    assert_eq!(
        house.stored(),
        [path],
        "the next attempt removes what the killed one left"
    );
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_stopped_past_its_lease_and_woken_publishes_nothing() {
    let house = House::build().await;
    house.fill(MANY).await;
    let stale = house.process(house.shipped_datasets());
    let task = house.submit(&json!({"dataset": "employee"})).await;
    house.until_in_the_middle(task).await;
    stale.signal("STOP");
    let fresh = house.process(house.shipped_datasets());
    let done = house.until(task, TaskStatus::Success).await;
    stale.signal("CONT");

    // It finds out, stops its work and removes what it had written.
    eventually(
        "the stale worker to leave one file in storage",
        async || (house.stored().len() == 1).then_some(()),
    )
    .await;
    let now = house.task(task).await;
    assert_eq!(
        (now.version, now.files.len()),
        (done.version, 1),
        "nothing was written since"
    );
    let path = house.path("storage").join(&now.files[0].object_key);
    assert_eq!(
        house.stored(),
        [path],
        "the file that is visible is the one that is left"
    );
    drop(fresh);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_leave_in_mid_export_hands_it_back_and_ends_well() {
    let house = House::build().await;
    house.fill(MANY).await;
    // Too short for so many rows.
    let mut first = house.process_at(house.database.url(), house.shipped_datasets(), 1);
    let task = house.submit(&json!({"dataset": "employee"})).await;
    house.until_in_the_middle(task).await;
    first.signal("TERM");
    let status = eventually("the worker to leave", async || {
        first.0.try_wait().expect("a child")
    });
    assert_eq!(status.await.code(), Some(0));
    let handed_back = house.task(task).await;
    assert_eq!(
        (handed_back.status, handed_back.retry_count),
        (TaskStatus::Pending, 0)
    );
    assert_eq!(house.stored(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_it_drains_leads_to_one_success_with_one_visible_file() {
    let house = House::build().await;
    house.fill(MANY).await;
    // More time to finish than the export takes.
    let mut first = house.process_at(house.database.url(), house.shipped_datasets(), 60);
    let task = house.submit(&json!({"dataset": "employee"})).await;
    house.until_in_the_middle(task).await;
    first.signal("TERM");
    house.until_logged("shutting down").await;
    let (before, left) = (house.task(task).await, first.0.try_wait());
    assert_eq!(before.status, TaskStatus::Processing, "it lets it finish");
    assert!(matches!(left, Ok(None)), "it has not left: {left:?}");
    first.signal("KILL");
    let second = house.process(house.shipped_datasets());
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!((done.files.len(), done.retry_count), (1, 1), "{done:?}");
    assert_eq!(done.files[0].rows, MANY);
    let path = house.path("storage").join(&done.files[0].object_key);
    assert_eq!(house.stored(), [path]);
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_left_has_no_query_running_at_the_server() {
    let house = House::build().await;
    house.fill(50_000).await;
    let proxy = HeldKills::before(house.database.url()).await;
    let mut worker = house.process_at(proxy.url(), house.shipped_datasets(), 8);
    // One that works has compared the definitions with their tables.
    let first = house.submit(&json!({"dataset": "user"})).await;
    house.until(first, TaskStatus::Success).await;
    // A sort sends nothing until it has read all rows, 2 ms each: the server does not notice that
    // its client has gone.
    for sql in [
        "RENAME TABLE employee TO staff",
        "CREATE VIEW employee AS SELECT id, tenant, deleted_at, IF(SLEEP(0.002), '', name) AS name \
         FROM staff",
    ] {
        house.database.execute(sql).await;
    }
    let request = json!({"dataset": "employee", "columns": ["name"], "sort": ["-name"]});
    let task = house.submit(&request).await;
    let sorting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
                   WHERE DB = DATABASE() AND INFO LIKE '%FROM `employee`%ORDER BY%' \
                   AND ID <> CONNECTION_ID()";
    // For a second: the statement is seen while it is prepared, too, and then nothing is left of it.
    let for_a_second = format!("{sorting} AND COMMAND = 'Execute' AND TIME >= 1");
    eventually("the sort to begin", async || {
        (house.database.one::<u64>(&for_a_second).await > 0).then_some(())
    })
    .await;
    worker.signal("TERM");
    house
        .until_logged("waiting for the row streams to end")
        .await;
    assert_eq!(house.task(task).await.status, TaskStatus::Pending);
    proxy.release();
    let status = eventually("the worker to leave", async || {
        worker.0.try_wait().expect("a child")
    });
    assert_eq!(status.await.code(), Some(0));
    // The server has the KILL; the query ends at its next row.
    eventually("the query to be gone", async || {
        (house.database.one::<u64>(sorting).await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_does_not_fit_its_table_stops_the_process() {
    let house = House::build().await;
    let datasets: PathBuf = house.path("datasets");
    std::fs::create_dir(&datasets).expect("made");
    let shipped = house.shipped_datasets().join("member.toml");
    let text = std::fs::read_to_string(shipped).expect("a definition");
    let wrong = text
        .replace("name = \"points\"", "name = \"pointz\"")
        .replace("\"points\"", "\"pointz\"");
    std::fs::write(datasets.join("member.toml"), wrong).expect("written");
    let mut worker = house.process(&datasets);
    let status = eventually("the process to end", async || {
        worker.0.try_wait().expect("a child")
    })
    .await;
    assert_eq!(status.code(), Some(1));
    let told = std::fs::read_to_string(house.path("worker.log")).expect("a log");
    assert!(
        told.contains("member.toml:21: `member` has no column `pointz`"),
        "{told}"
    );
}
