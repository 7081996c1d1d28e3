//! Files that are refused have written nothing, and cost nobody else anything.

use domain::TaskStatus;
use serde_json::{Value as Json, json};
use testkit::eventually;

use crate::hostile::{HEAVY, QUICK};
use crate::house::{House, Import};
use crate::workbook::{Sheet, member_header, members, text, workbook, workbook_of};

/// What a worker may take for a hostile file, in bytes.
const MOST_BYTES: u64 = 256 << 20;

async fn refused(house: &House, import: Import<'_>) -> (String, String) {
    let task = house.import(import).await;
    let failed = house.until(task, TaskStatus::Failed).await;
    assert_eq!(failed.progress.done_rows, 0);
    eventually("nothing to be left of it", async || {
        house.stored_for(task).is_empty().then_some(())
    })
    .await;
    let error = failed.error.expect("an error");
    assert!(!error.message.is_empty());
    (error.code, error.message)
}

/// The same archive, the checksum of its last entry wrong wherever it stands.
fn with_wrong_checksum(mut archive: Vec<u8>) -> Vec<u8> {
    let find = |archive: &[u8], signature: &[u8]| {
        let last = archive.windows(4).rposition(|bytes| bytes == signature);
        last.expect("an entry")
    };
    let (local, central) = (find(&archive, b"PK\x03\x04"), find(&archive, b"PK\x01\x02"));
    archive[local + 14] ^= 0x55;
    archive[central + 16] ^= 0x55;
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_refused_whole_wherever_the_fault_lies() {
    let house = House::build().await;
    let worker = house.work();
    let whole = members(3_000, |_, _| ());
    let cut = whole[..whole.len() - 100].to_vec();
    let lacking = workbook(vec![member_header()[1..].to_vec(), vec![text("x")]]);
    let mut twice = member_header();
    twice.push(text("姓名"));
    let cases: Vec<(&str, Vec<u8>, Json)> = vec![
        (
            "not_a_workbook",
            with_wrong_checksum(whole.clone()),
            json!({}),
        ),
        ("not_a_workbook", cut, json!({})),
        ("missing_columns", lacking, json!({})),
        (
            "duplicate_header",
            workbook(vec![twice, vec![text("x")]]),
            json!({}),
        ),
        ("empty_file", workbook(vec![]), json!({})),
        ("empty_file", workbook(vec![member_header()]), json!({})),
        (
            "missing_columns",
            whole.clone(),
            json!({"mapping": {"No such header": "remark"}}),
        ),
        (
            "invalid_request",
            whole.clone(),
            json!({"sheet": "No such sheet"}),
        ),
        ("invalid_request", whole, json!({"sheet": 2})),
    ];
    for (expected, content, options) in cases {
        let (code, message) = refused(&house, Import::members(content, options)).await;
        assert_eq!(code, expected, "{message}");
    }
    assert_eq!(house.rows("member").await, 0);
    let dead: u64 = house.database.one("SELECT COUNT(*) FROM dead_letter").await;
    assert_eq!(dead, 0, "what is the user's own mistake is no dead letter");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_are_taken_are_refused() {
    let house = House::build().await;
    let worker = house.work();
    let rows = |count: u32| {
        let rows = (0..count).map(|n| vec![text(format!("c{n}"))]);
        let rows = std::iter::once(vec![text("Code")]).chain(rows).collect();
        workbook_of(&[Sheet::new("Clubs", rows)])
    };
    let (code, message) = refused(&house, Import::club(rows(40_001), json!({}))).await;
    assert_eq!(code, "too_many_rows");
    assert!(message.contains("40000"), "{message}");
    let many = members(100_001, |_, _| ());
    let abort = Import::members(many, json!({"on_error": "abort"}));
    let (code, message) = refused(&house, abort).await;
    assert_eq!(code, "too_many_rows");
    assert!(message.contains("100000"), "{message}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_file_costs_its_import_and_not_the_worker() {
    let house = House::build().await;
    let mut worker = house.process();
    for file in QUICK {
        let (what, content) = (file.name, (file.bytes)());
        assert!(content.len() < 4 << 20, "{what}: {} bytes", content.len());
        let task = house.import_members(content, json!({})).await;
        // others go on beside it
        let other = house
            .import_members(members(100, |_, _| ()), json!({"mode": "upsert"}))
            .await;
        let failed = house.until(task, TaskStatus::Failed).await;
        let error = failed.error.expect("an error");
        assert_eq!(Some(&*error.code), file.code, "{what}: {error:?}");
        house.until(other, TaskStatus::Success).await;
        let peak = worker.peak_bytes();
        assert!(peak <= MOST_BYTES, "{what}: {} MiB", peak >> 20);
        let left = std::fs::read_dir(house.path("temp")).expect("a directory");
        assert_eq!(left.count(), 0, "{what} left a file behind");
    }
    assert!(worker.0.try_wait().expect("a child").is_none(), "it lives");
}

/// As much work as a file may be, and seconds of it.
#[tokio::test(flavor = "multi_thread")]
async fn while_gibibytes_of_a_hostile_file_are_read_other_imports_go_on() {
    let house = House::build().await;
    let mut worker = house.process();
    let mut heavy = HEAVY.iter();
    let heavy = heavy.find(|file| file.name == "4 GiB of comments");
    let hostile = heavy.expect("one of them").bytes;
    let hostile = house.import_members(hostile(), json!({})).await;
    eventually("it to be read", async || {
        let status = house.task(hostile).await.status;
        (status == TaskStatus::Processing).then_some(())
    })
    .await;
    let other = house.import_members(members(500, |_, _| ()), json!({}));
    let other = house.until(other.await, TaskStatus::Success).await;
    let failed = house.until(hostile, TaskStatus::Failed).await;
    assert!(
        other.finished_at < failed.finished_at,
        "it did not wait: {failed:?}"
    );
    assert_eq!(failed.error.expect("an error").code, "archive_limits");
    let peak = worker.peak_bytes();
    assert!(peak <= MOST_BYTES, "{} MiB", peak >> 20);
    assert!(worker.0.try_wait().expect("a child").is_none(), "it lives");
}
