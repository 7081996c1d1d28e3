//! Memory does not grow with rows, but for the keys.

use domain::TaskStatus;
use serde_json::json;

use crate::house::House;
use crate::workbook::{members, number, text};

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

/// As many rows as go in all at once, and what a worker may take for them if each of them has two
/// faults (docs/OPERATIONS.md). Measured: 387 MiB.
const AT_ONCE: u32 = 100_000;
const MOST_BYTES_AT_ONCE: u64 = 512 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_of_100_000_rows_that_are_all_bad_takes_a_worker_no_more_than_512_mib() {
    let house = House::build().await;
    let worker = house.process();
    let content = members(AT_ONCE, |_, row| {
        row[2] = text("13800x");
        row[4] = number(9);
    });
    let task = house
        .import_members(content, json!({"on_error": "abort"}))
        .await;
    let failed = house.until(task, TaskStatus::Failed).await;
    assert_eq!(failed.error.expect("an error").code, "aborted");
    assert_eq!(failed.progress.failed_rows, u64::from(AT_ONCE));
    assert_eq!(house.rows("member").await, 0);
    let peak = worker.peak_bytes();
    assert!(peak <= MOST_BYTES_AT_ONCE, "{} MiB", peak >> 20);
}
