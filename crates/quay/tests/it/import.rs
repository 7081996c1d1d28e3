//! One import on its way through every room: a workbook with faults goes in as far as it can, the
//! rest comes back, is mended, and goes in; and what a wrong file or word is told.

use std::fs;
use std::path::{Path, PathBuf};

use calamine::{Data, Reader, Xlsx, open_workbook};
use testkit::eventually_within;
use xlsxwriter::{Workbook, Worksheet};

use crate::house::{Bell, House};
use crate::service::Service;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// Rows that take a worker some seconds to read, and to apply.
const ROWS: u32 = 40_000;

const HEADER: [&str; 7] = ["会员号", "姓名", "手机号", "等级", "积分", "余额", "备注"];

/// Rows 1 to 12; the mobiles of some are wrong.
fn members(path: &Path, wrong: &[u32]) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    header(sheet);
    for row in 1..=12 {
        let mobile = if wrong.contains(&row) {
            "138x".to_owned()
        } else {
            format!("138{row:08}")
        };
        let number = format!("M{row:04}");
        let name = format!("张{row}");
        for (column, text) in [(0, &number), (1, &name), (2, &mobile)] {
            sheet.write_string(row, column, text).expect("a cell");
        }
        for (column, value) in [(3, 3.0), (4, f64::from(row)), (5, 1.25)] {
            sheet.write_number(row, column, value).expect("a cell");
        }
    }
    book.save(path).expect("a workbook");
}

fn header(sheet: &mut Worksheet) {
    for (column, label) in (0_u16..).zip(HEADER) {
        sheet.write_string(0, column, label).expect("a cell");
    }
}

fn rows_of(path: &Path) -> Vec<Vec<Data>> {
    let mut book: Xlsx<_> = open_workbook(path).expect("a workbook");
    let sheet = book.sheet_names()[0].clone();
    let range = book.worksheet_range(&sheet).expect("its first sheet");
    range.rows().map(<[Data]>::to_vec).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

async fn house() -> (House, PathBuf) {
    let mut house = House::open(Bell::Embedded).await;
    house.start_import_worker().await;
    let folder = house.downloads();
    (house, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_with_faults_come_back_and_go_in_once_mended() {
    let (house, folder) = house().await;
    let file = folder.join("members.xlsx");
    members(&file, &[3, 7]);
    let failed = folder.join("failed.xlsx");
    let ran = house.quay(&["import", "member", text(&file), "-o", text(&failed)]);
    assert_eq!(ran.code, 6, "{}\n{}", ran.stdout, ran.stderr);
    for words in [
        "members.xlsx: 12 rows: 10 imported, 2 failed",
        "pattern_mismatch",
        "failed.xlsx",
    ] {
        assert!(ran.stdout.contains(words), "{words:?}: {}", ran.stdout);
    }
    assert_eq!(members_in(&house).await, 10);
    let rows = rows_of(&failed);
    let numbers: Vec<String> = rows[1..].iter().map(|row| row[0].to_string()).collect();
    assert_eq!(numbers, ["M0003", "M0007"]);
    // mended as a person would: the header and the further columns stay as they are
    mend(&rows, &failed);
    let again = house.quay(&["import", "member", text(&failed), "--wait"]);
    assert_eq!(again.code, 0, "{}\n{}", again.stdout, again.stderr);
    assert!(
        again.stdout.contains("2 rows: 2 imported"),
        "{}",
        again.stdout
    );
    assert_eq!(members_in(&house).await, 12);
}

async fn members_in(house: &House) -> u64 {
    let count: Vec<u64> = house.database.query("SELECT COUNT(*) FROM member").await;
    count[0]
}

fn mend(rows: &[Vec<Data>], path: &Path) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(cells) {
            let text = match cell {
                Data::Empty => continue,
                Data::String(text) if text == "138x" => format!("139{row:08}"),
                other => other.to_string(),
            };
            sheet.write_string(row, column, text).expect("a cell");
        }
    }
    book.save(path).expect("a workbook");
}

#[tokio::test(flavor = "multi_thread")]
async fn validating_alone_writes_nothing_and_says_what_is_wrong() {
    let (house, folder) = house().await;
    let file = folder.join("members.xlsx");
    members(&file, &[5]);
    let ran = house.quay(&[
        "import",
        "member",
        text(&file),
        "--validate-only",
        "--wait",
        "--json",
    ]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let task = ran.json();
    assert_eq!(task["progress"]["done_rows"], 11, "{task}");
    assert_eq!(task["progress"]["failed_rows"], 1, "{task}");
    assert_eq!(task["errors_by_code"]["pattern_mismatch"], 1, "{task}");
    assert_eq!(members_in(&house).await, 0);
}

/// The failure file lacks the good rows: whoever mended that alone would lose them.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_was_written_a_person_is_told_to_import_the_whole_file_again() {
    let (house, folder) = house().await;
    let (file, failed) = (folder.join("members.xlsx"), folder.join("failed.xlsx"));
    members(&file, &[5]);
    let into_failed = ["-o", text(&failed), "--overwrite"];
    let whole = "Nothing was written: mend them in members.xlsx and import all of it.";
    let alone = "Mend them there and import that file.";
    for (said, code, told) in [
        (&["--validate-only", "--wait"][..], 6, whole),
        (
            &["--options", r#"{"validate_only": true}"#, "--wait"],
            6,
            whole,
        ),
        (&["--abort-on-error", "--wait"], 1, whole),
        (&[&["--validate-only"][..], &into_failed].concat(), 6, whole),
        (&into_failed, 6, alone),
    ] {
        let ran = house.quay(&[&["import", "member", text(&file)][..], said].concat());
        assert_eq!(
            ran.code, code,
            "{said:?}: {}
{}",
            ran.stdout, ran.stderr
        );
        assert!(ran.stdout.contains(told), "{said:?}: {}", ran.stdout);
        let other = if told == whole { alone } else { whole };
        assert!(!ran.stdout.contains(other), "{said:?}: {}", ran.stdout);
    }
    assert_eq!(members_in(&house).await, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_filled_in_is_an_import_without_faults() {
    let (house, folder) = house().await;
    let template = folder.join("template.xlsx");
    let saved = house.quay(&["template", "member", "-o", text(&template)]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    let rows = rows_of(&template);
    assert!(rows[0].iter().any(|cell| *cell == "手机号"), "{rows:?}");
    let csv = folder.join("template.csv");
    let saved = house.quay(&["template", "member", "--locale", "en", "-o", text(&csv)]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    let header = fs::read_to_string(&csv).expect("a text");
    let header = header.trim_start_matches('\u{feff}').trim_end();
    assert!(header.contains("Member no."), "{header}");
    let columns: Vec<&str> = header.split(',').collect();
    let row: Vec<&str> = columns
        .iter()
        .map(|label| match *label {
            "Member no." => "M1",
            "Name" => "张三",
            "Mobile" => "13800000001",
            "Level" | "Points" | "Balance" => "1",
            _ => "",
        })
        .collect();
    fs::write(&csv, format!("{header}\n{}\n", row.join(","))).expect("a file");
    let ran = house.quay(&["import", "member", text(&csv), "--wait"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
}

/// 張三 in Big5, which is other letters in the encoding that would be guessed; a balance that is
/// ambiguous if nobody says how it is written; a remark below the data.
#[tokio::test(flavor = "multi_thread")]
async fn a_csv_of_another_program_is_read_as_its_user_says() {
    let (house, folder) = house().await;
    let file = folder.join("export.csv");
    let mut csv = b"Member no.,Name,Mobile,Level,Points,Balance\nM1,".to_vec();
    csv.extend(b"\xb1\x69\xa4\x54,13800000001,3,1.000,\"1.234,5\"\n");
    csv.extend(b",,,,,\n,,,,,\n,,,,,\nprinted on Monday,,,,,\n");
    fs::write(&file, csv).expect("a file");
    let said = [
        "--encoding",
        "Big5",
        "--numbers",
        "1.234,5",
        "--stop-after-blank-rows",
        "3",
    ];
    let import = ["import", "member", text(&file), "--wait"];
    let ran = house.quay(&[&import[..], &said].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    for words in ["1 rows: 1 imported", "rows_after_blank_rows (1)"] {
        assert!(ran.stdout.contains(words), "{words:?}: {}", ran.stdout);
    }
    let stored = "SELECT name, points, CAST(balance AS CHAR) FROM member";
    let stored: Vec<(String, i64, String)> = house.database.query(stored).await;
    assert_eq!(stored, [("張三".to_owned(), 1_000, "1234.50".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_is_told_with_its_code() {
    let (house, folder) = house().await;
    let picture = folder.join("picture.xlsx");
    fs::write(&picture, b"\x89PNG\r\n\x1a\n and so on").expect("a file");
    for (arguments, code, words) in [
        (&["import", "member", text(&picture)][..], 4, "415"),
        (
            &["import", "nothing", text(&picture)],
            4,
            "dataset_not_found",
        ),
        (
            &["import", "member", "/nowhere/at/all.xlsx"],
            1,
            "cannot read /nowhere/at/all.xlsx",
        ),
        (&["import", "member", "/"], 2, "/ is no file"),
        (
            &["import", "member", text(&picture), "--map", "手机"],
            2,
            "--map 手机 is not HEADER=COLUMN",
        ),
        (
            &["import", "member", text(&picture), "--options", "[]"],
            2,
            "--options is not a JSON object",
        ),
        (
            &["template", "nothing", "-o", text(&folder)],
            4,
            "dataset_not_found",
        ),
    ] {
        let ran = house.quay(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words:?}: {}", ran.stderr);
    }
    // what only the whole file tells ends the task
    let nothing = folder.join("nothing.csv");
    fs::write(&nothing, "会员号,姓名\n").expect("a file");
    let ran = house.quay(&["import", "member", text(&nothing), "--wait"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("[missing_columns]"), "{}", ran.stderr);
}

/// The worker is stopped in each phase until `quay` has looked.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_sees_the_file_being_read_and_then_its_rows_going_in() {
    let (house, folder) = house().await;
    let file = folder.join("members.csv");
    let rows = (1..=ROWS).map(|n| format!("M{n},张{n},138{n:08},3,{n},1.25\n"));
    let rows: String = rows.collect();
    fs::write(&file, format!("会员号,姓名,手机号,等级,积分,余额\n{rows}")).expect("a file");
    let mut quay = house.start_quay(&["import", "member", text(&file), "--wait"]);
    let worker = house.services.last().expect("the worker");
    let held = async |moment: &str, words: &str| {
        let sql = format!("SELECT 1 FROM task WHERE status = 'PROCESSING' AND {moment}");
        eventually_within(PATIENCE, moment, async || {
            house.database.query::<u8>(&sql).await.pop()
        })
        .await;
        worker.signal("STOP");
        let line = quay_says(&quay, words).await;
        worker.signal("CONT");
        line
    };
    let reading = held("phase = 'reading'", "PROCESSING reading").await;
    assert!(
        !reading.contains('%'),
        "the total is not known yet: {reading}"
    );
    let some_in =
        "phase = 'importing' AND EXISTS (SELECT 1 FROM import_batch WHERE task_id = task.id)";
    let importing = held(some_in, "PROCESSING importing").await;
    let of_all = format!(" of {},000 rows, ", ROWS / 1_000);
    assert!(importing.contains(&of_all), "{importing}");
    assert!(importing.contains('%'), "{importing}");
    assert_eq!(quay.end().await.code(), Some(0), "{}", quay.log());
    let told = format!("members.csv: {0},000 rows: {0},000 imported", ROWS / 1_000);
    assert!(house.printed().contains(&told), "{}", house.printed());
}

/// A line of `quay` with these words and figures.
async fn quay_says(quay: &Service, words: &str) -> String {
    eventually_within(PATIENCE, words, async || {
        let log = quay.log();
        let line = log.lines().rfind(|line| line.contains(words));
        line.map(str::to_owned)
    })
    .await
}

/// The scan is an hour away: rings alone bring the reading, the batches and the finish.
#[tokio::test(flavor = "multi_thread")]
async fn on_real_kafka_rings_alone_bring_an_import_to_its_end() {
    let settings = [("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "3600")];
    let mut house = House::open_with(Bell::Kafka, &settings).await;
    house.start_import_worker().await;
    let file = house.downloads().join("members.xlsx");
    members(&file, &[]);
    let submitted = house.quay(&["import", "member", text(&file), "--batch-size", "1"]);
    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    let id = submitted.stdout.trim().to_owned();
    let done = eventually_within(PATIENCE, "the import to end", async || {
        let task = house.quay(&["tasks", "show", &id, "--json"]).json();
        (task["finished"] == true).then_some(task)
    })
    .await;
    assert_eq!(done["status"], "SUCCESS", "{done}");
    assert_eq!(done["progress"]["done_rows"], 12, "{done}");
}
