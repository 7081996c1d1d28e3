//! A disk that takes no more.
//!
//! A disk that is full cannot be had without the rights of an administrator. This one takes no more
//! for another reason: a limit on the size of files, which counts for the worker alone. It is met at
//! the same place as a full disk, in the middle of a write, with another number (EFBIG).

use std::path::PathBuf;

use domain::TaskStatus;
use serde_json::json;
use testkit::eventually;

use crate::house::House;
use crate::workbook::members;

const MANY: u32 = 50_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_does_not_fit_on_the_disk_is_tried_again_and_nothing_is_left_of_it() {
    let house = House::build().await;
    let content = members(MANY, |_, _| {});
    assert!(content.len() > 1 << 20, "it goes beyond the limit");
    let task = house
        .import_members(content, json!({"batch_size": 1_000}))
        .await;
    let full = house.process_on_a_full_disk();
    let sql = "SELECT last_failed_reason FROM compensate_biz WHERE cnt > 0";
    let why = eventually("an attempt to have failed", async || {
        house.database.query::<String>(sql).await.pop()
    })
    .await;
    assert!(why.contains("File too large"), "{why}");
    let stands = house.task(task).await;
    assert!(!stands.status.is_final(), "{stands:?}");
    assert_eq!(stands.error, None, "it is no matter of the user's");
    full.signal("KILL");
    for place in [house.path("temp"), house.path("storage/acme/tasks")] {
        let left = std::fs::read_dir(place).into_iter().flatten();
        let left: Vec<PathBuf> = left.map(|entry| entry.expect("an entry").path()).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
    }

    let room = house.process();
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.done_rows, u64::from(MANY));
    assert_eq!(house.rows("member").await, u64::from(MANY));
    drop(room);
}
