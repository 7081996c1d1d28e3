//! Imports that a person cancels, whenever it may be.

use domain::{Task, TaskStatus};
use serde_json::json;

use crate::house::House;
use crate::moments::{Moment, Moments, Since};
use crate::workbook::{members, text};

/// Rows of each import, in batches of 100.
const ROWS: u32 = 10_000;
const OBJECTS: usize = 100;

async fn assert_written(house: &House, number: usize, told: &Task) {
    let written = format!("SELECT COUNT(*) FROM member WHERE member_no LIKE 'C{number}-%'");
    let written: u64 = house.database.one(&written).await;
    assert_eq!(told.progress.done_rows, written, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_cancelled_at_random_moments_say_what_was_written() {
    let house = House::build().await;
    let worker = house.work();
    let mut moments = Moments::new();
    // before anybody works on it, while the file is read, while batches are applied
    let mut drawn = vec![Moment::Split(0)];
    drawn.extend(moments.of_split(2, OBJECTS));
    drawn.extend(moments.of_apply(5, u64::from(ROWS) * 3 / 5));
    let mut ended = Vec::new();
    for (number, moment) in drawn.into_iter().enumerate() {
        let content = members(ROWS, |n, row| row[0] = text(format!("C{number}-{n}")));
        let options = json!({"batch_size": 100});
        let task = house.import_members(content, options).await;
        if moment != Moment::Split(0) {
            house.until_moment(task, moment, &Since::default()).await;
            moments.pass(&house, task).await;
        }
        let cancelled = house.store.cancel_task(&house.caller("acme"), task).await;
        cancelled.expect("answered");
        let told = house.task(task).await;
        assert!(told.status.is_final(), "{told:?}");
        assert_written(&house, number, &told).await;
        ended.push(told);
    }
    // with the worker all that was under way when a person cancelled has come to its end
    worker.stop().await;
    for (number, told) in ended.iter().enumerate() {
        assert_written(&house, number, told).await;
        let now = house.task(told.id).await;
        assert_eq!(now.progress, told.progress, "nothing came after the end");
    }
    let mut in_the_midst = ended.iter().filter(|told| {
        told.status == TaskStatus::Cancelled && (1..ROWS.into()).contains(&told.progress.done_rows)
    });
    assert!(in_the_midst.nth(2).is_some(), "three or more: {ended:#?}");
}
