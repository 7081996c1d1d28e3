//! Memory does not grow with rows, but for the keys.

use domain::TaskStatus;
use serde_json::json;

use crate::house::House;
use crate::workbook::members;

/// Rows of which a bound that grew with them would show.
const MANY: u32 = 300_000;
/// What a worker may take (the figure for a million rows), in bytes.
const MOST_BYTES: u64 = 160 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_import_takes_a_worker_no_more_than_160_mib() {
    let house = House::build().await;
    let worker = house.process();
    let task = house
        .import_members(members(MANY, |_, _| ()), json!({}))
        .await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.done_rows, u64::from(MANY));
    assert_eq!(house.rows("member").await, u64::from(MANY));
    let peak = worker.peak_bytes();
    assert!(peak <= MOST_BYTES, "{} MiB", peak >> 20);
    let batches: u64 = house
        .database
        .one("SELECT COUNT(*) FROM import_batch")
        .await;
    assert!(batches < 150, "{batches} batches");
}
