//! What an export leaves behind, whichever way it ends.

use std::time::Duration;

use calamine::{Data, Reader, Xlsx, open_workbook};
use domain::{Task, TaskStatus};
use serde_json::json;
use sha2::{Digest, Sha256};
use testkit::{eventually, eventually_within};

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn an_export_becomes_one_file_that_says_what_the_rows_say() {
    let house = House::build().await;
    house
        .database
        .execute(
            "INSERT INTO member (tenant, member_no, name, mobile, level, points, balance, birthday, \
             created_at, remark) VALUES \
             ('acme', '0007', '赵伟', '13800000000', 1, 5, 12.5, '1990-01-31', '2026-01-31 16:00:00', '=1+1'), \
             ('acme', '0008', 'Bob', '139', 2, 0, 0, '1899-12-31', NULL, NULL), \
             ('other', '0009', 'Eve', '139', 2, 0, 0, NULL, NULL, NULL)",
        )
        .await;
    let worker = house.work();
    let task = house
        .submit(&json!({"dataset": "member", "sort": ["-member_no"]}))
        .await;
    let done = house.until(task, TaskStatus::Success).await;

    let [file] = &done.files[..] else {
        panic!("one file: {done:?}")
    };
    assert_eq!(file.name, "会员_20260102_030405.xlsx");
    assert_eq!(file.rows, 2);
    assert_eq!(
        (done.progress.total_rows, done.progress.done_rows),
        (Some(2), 2)
    );
    let warnings: Vec<(&str, u64)> = done
        .warnings
        .iter()
        .map(|it| (it.code.as_str(), it.count))
        .collect();
    assert_eq!(warnings, [("date_as_text", 1)]);

    let stored = house.stored();
    let [path] = &stored[..] else {
        panic!("one file: {stored:?}")
    };
    let bytes = std::fs::read(path).expect("the file");
    assert_eq!(file.size, bytes.len() as u64);
    let sha256 = hex::encode(Sha256::digest(&bytes));
    assert_eq!(file.sha256, sha256);
    assert!(
        path.ends_with(format!("acme/tasks/{task}/e1/1.xlsx")),
        "{path:?}"
    );

    let mut workbook: Xlsx<_> = open_workbook(path).expect("a workbook");
    assert_eq!(workbook.sheet_names(), ["会员"]);
    let range = workbook
        .worksheet_range_at(0)
        .expect("a sheet")
        .expect("cells");
    let text = |row, column| range.get_value((row, column)).map(ToString::to_string);
    assert_eq!(text(0, 1).as_deref(), Some("会员号"));
    assert_eq!(
        (text(1, 1).as_deref(), text(2, 1).as_deref()),
        (Some("0008"), Some("0007"))
    );
    assert_eq!(text(2, 10).as_deref(), Some("=1+1"));
    assert_eq!(text(1, 8).as_deref(), Some("1899-12-31"));
    let Some(Data::DateTime(created)) = range.get_value((2, 9)) else {
        panic!("no date")
    };
    assert!(
        (created.as_f64() - 46_054.0).abs() < 1e-9,
        "midnight of 1 February in Shanghai"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_at_all_are_a_file_with_its_header() {
    let house = House::build().await;
    let worker = house.work();
    let task = house.submit(&json!({"dataset": "user"})).await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.files[0].rows, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_export_ends_its_query_and_leaves_nothing() {
    let house = House::build().await;
    house.fill(50_000).await;
    let worker = house.work();
    let task = house.submit(&json!({"dataset": "slow"})).await;
    house.until_in_the_middle(task).await;
    house
        .store
        .cancel_task(&house.caller(), task)
        .await
        .expect("cancelled");
    let running = "SELECT COUNT(*) FROM performance_schema.processlist \
                   WHERE DB = DATABASE() AND INFO LIKE '%FROM `slow`%' AND ID <> CONNECTION_ID()";
    eventually_within(Duration::from_secs(8), "the query has ended", async || {
        (house.database.one::<u64>(running).await == 0).then_some(())
    })
    .await;
    worker.stop().await;
    let ended = house.task(task).await;
    assert_eq!(
        (ended.status, ended.files.len()),
        (TaskStatus::Cancelled, 0)
    );
    assert_eq!(house.stored(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_must_go_hands_its_export_back_and_another_finishes_it() {
    let house = House::build().await;
    house.fill(3_000).await;
    let first = house.work();
    let task = house.submit(&json!({"dataset": "slow"})).await;
    house.until_in_the_middle(task).await;
    first.stop().await;
    assert_eq!(house.stored(), Vec::<std::path::PathBuf>::new());
    // what was handed back is rung by the relay, which does not run here
    house
        .database
        .execute("UPDATE compensate_biz SET announced = 1")
        .await;
    let second = house.work();
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(
        (done.files.len(), done.files[0].rows, done.retry_count),
        (1, 3_000, 0)
    );
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_done_fails_with_its_code_and_a_sentence() {
    let house = House::build().await;
    let worker = house.work();
    let spec = json!({"dataset": "gone", "dataset_version": "1", "columns": ["a"], "conditions": [],
        "sort": [], "format": "xlsx", "locale": "zh-CN", "timezone": "UTC", "queue": "default",
        "options": {}, "file_name": "x.xlsx"});
    let mut lost = spec.clone();
    lost["dataset"] = json!("member");
    for (context, code) in [
        (spec.to_string(), "dataset_not_found"),
        (lost.to_string(), "unknown_column"),
        ("{}".to_owned(), "invalid_request"),
    ] {
        let task = house.submit_context(context, "x.xlsx").await;
        let failed = house.until(task, TaskStatus::Failed).await;
        let error = failed.error.expect("an error");
        assert_eq!(error.code, code);
        assert!(!error.message.is_empty());
    }
    assert_eq!(house.stored(), Vec::<std::path::PathBuf>::new());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_is_away_is_tried_again() {
    let house = House::build().await;
    // a file where the tenant's directory belongs
    let in_the_way = house.path("storage").join("acme");
    std::fs::write(&in_the_way, "").expect("written");
    let worker = house.work();
    let task = house.submit(&json!({"dataset": "user"})).await;
    let reason = "SELECT COALESCE(MAX(last_failed_reason), '') FROM compensate_biz WHERE cnt > 0";
    let told = eventually("the first failure", async || {
        Some(house.database.one::<String>(reason).await).filter(|reason| !reason.is_empty())
    })
    .await;
    assert!(told.contains("storage_unavailable"), "{told}");
    std::fs::remove_file(in_the_way).expect("removed");
    house
        .database
        .execute("UPDATE compensate_biz SET announced = 1 WHERE status = 'WAIT_HANDLE'")
        .await;
    house.until(task, TaskStatus::Success).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_cancelled_at_any_moment_leaves_no_file() {
    let house = House::build().await;
    house.fill(2_500).await;
    let worker = house.work();
    // moments: before anybody works on it, when somebody does, after one, two and all chunks
    let moments: [fn(&Task) -> bool; 5] = [
        |_| true,
        |task| task.status == TaskStatus::Processing,
        |task| task.progress.done_rows > 0,
        |task| task.progress.done_rows > 1_024,
        |task| task.progress.phase.as_deref() == Some("storing") || task.status.is_final(),
    ];
    let cancelled = moments.map(async |moment| {
        let task = house.submit(&json!({"dataset": "slow"})).await;
        let reached = eventually_within(Duration::from_secs(60), "the moment", async || {
            let task = house.task(task).await;
            moment(&task).then_some(task)
        })
        .await;
        // the last moment may be too late, which is as good
        drop(house.store.cancel_task(&house.caller(), reached.id).await);
        task
    });
    let tasks = futures::future::join_all(cancelled).await;
    let mut expected = Vec::new();
    for id in tasks {
        let ended = eventually("the end", async || {
            let task = house.task(id).await;
            task.status.is_final().then_some(task)
        })
        .await;
        match ended.status {
            TaskStatus::Success => {
                let [file] = &ended.files[..] else {
                    panic!("one file: {ended:?}")
                };
                expected.push(house.path("storage").join(&file.object_key));
            }
            _ => assert_eq!(
                (ended.status, ended.files.len()),
                (TaskStatus::Cancelled, 0)
            ),
        }
    }
    worker.stop().await;
    expected.sort();
    let mut stored = house.stored();
    stored.sort();
    assert_eq!(stored, expected);
}
