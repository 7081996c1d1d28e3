//! A worker that is told to leave while it reads an upload.

use domain::TaskStatus;
use serde_json::json;
use testkit::eventually;

use crate::house::House;
use crate::workbook::members;

/// Rows that take a worker some seconds.
const MANY: u32 = 50_000;

/// Nobody scans: what is not rung is not found while the test lasts.
const BY_RING_ALONE: [(&str, &str); 2] = [
    ("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "3600"),
    ("QUAYSIDE__LIFECYCLE__GRACE_SECONDS", "60"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_attempt_bears_is_rung_before_the_process_ends() {
    let house = House::build().await;
    let task = house
        .import_members(members(MANY, |_, _| {}), json!({"batch_size": 1_000}))
        .await;
    let mut first = house.process_with(&BY_RING_ALONE);
    eventually("objects to be written", async || {
        (house.stored_for(task).len() > 5).then_some(())
    })
    .await;
    first.signal("TERM");
    let status = eventually("the worker to leave", async || {
        first.0.try_wait().expect("a child")
    });
    assert_eq!(status.await.code(), Some(0));
    let born = "SELECT COUNT(*), COALESCE(SUM(status = 'WAIT_HANDLE' AND announced), 0) \
                FROM compensate_biz WHERE biz_type = 'IMPORT_BATCH'";
    let born: (u32, u32) = house.database.one(born).await;
    assert_eq!(born, (50, 50), "it read to the end, and began no batch");

    let second = house.process_with(&BY_RING_ALONE);
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.done_rows, u64::from(MANY));
    drop(second);
}
