//! Every form that a file can take, made by a worker and read back from storage.

use std::io::{Cursor, Read};
use std::path::PathBuf;

use calamine::{Reader, Xlsx};
use domain::{Task, TaskStatus};
use serde_json::{Value, json};

use crate::house::House;

/// An export that has become a file, and the file's bytes.
async fn made(house: &House, request: &Value) -> (Task, Vec<u8>) {
    let task = house.submit(request).await;
    let done = house.until(task, TaskStatus::Success).await;
    let [file] = &done.files[..] else {
        panic!("one file: {done:?}")
    };
    let bytes = std::fs::read(house.path("storage").join(&file.object_key)).expect("the file");
    assert_eq!(file.size, bytes.len() as u64);
    assert_eq!(done.name, file.name, "a task is called like its file");
    (done, bytes)
}

/// The texts of the first column of each sheet, headers included.
fn first_columns(workbook: &[u8]) -> Vec<(String, Vec<String>)> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(workbook)).expect("a workbook");
    let sheets = workbook.worksheets().into_iter().map(|(name, range)| {
        let column = range.rows().map(|row| row[0].to_string()).collect();
        (name, column)
    });
    sheets.collect()
}

fn entries(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).expect("an archive");
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("an entry");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        entries.push((entry.name().expect("a name").into_owned(), bytes));
    }
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_holds_what_the_rows_say_and_guards_formulas_unless_told_otherwise() {
    let house = House::build().await;
    house
        .database
        .execute(
            "INSERT INTO member (tenant, member_no, name, mobile, level, points, balance, birthday, \
             created_at, remark) VALUES \
             ('acme', '0007', '赵,伟', '13800000000', 1, 5, 12.5, '1890-01-31', '2026-01-31 16:00:00', '=1+1')",
        )
        .await;
    let worker = house.work();
    let mut request = json!({"dataset": "member", "format": "csv",
        "columns": ["member_no", "name", "balance", "birthday", "created_at", "remark"]});
    let (done, bytes) = made(&house, &request).await;
    assert_eq!(done.name, "会员_20260102_030405.csv");
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert_eq!(
        text,
        "\u{feff}会员号,姓名,余额,生日,创建时间,备注\r\n\
         0007,\"赵,伟\",12.50,1890-01-31,2026-02-01 00:00:00,'=1+1\r\n"
    );
    let warnings: Vec<_> = done.warnings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(warnings, ["formula_guarded"]);

    request["options"] = json!({"guard_formulas": false, "header": false, "file_name": "全部.CSV"});
    let (done, bytes) = made(&house, &request).await;
    assert_eq!((done.name.as_str(), done.warnings.len()), ("全部.csv", 0));
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(
        text.ends_with(",=1+1\r\n") && !text.contains("会员号"),
        "{text}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_on_in_further_sheets_and_past_rows_per_file_in_a_zip_of_parts() {
    let house = House::build().await;
    house.fill(5).await;
    let worker = house.work();
    let columns = json!(["employee_no"]);
    let request =
        |options: Value| json!({"dataset": "employee", "columns": columns, "options": options});

    let (done, bytes) = made(&house, &request(json!({"rows_per_sheet": 2}))).await;
    assert_eq!(done.files[0].rows, 5);
    let sheets = first_columns(&bytes);
    let names: Vec<_> = sheets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["员工信息", "员工信息 (2)", "员工信息 (3)"]);
    assert!(
        sheets.iter().all(|(_, column)| column[0] == "工号"),
        "{sheets:?}"
    );
    let sizes: Vec<_> = sheets.iter().map(|(_, column)| column.len() - 1).collect();
    assert_eq!(sizes, [2, 2, 1]);

    // all rows fit: one file, no archive
    let (done, bytes) = made(&house, &request(json!({"rows_per_file": 5}))).await;
    assert_eq!(done.name, "员工信息_20260102_030405.xlsx");
    assert_eq!(first_columns(&bytes)[0].1.len(), 6);

    let (done, bytes) = made(&house, &request(json!({"rows_per_file": 2}))).await;
    assert_eq!(done.name, "员工信息_20260102_030405.zip");
    assert_eq!((done.files[0].rows, done.progress.done_rows), (5, 5));
    let mut seen = Vec::new();
    for (number, (name, workbook)) in (1..).zip(entries(&bytes)) {
        assert_eq!(name, format!("员工信息_20260102_030405_{number:03}.xlsx"));
        let [(_, column)] = &first_columns(&workbook)[..] else {
            panic!("one sheet")
        };
        seen.extend_from_slice(&column[1..]);
    }
    assert_eq!(seen.len(), 5);
    seen.dedup();
    assert_eq!(seen.len(), 5);

    let mut csv = request(json!({"rows_per_file": 3}));
    csv["format"] = json!("csv");
    let (_, bytes) = made(&house, &csv).await;
    let lines: Vec<_> = entries(&bytes)
        .into_iter()
        .map(|(_, part)| String::from_utf8(part).expect("UTF-8").lines().count())
        .collect();
    assert_eq!(lines, [4, 3]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_files_or_sheets_than_anybody_can_want_are_refused() {
    let house = House::build().await;
    house.fill(10_001).await;
    let worker = house.work();
    for options in [json!({"rows_per_file": 1}), json!({"rows_per_sheet": 10})] {
        let request = json!({"dataset": "employee", "options": options});
        let task = house.submit(&request).await;
        let failed = house.until(task, TaskStatus::Failed).await;
        assert_eq!(failed.error.expect("an error").code, "too_many_rows");
    }
    assert_eq!(house.stored(), Vec::<PathBuf>::new());
    worker.stop().await;
}
