//! The file of what failed, and its way back.

mod covered;
mod said;

use std::io::{Cursor, Read, Write};
use std::path::PathBuf;

use calamine::{Reader, Xlsx};
use domain::{FileRole, Task, TaskFile, TaskStatus};
use serde_json::json;
use testkit::eventually;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::club::{club_of, club_rows, clubs};
use crate::house::{House, Import, imports};
use crate::workbook::{Sheet, Value, member, member_header, members, number, text, workbook_of};

fn failures(task: &Task) -> &TaskFile {
    let mut files = task
        .files
        .iter()
        .filter(|file| file.role == FileRole::Failures);
    let file = files.next().expect("a file of what failed");
    assert!(files.next().is_none(), "one alone: {task:?}");
    file
}

fn bytes(house: &House, file: &TaskFile) -> Vec<u8> {
    std::fs::read(house.path("storage").join(&file.object_key)).expect("the file")
}

/// The same workbook with one text replaced by another wherever it stands.
fn mended(workbook: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(workbook)).expect("an archive");
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).expect("an entry");
        let name = entry.name().expect("a name").into_owned();
        let mut part = String::new();
        entry.read_to_string(&mut part).expect("XML");
        out.start_file(name, SimpleFileOptions::default())
            .expect("an entry");
        out.write_all(part.replace(from, to).as_bytes())
            .expect("written");
    }
    out.finish().expect("an archive").into_inner()
}

pub(crate) fn rows_of(workbook: &[u8]) -> Vec<Vec<String>> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(workbook)).expect("a workbook");
    let range = workbook
        .worksheet_range_at(0)
        .expect("a sheet")
        .expect("cells");
    let rows = range.rows();
    rows.map(|row| row.iter().map(ToString::to_string).collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_workbook_shows_what_failed_and_comes_back_mended() {
    let house = House::build().await;
    let worker = house.work();
    let content = members(2_500, |n, row| {
        if n % 500 == 3 {
            row[2] = text("13800x");
        }
    });
    let first = house.import_members(content, json!({})).await;
    let done = house.until(first, TaskStatus::PartialSuccess).await;
    let file = failures(&done);
    assert_eq!((&*file.name, file.rows), ("会员_failed.xlsx", 5));
    let workbook = bytes(&house, file);
    assert_eq!(file.size, workbook.len() as u64);
    let rows = rows_of(&workbook);
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0][..3], ["会员号", "姓名", "手机号"]);
    assert_eq!(rows[1][..3], ["M0000003", "赵3", "13800x"]);
    assert_eq!(rows[1][9..11], ["5", "pattern_mismatch"]);

    // as it is: the same faults again, and nothing else
    let again = house.import_members(workbook.clone(), json!({})).await;
    let failed = house.until(again, TaskStatus::Failed).await;
    assert_eq!(failed.progress.failed_rows, 5);
    assert_eq!(failed.warnings, [], "our own columns are no unknown ones");
    let rows = rows_of(&bytes(&house, failures(&failed)));
    assert_eq!(rows[1][..3], ["M0000003", "赵3", "13800x"]);

    let mended = mended(&workbook, "13800x", "13800000000");
    let second = house.import_members(mended, json!({})).await;
    house.until(second, TaskStatus::Success).await;
    assert_eq!(house.rows("member").await, 2_500);
    let mends = format!("SELECT mends FROM task WHERE id = {second}");
    assert_eq!(house.database.one::<u64>(&mends).await, first.0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_workbook_comes_back_whatever_was_said_of_the_first_files_sheet_and_header() {
    let house = House::build().await;
    let worker = house.work();
    let titled = vec![
        vec![text("A title")],
        vec![],
        vec![text("Which"), text("Result")],
        vec![text("second"), text("bad")],
        vec![text("third"), number(3)],
    ];
    let content = workbook_of(&[Sheet::new("Empty", vec![]), Sheet::new("Second", titled)]);
    let said = json!({
        "sheet": "second", "header_row": 3, "mapping": {"Which": "code", "Result": "score"},
    });
    let first = house.import(Import::club(content, said.clone())).await;
    let partly = house.until(first, TaskStatus::PartialSuccess).await;
    let workbook = bytes(&house, failures(&partly));
    assert_eq!(rows_of(&workbook)[1][..2], ["second", "bad"]);

    // as it is, and told nothing: it knows what its headers mean, and so does what comes of it
    let again = house.import(Import::club(workbook, json!({}))).await;
    let failed = house.until(again, TaskStatus::Failed).await;
    assert_eq!(
        (failed.progress.failed_rows, &failed.warnings[..]),
        (1, &[][..])
    );
    let workbook = bytes(&house, failures(&failed));
    assert_eq!(rows_of(&workbook)[0][..2], ["Which", "Result"]);

    let mended = mended(&workbook, "bad", "7");
    let last = house.import(Import::club(mended, said)).await;
    house.until(last, TaskStatus::Success).await;
    let scores = "SELECT CONCAT(code, ' ', score) FROM club ORDER BY code";
    let scores: Vec<String> = house.database.query(scores).await;
    assert_eq!(scores, ["second 7", "third 3"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_without_a_header_stay_where_they_were_and_numbers_mean_what_they_meant() {
    let house = House::build().await;
    let worker = house.work();
    let mut header = member_header();
    header.insert(2, Value::Blank);
    let rows = (0..4).map(|n| {
        let mut row = member(n);
        row[6] = text("1.355,90");
        if n % 2 == 1 {
            row[2] = text("13800x");
        }
        row.insert(2, text(format!("note {n}")));
        row.extend([Value::Blank, number(n)]);
        row
    });
    let rows = std::iter::once(header).chain(rows).collect();
    let content = workbook_of(&[Sheet::new("Sheet1", rows)]);
    let said = json!({"numbers": "1.234,5"});
    let first = house.import_members(content, said).await;
    let partly = house.until(first, TaskStatus::PartialSuccess).await;
    assert_eq!(partly.progress.failed_rows, 2);
    let workbook = bytes(&house, failures(&partly));
    let rows = rows_of(&workbook);
    assert_eq!(rows[0][..4], ["会员号", "姓名", "", "手机号"]);
    assert_eq!(rows[0][9..13], ["备注", "", "", "原表行号"]);
    for (row, n) in rows[1..].iter().zip([1, 3]) {
        assert_eq!(row[2..4], [format!("note {n}"), "13800x".to_owned()]);
        assert_eq!(row[10..12], [String::new(), n.to_string()]);
    }

    // told nothing of how its numbers are written
    let mended = mended(&workbook, "13800x", "13800000000");
    let second = house.import_members(mended, json!({})).await;
    let done = house.until(second, TaskStatus::Success).await;
    assert_eq!(done.warnings, []);
    let balances = "SELECT CAST(balance AS CHAR) FROM member";
    let balances: Vec<String> = house.database.query(balances).await;
    assert_eq!(balances, ["1355.90"; 4]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_that_was_added_to_a_failure_workbook_is_read_if_the_options_name_it() {
    let house = House::build().await;
    let worker = house.work();
    let named = |rows| vec![Sheet::new("Clubs", club_rows(rows))];
    let faulty = vec![text("a"), text("A"), text("bad")];
    let content = workbook_of(&named(vec![faulty.clone()]));
    let first = house.import(Import::club(content, json!({}))).await;
    house.until(first, TaskStatus::Failed).await;

    let stamp = json!({"dataset": "club", "version": "7", "task": first}).to_string();
    let mut hidden = Sheet::new("_quayside", vec![vec![text(stamp)]]);
    hidden.hidden = true;
    let title = vec![vec![text("Code")], vec![text("no data")]];
    let mended = club_rows(vec![vec![text("a"), text("A"), number(7)]]);
    let mended = title.into_iter().chain(mended).collect();
    let mut sheets = named(vec![faulty]);
    sheets.extend([hidden, Sheet::new("Mended", mended)]);
    let content = workbook_of(&sheets);
    let import = async |options| {
        let import = Import::club(content.clone(), options);
        house.ended(house.import(import).await).await
    };
    // the first two are a first file's, the third is no sheet of data
    for said in [
        json!({"sheet": "elsewhere"}),
        json!({"sheet": "clubs", "header_row": 2}),
        json!({"sheet": 2, "header_row": 2}),
    ] {
        let failed = import(said).await;
        assert_eq!(failed.status, TaskStatus::Failed, "{failed:?}");
        assert_eq!(failed.progress.failed_rows, 1, "{failed:?}");
    }
    let done = import(json!({"sheet": "Mended", "header_row": 3})).await;
    assert_eq!(done.status, TaskStatus::Success, "{done:?}");
    assert_eq!(done.mends, Some(first));
    let taken = clubs(&house).await;
    assert_eq!(taken, [club_of("a", Some("A"), Some(7))]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_table_refuses_is_in_the_file_too() {
    let house = House::build().await;
    let worker = house.work();
    house
        .database
        .execute(
            "INSERT INTO member (tenant, member_no, name, mobile, level, points, balance) \
             VALUES ('acme', 'M0000700', 'x', '1', 1, 1, 1)",
        )
        .await;
    let content = members(1_500, |n, row| {
        if n == 1_400 {
            row[4] = number(7);
        }
    });
    let task = house.import_members(content, json!({})).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!(
        (done.progress.done_rows, done.progress.failed_rows),
        (1_498, 2)
    );
    let rows = rows_of(&bytes(&house, failures(&done)));
    let told: Vec<(&str, &str)> = rows[1..].iter().map(|row| (&*row[0], &*row[10])).collect();
    assert_eq!(
        told,
        [
            ("M0000700", "duplicate_in_db"),
            ("M0001400", "out_of_range")
        ]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_template_is_taken_with_a_warning() {
    let house = House::build().await;
    let worker = house.work();
    let content = members(10, |n, row| {
        if n == 3 {
            row[2] = text("13800x");
        }
    });
    let task = house.import_members(content, json!({})).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    let workbook = mended(&bytes(&house, failures(&done)), "13800x", "13800000000");
    let version = &house.catalog.get("member").expect("defined").version;
    let now = format!("&quot;version&quot;:&quot;{version}&quot;");
    let mut older = mended(&workbook, &now, "&quot;version&quot;:&quot;0&quot;");
    let now = format!("\"version\":\"{version}\"");
    older = mended(&older, &now, "\"version\":\"0\"");
    let task = house.import_members(older, json!({})).await;
    let done = house.until(task, TaskStatus::Success).await;
    let warnings: Vec<&str> = done.warnings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(warnings, ["template_outdated"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_made_for_another_dataset_is_refused_however_its_headers_are_called() {
    let house = House::build().await;
    let worker = house.work();
    let stamp = r#"{"dataset":"member","version":"3"}"#;
    let mut hidden = Sheet::new("_quayside", vec![vec![text(stamp)]]);
    hidden.hidden = true;
    let rows = club_rows(vec![vec![text("a")]]);
    let content = workbook_of(&[Sheet::new("Clubs", rows.clone()), hidden.clone()]);
    let task = house.import(Import::club(content, json!({}))).await;
    let failed = house.until(task, TaskStatus::Failed).await;
    let error = failed.error.expect("an error");
    assert_eq!(error.code, "missing_columns");
    assert!(error.message.contains("member"), "{}", error.message);
    assert_eq!(house.rows("club").await, 0);

    hidden.rows[0].1[0] = text(stamp.replace("member", "club").replace('3', "0"));
    let content = workbook_of(&[Sheet::new("Clubs", rows), hidden]);
    let task = house.import(Import::club(content, json!({}))).await;
    let done = house.until(task, TaskStatus::Success).await;
    let warnings: Vec<&str> = done.warnings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(warnings, ["template_outdated"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_was_changed_in_mid_import_leaves_the_rest_unprocessed_until_it_is_back()
{
    let mut house = House::build().await;
    let splitting = house.work_on(&[imports()]);
    let content = members(1_000, |_, _| ());
    let task = house.import_members(content, json!({})).await;
    eventually("the batches", async || {
        let phase = house.task(task).await.progress.phase;
        (phase.as_deref() == Some("importing")).then_some(())
    })
    .await;
    splitting.stop().await;
    let at_once = "UPDATE compensate_biz SET announced = 1";
    house.database.execute(at_once).await;

    let as_it_was = house.catalog.clone();
    house.catalog = house.redefined("max_length = 64", "max_length = 4");
    let worker = house.work();
    let failed = house.until(task, TaskStatus::Failed).await;
    assert_eq!(failed.error.as_ref().expect("an error").code, "internal");
    assert_eq!(failed.unprocessed_rows(), 1_000);
    assert_eq!(house.rows("member").await, 0);
    let reason = "SELECT last_failed_reason FROM compensate_biz \
                  WHERE biz_type = 'IMPORT_BATCH' LIMIT 1";
    let reason: String = house.database.one(reason).await;
    assert!(reason.contains("definition of member"), "{reason}");
    worker.stop().await;

    house.catalog = as_it_was;
    house.retry(task).await;
    house.database.execute(at_once).await;
    let worker = house.work();
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.done_rows, 1_000);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_read_leaves_its_rows_unprocessed_until_it_can() {
    let house = House::build().await;
    let splitting = house.work_on(&[imports()]);
    let content = members(1_500, |n, row| {
        if n == 3 {
            row[2] = text("13800x");
        }
    });
    let task = house.import_members(content, json!({})).await;
    let objects = eventually("the batches", async || {
        let born = "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'IMPORT_BATCH'";
        let born: u64 = house.database.one(born).await;
        (born == 3).then(|| house.stored_for(task))
    })
    .await;
    splitting.stop().await;
    let torn: &PathBuf = objects
        .iter()
        .find(|path| path.ends_with("b000002"))
        .expect("the second batch");
    let whole = std::fs::read(torn).expect("an object");
    let mut half = whole.clone();
    half[whole.len() / 2] ^= 1;
    std::fs::write(torn, half).expect("written");

    let worker = house.work();
    house
        .database
        .execute("UPDATE compensate_biz SET announced = 1")
        .await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!(
        (done.progress.done_rows, done.progress.failed_rows),
        (999, 1)
    );
    assert_eq!(done.unprocessed_rows(), 500);
    assert!(torn.exists(), "a retry needs it");
    let first = failures(&done).object_key.clone();

    std::fs::write(torn, whole).expect("written");
    house.retry(task).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!(
        (done.progress.done_rows, done.progress.failed_rows),
        (1_499, 1)
    );
    assert_eq!(house.rows("member").await, 1_499);
    let files: Vec<&TaskFile> = done
        .files
        .iter()
        .filter(|file| file.role == FileRole::Failures)
        .filter(|file| file.state.as_str() == "AVAILABLE")
        .collect();
    assert_eq!(files.len(), 1, "{done:?}");
    assert_ne!(files[0].object_key, first);
    assert!(!torn.exists(), "nobody needs it any more");
    worker.stop().await;
}
