//! What an import leaves behind.

use domain::TaskStatus;
use serde_json::json;

use crate::house::House;
use crate::workbook::{members, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_rows() {
    let house = House::build().await;
    let worker = house.work();
    let task = house
        .import_members(members(1_200, |_, _| ()), json!({}))
        .await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(
        (done.progress.total_rows, done.progress.done_rows),
        (Some(1_200), 1_200)
    );
    assert_eq!(house.rows("member").await, 1_200);
    let row: (String, String, u8, u32, String, Option<String>) = house
        .database
        .one(
            "SELECT name, mobile, level, points, CONCAT(balance, '|', birthday), remark \
             FROM member WHERE member_no = 'M0001007'",
        )
        .await;
    let expected = (
        "赵1007",
        "13800001007",
        3,
        7,
        "7.07|1990-01-31",
        Some("第1007位"),
    );
    assert_eq!(
        (&*row.0, &*row.1, row.2, row.3, &*row.4, row.5.as_deref()),
        expected
    );
    let batches: u64 = house
        .database
        .one("SELECT COUNT(*) FROM import_batch")
        .await;
    assert_eq!(batches, 3);
    assert_eq!(house.stored_for(task), Vec::<std::path::PathBuf>::new());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_fail_alone_and_each_is_told() {
    let house = House::build().await;
    let worker = house.work();
    let content = members(1_000, |n, row| {
        if n % 100 == 0 {
            row[2] = text("13800x");
        }
    });
    let task = house.import_members(content, json!({})).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!(
        (done.progress.done_rows, done.progress.failed_rows),
        (990, 10)
    );
    assert_eq!(house.rows("member").await, 990);
    let errors = house.row_errors(task).await;
    let rows: Vec<u32> = errors.iter().map(|error| error.row).collect();
    assert_eq!(rows, (0..10).map(|n| n * 100 + 2).collect::<Vec<_>>());
    assert!(
        errors
            .iter()
            .all(|error| error.code.as_str() == "pattern_mismatch")
    );
    assert_eq!(errors[0].column.as_deref(), Some("C"));
    worker.stop().await;
}
