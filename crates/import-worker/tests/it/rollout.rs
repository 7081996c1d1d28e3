//! While a definition is rolled out: the gateway knows a dataset that a worker does not know yet.
//! That is no fault of the user's.

use std::sync::Arc;

use domain::{Action, Catalog, TaskId, TaskStatus};
use serde_json::json;
use testkit::eventually;

use crate::house::{House, batches, imports};
use crate::workbook::members;

const ROWS: u32 = 600;
/// What is at work next is found at once.
const AT_ONCE: &str = "UPDATE compensate_biz SET announced = 1";

/// Why attempts at a task's rows failed, so far.
async fn reason(house: &House, task: TaskId) -> Option<String> {
    let sql = format!(
        "SELECT last_failed_reason FROM compensate_biz WHERE cnt > 0 AND task_id = {task} LIMIT 1"
    );
    house.database.query::<String>(&sql).await.pop()
}

/// Waits for a failed attempt, which says what an operator has to do and the user nothing.
async fn failed_quietly(house: &House, task: TaskId) {
    let why = eventually("an attempt to have failed", async || {
        reason(house, task).await
    });
    let why = why.await;
    assert!(why.contains("no definition of dataset member"), "{why}");
    let stands = house.task(task).await;
    assert!(!stands.status.is_final(), "{stands:?}");
    assert_eq!(stands.error, None);
}

fn swap(house: &mut House, catalog: &Arc<Catalog>) -> Arc<Catalog> {
    std::mem::replace(&mut house.catalog, catalog.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_one_worker_does_not_know_yet_is_imported_by_another_that_does() {
    let mut house = House::build().await;
    let old = house.without("member");
    let task = house
        .import_members(members(ROWS, |_, _| ()), json!({}))
        .await;
    let often = "UPDATE compensate_biz SET max_cnt = 1000";
    house.database.execute(often).await;

    let new = swap(&mut house, &old);
    let worker = house.work();
    failed_quietly(&house, task).await;
    worker.stop().await;

    swap(&mut house, &new);
    let worker = house.work_on(&[imports()]);
    eventually("the batches", async || {
        let phase = house.task(task).await.progress.phase;
        (phase.as_deref() == Some("importing")).then_some(())
    })
    .await;
    worker.stop().await;
    let again = "UPDATE compensate_biz SET announced = 1, max_cnt = 1000, cnt = 0";
    house.database.execute(again).await;

    swap(&mut house, &old);
    let worker = house.work_on(&[batches()]);
    failed_quietly(&house, task).await;
    worker.stop().await;

    swap(&mut house, &new);
    house.database.execute(AT_ONCE).await;
    let worker = house.work();
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.done_rows, u64::from(ROWS));
    assert_eq!(house.rows("member").await, u64::from(ROWS));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_no_worker_knows_is_a_dead_letter_and_its_import_can_be_tried_again() {
    let mut house = House::build().await;
    let task = house
        .import_members(members(ROWS, |_, _| ()), json!({}))
        .await;
    let soon = "UPDATE compensate_biz SET max_cnt = 1";
    house.database.execute(soon).await;
    let old = house.without("member");
    let new = swap(&mut house, &old);
    let worker = house.work();
    let failed = house.until(task, TaskStatus::Failed).await;
    worker.stop().await;
    assert_eq!(failed.error.as_ref().expect("an error").code, "internal");
    assert!(failed.allowed_actions().contains(&Action::Retry));
    let dead: u64 = house.database.one("SELECT COUNT(*) FROM dead_letter").await;
    assert_eq!(dead, 1, "an operator is told");

    swap(&mut house, &new);
    house.retry(task).await;
    let worker = house.work();
    house.until(task, TaskStatus::Success).await;
    assert_eq!(house.rows("member").await, u64::from(ROWS));
    worker.stop().await;
}
