//! A finish that cannot read the upload again, of which the split has taken the rows: no fault of the
//! user's, whatever the file is told to be.

use std::path::PathBuf;

use domain::{Action, FileRole, Task, TaskId, TaskStatus};
use serde_json::{Value as Json, json};
use testkit::eventually;

use crate::house::{House, Import, batches, imports};
use crate::workbook::{Sheet, Value, members, number, text, workbook_of};

const ROWS: u32 = 1_200;
const BAD: u64 = 3;
/// What happens to an upload meanwhile.
type Damage = fn(&mut Vec<u8>);
/// What is at work next is found at once.
const AT_ONCE: &str = "UPDATE compensate_biz SET announced = 1";

/// An import whose batches have been applied, and whose end has not begun.
async fn applied(house: &House, import: Import<'_>) -> TaskId {
    let task = house.import(import).await;
    let splitting = house.work_on(&[imports()]);
    eventually("the batches", async || {
        let phase = house.task(task).await.progress.phase;
        (phase.as_deref() == Some("importing")).then_some(())
    })
    .await;
    splitting.stop().await;
    house.database.execute(AT_ONCE).await;
    let applying = house.work_on(&[batches()]);
    let born = format!(
        "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'IMPORT_FINISH' AND task_id = {task}"
    );
    eventually("the end to be asked for", async || {
        let born: u64 = house.database.one(&born).await;
        (born == 1).then_some(())
    })
    .await;
    applying.stop().await;
    house.database.execute(AT_ONCE).await;
    task
}

async fn applied_members(house: &House) -> TaskId {
    let content = members(ROWS, |n, row| {
        if n % 500 == 3 {
            row[2] = text("13800x");
        }
    });
    applied(house, Import::members(content, json!({}))).await
}

async fn upload_of(house: &House, task: TaskId) -> PathBuf {
    let key =
        format!("SELECT object_key FROM task_file WHERE task_id = {task} AND role = 'UPLOAD'");
    let key: String = house.database.one(&key).await;
    house.path("storage").join(key)
}

fn failure_files(task: &Task) -> usize {
    let files = task.files.iter();
    files.filter(|file| file.role == FileRole::Failures).count()
}

fn assert_told(done: &Task) {
    let told = (done.progress.done_rows, done.progress.failed_rows);
    assert_eq!(told, (u64::from(ROWS) - BAD, BAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_has_gone_costs_the_file_of_failures_and_not_what_is_told_of_them() {
    let house = House::build().await;
    let task = applied_members(&house).await;
    std::fs::remove_file(upload_of(&house, task).await).expect("it was there");
    let worker = house.work();
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    worker.stop().await;
    assert_told(&done);
    assert_eq!(failure_files(&done), 0);
    let errors = house.row_errors(task).await;
    assert_eq!(errors.len() as u64, BAD);
    assert_eq!(house.rows("member").await, u64::from(ROWS) - BAD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_waits_for_a_storage_that_is_away() {
    let house = House::build().await;
    let task = applied_members(&house).await;
    let often = "UPDATE compensate_biz SET max_cnt = 1000";
    house.database.execute(often).await;
    let (storage, away) = (house.path("storage"), house.path("away"));
    std::fs::rename(&storage, &away).expect("moved");
    let worker = house.work();
    let why = "SELECT last_failed_reason FROM compensate_biz \
               WHERE biz_type = 'IMPORT_FINISH' AND cnt > 0";
    let why = eventually("an attempt to have failed", async || {
        house.database.query::<String>(why).await.pop()
    });
    let why = why.await;
    assert!(why.contains("storage is not available"), "{why}");
    assert!(!house.task(task).await.status.is_final());

    std::fs::rename(&away, &storage).expect("moved back");
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    worker.stop().await;
    assert_told(&done);
    assert_eq!(failure_files(&done), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_in_the_uploads_place_is_a_fault_of_ours_and_a_retry_mends_it() {
    let house = House::build().await;
    let damages: [(&str, Damage); 2] = [
        ("internal", |upload| upload.fill(b'x')),
        ("storage_unavailable", |upload| upload.truncate(100)),
    ];
    for (code, damage) in damages {
        house.database.execute("DELETE FROM member").await;
        let task = applied_members(&house).await;
        let path = upload_of(&house, task).await;
        let whole = std::fs::read(&path).expect("the upload");
        let mut other = whole.clone();
        damage(&mut other);
        std::fs::write(&path, other).expect("written");
        let worker = house.work();
        let failed = house.until(task, TaskStatus::Failed).await;
        assert_eq!(failed.error.as_ref().expect("an error").code, code);
        assert!(failed.allowed_actions().contains(&Action::Retry));
        assert_eq!(house.rows("member").await, u64::from(ROWS) - BAD);

        std::fs::write(&path, whole).expect("written");
        house.retry(task).await;
        house.database.execute(AT_ONCE).await;
        let done = house.until(task, TaskStatus::PartialSuccess).await;
        assert_told(&done);
        assert_eq!(failure_files(&done), 1);
        assert_eq!(house.rows("member").await, u64::from(ROWS) - BAD);
        worker.stop().await;
    }
}

/// Clubs of which the second has a covered score, with another text beneath, and a faulty nickname.
async fn applied_clubs(house: &House, merges: &[&str], options: Json) -> TaskId {
    let long = "x".repeat(41);
    let header = ["Code", "Nickname", "Score"].map(text).to_vec();
    let first = vec![text("a"), Value::Blank, number(4)];
    let second = vec![text("b"), text(long), number(77)];
    let mut sheet = Sheet::new("Clubs", vec![header, first, second]);
    sheet.merges = merges.iter().map(|&range| range.to_owned()).collect();
    applied(house, Import::club(workbook_of(&[sheet]), options)).await
}

/// Sets what the split told the finish of merged ranges; what it told.
async fn told_of_merges(house: &House, task: TaskId, instead: Option<bool>) -> Option<bool> {
    let row = format!("biz_type = 'IMPORT_FINISH' AND task_id = {task}");
    let sql = format!("SELECT CAST(context AS CHAR) FROM compensate_biz WHERE {row}");
    let context: String = house.database.one(&sql).await;
    let context: Json = serde_json::from_str(&context).expect("JSON");
    if let Some(instead) = instead {
        let set = format!(
            "UPDATE compensate_biz SET context = JSON_SET(context, '$.merged', {instead}) WHERE {row}"
        );
        house.database.execute(&set).await;
    }
    context["merged"].as_bool()
}

async fn scores_in_failures(house: &House, task: TaskId) -> Vec<String> {
    let done = house.ended(task).await;
    let file = done.files.iter().find(|it| it.role == FileRole::Failures);
    let file = file.expect("a file of what failed");
    let file = std::fs::read(house.path("storage").join(&file.object_key)).expect("the file");
    let rows = crate::failures::rows_of(&file);
    rows[1..].iter().map(|row| row[2].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_walks_the_sheet_a_second_time_only_where_the_split_met_merged_ranges() {
    let house = House::build().await;
    let cases: [(&[&str], bool, Option<bool>, &str); 3] = [
        (&[], false, None, "77"),
        (&["C2:C3"], true, None, ""),
        // told that there are none, it does not look for them
        (&["C2:C3"], true, Some(false), "77"),
    ];
    for (merges, told, instead, score) in cases {
        house.database.execute("DELETE FROM club").await;
        let task = applied_clubs(&house, merges, json!({"merged": "first_only"})).await;
        assert_eq!(told_of_merges(&house, task, instead).await, Some(told));
        let worker = house.work();
        assert_eq!(scores_in_failures(&house, task).await, [score]);
        worker.stop().await;
    }
}
