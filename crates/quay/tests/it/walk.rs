//! One export on its way through every room: the command line, the gateway, MySQL, the doorbell,
//! the worker, the file, and back.

use std::path::Path;
use std::time::Duration;

use calamine::{Data, Reader, Xlsx, open_workbook};
use sha2::{Digest, Sha256};
use testkit::{eventually, eventually_within};

use crate::house::{Bell, House};

const ROWS: usize = 3_000;
/// Rows that take a worker some seconds.
const MANY: usize = 400_000;
/// For the group to miss the killed worker (10 s), and for the export, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_export_walks_through_the_whole_house() {
    walk(Bell::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_walks_through_the_whole_house_on_real_kafka() {
    walk(Bell::Kafka).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_outlives_a_gateway_that_goes_away_for_a_while() {
    let mut house = House::open(Bell::Embedded).await;
    let mut waiting = house.start_quay(&["export", "employee", "--wait"]);
    waiting.wait_for_log("PENDING").await;
    house.stop_gateway().await;
    waiting.wait_for_log("the gateway does not answer").await;
    house.start_gateway().await;
    house.start_worker().await;
    assert_eq!(waiting.end().await.code(), Some(0), "{}", waiting.log());
}

/// The scan is an hour away, so whatever runs was brought by a ring; the killed worker's row as well,
/// once it was rescued and announced anew.
#[tokio::test(flavor = "multi_thread")]
async fn on_real_kafka_a_ring_wakes_a_worker_and_a_killed_worker_leads_to_one_success() {
    let settings = [
        ("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "3600"),
        ("QUAYSIDE__WORKER__LEASE_SECONDS", "3"),
        ("QUAYSIDE__SWEEPER__INTERVAL_SECONDS", "1"),
        // slow enough to be killed in the middle, on a fast machine too
        ("QUAYSIDE__EXPORT__ZIP_LEVEL", "9"),
    ];
    let mut house = House::open_with(Bell::Kafka, &settings).await;
    let seeded = house.quay(&["seed", "employee", "--rows", &MANY.to_string()]);
    assert_eq!(seeded.code, 0, "{}", seeded.stderr);
    house.start_sweeper().await;
    house.start_worker().await;
    let submitted = house.quay(&["export", "employee", "--json"]);
    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    let id = submitted.json()["id"].as_str().expect("an id").to_owned();
    eventually("rows to be written", async || {
        let task = house.quay(&["tasks", "show", &id, "--json"]).json();
        assert_ne!(task["status"], "SUCCESS", "too quick: {task}");
        (task["progress"]["done_rows"].as_u64() > Some(0)).then_some(())
    })
    .await;
    house.kill_worker().await;
    house.start_worker().await;
    let done = eventually_within(PATIENCE, "the task to end", async || {
        let task = house.quay(&["tasks", "show", &id, "--json"]).json();
        (task["status"] == "SUCCESS").then_some(task)
    })
    .await;
    let [file] = done["files"].as_array().expect("files").as_slice() else {
        panic!("one file: {done}")
    };
    assert_eq!(file["rows"], MANY);
    let [stored] = &house.stored_files()[..] else {
        panic!("one file in storage: {:?}", house.stored_files())
    };
    assert!(!stored.ends_with("e1/1.xlsx"), "{stored:?}");
    let target = house.downloads().join("done.xlsx");
    let path = target.to_str().expect("a plain path");
    let saved = house.quay(&["tasks", "download", &id, "-o", path]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    let bytes = std::fs::read(&target).expect("the download");
    assert_eq!(file["sha256"], hex::encode(Sha256::digest(&bytes)));
}

async fn walk(bell: Bell) {
    let mut house = House::open(bell).await;
    house.start_worker().await;
    let seeded = house.quay(&["seed", "employee", "--rows", &ROWS.to_string()]);
    assert_eq!(seeded.code, 0, "{}", seeded.stderr);
    whole_table(&house);
    chosen_rows(&house).await;
    watched_from_afar(&house);
    for service in house.services.drain(..).rev() {
        let name = service.name;
        let ended = service.terminate().await;
        assert_eq!(ended.code(), Some(0), "{name} ends in order");
    }
}

/// Everything, into a directory, as a script asks for it.
fn whole_table(house: &House) {
    let folder = house.downloads();
    let into = folder.to_str().expect("a plain path");
    let exported = house.quay(&["export", "employee", "--wait", "-o", into, "--json"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let task = exported.json();
    assert_eq!(task["status"], "SUCCESS");
    assert_eq!(task["files"][0]["rows"], ROWS);
    let path = Path::new(task["saved_to"].as_str().expect("a path")).to_owned();
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    assert!(
        name.starts_with("员工信息_") && name.ends_with(".xlsx"),
        "{name}"
    );
    let rows = sheet(&path);
    assert_eq!(rows.len(), ROWS + 1);
    let header: Vec<String> = rows[0].iter().map(ToString::to_string).collect();
    assert_eq!(header[..5], ["编号", "工号", "姓名", "部门", "职位"]);
    let hired = header
        .iter()
        .position(|label| label == "入职日期")
        .expect("the column is there");
    let all_dates = rows[1..]
        .iter()
        .all(|row| matches!(row[hired], Data::DateTime(_)));
    assert!(all_dates, "every hire date is a date");
    assert_eq!(rows[1][1], Data::String("E00000001".to_owned()));
}

/// Some columns of some rows in an order, as a person asks for them.
async fn chosen_rows(house: &House) {
    let file = house.downloads().join("chosen.xlsx");
    let path = file.to_str().expect("a plain path");
    let exported = house.quay(&[
        "export",
        "employee",
        "--columns",
        "employee_no,name,hire_date",
        "--sort=-hire_date,id",
        "--filter",
        "department=研发部",
        "--filter",
        "hire_date>=2015-06-30",
        "--locale",
        "en",
        "-o",
        path,
    ]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    assert!(exported.stdout.contains("Saved to "), "{}", exported.stdout);
    let wanted: Vec<(String, String)> = house
        .database
        .query(
            "SELECT employee_no, name FROM employee WHERE tenant = 'acme' \
             AND department = '研发部' AND hire_date >= '2015-06-30' ORDER BY hire_date DESC, id",
        )
        .await;
    let rows = sheet(&file);
    let header: Vec<String> = rows[0].iter().map(ToString::to_string).collect();
    assert_eq!(header, ["Employee no.", "Name", "Hire date"]);
    let found: Vec<(String, String)> = rows[1..]
        .iter()
        .map(|row| (row[0].to_string(), row[1].to_string()))
        .collect();
    assert!(wanted.len() > 50, "the filter leaves {} rows", wanted.len());
    assert_eq!(found, wanted);
}

/// The same tasks, looked at afterwards.
fn watched_from_afar(house: &House) {
    let listed = house.quay(&["tasks", "list", "--status", "success", "--json"]);
    let tasks = listed.json();
    assert_eq!(tasks.as_array().map(Vec::len), Some(2), "{}", listed.stdout);
    let id = tasks[1]["id"].as_str().expect("an id");
    let table = house.quay(&["tasks", "list"]).stdout;
    assert!(
        table.contains("员工信息_") && table.contains("3,000"),
        "{table}"
    );
    let shown = house.quay(&["tasks", "show", id]).stdout;
    assert!(
        shown.contains("SUCCESS") && shown.contains("AVAILABLE"),
        "{shown}"
    );
    let folder = house.downloads();
    let again = house.quay(&[
        "tasks",
        "download",
        id,
        "-o",
        folder.to_str().expect("a plain path"),
    ]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(
        again.stdout.contains(" (1).xlsx"),
        "nothing is replaced: {}",
        again.stdout
    );
    damaged(house, id);
    let hidden = std::fs::read_dir(&folder).expect("a directory").flatten();
    let left: Vec<_> = hidden
        .filter(|file| file.file_name().as_encoded_bytes()[0] == b'.')
        .collect();
    assert!(left.is_empty(), "no temporary file is left: {left:?}");
}

/// A file that is not what the worker wrote is not handed on.
fn damaged(house: &House, id: &str) {
    for file in house.stored_files() {
        let mut bytes = std::fs::read(&file).expect("a stored file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).expect("a stored file");
    }
    let target = house.downloads().join("damaged.xlsx");
    let ran = house.quay(&[
        "tasks",
        "download",
        id,
        "-o",
        target.to_str().expect("a plain path"),
    ]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("Nothing was saved"), "{}", ran.stderr);
    assert!(!target.exists());
}

fn sheet(path: &Path) -> Vec<Vec<Data>> {
    let mut book: Xlsx<_> = open_workbook(path).expect("a workbook");
    let range = book
        .worksheet_range_at(0)
        .expect("a sheet")
        .expect("which can be read");
    range.rows().map(<[Data]>::to_vec).collect()
}
