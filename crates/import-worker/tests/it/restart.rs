//! The database itself dies in the middle of an import and comes back.

use domain::TaskStatus;
use serde_json::json;
use testkit::{OwnMysql, TestDatabase};

use crate::house::House;
use crate::workbook::{members, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_and_started_again_holds_every_valid_row_exactly_once() {
    let server = OwnMysql::start();
    let database = TestDatabase::with_examples_at(&server.url()).await;
    let house = House::build_on(database).await;
    let worker = house.process();
    let content = members(30_000, |n, row| {
        if n % 1_000 == 7 {
            row[2] = text("13800x");
        }
    });
    let task = house
        .import_members(content, json!({"batch_size": 250}))
        .await;
    for _ in 0..2 {
        house.until_in_the_middle(task).await;
        server.kill().await;
        server.start_again();
    }
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!(
        (done.progress.done_rows, done.progress.failed_rows),
        (29_970, 30)
    );
    assert_eq!(house.rows("member").await, 29_970);
    let keys = "SELECT COUNT(DISTINCT member_no) FROM member";
    assert_eq!(house.database.one::<u64>(keys).await, 29_970);
    let batches: u64 = house
        .database
        .one("SELECT COUNT(*) FROM import_batch")
        .await;
    assert_eq!(batches, 120);
    drop(worker);
}
