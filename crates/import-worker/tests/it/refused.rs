//! Files that are refused have written nothing, and cost nobody else anything.

use std::io::{Cursor, Write};

use domain::TaskStatus;
use serde_json::{Value as Json, json};
use testkit::eventually;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

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

/// A workbook whose parts can be anything.
fn with_part(name: &str, begin: &str, repeated: &str, times: usize, end: &str) -> Vec<u8> {
    let plain = workbook(vec![member_header()]);
    let mut from = zip::ZipArchive::new(Cursor::new(plain)).expect("an archive");
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..from.len() {
        let entry = from.by_index_raw(at).expect("an entry");
        if entry.name().expect("a name") != name {
            out.raw_copy_file(entry).expect("copied");
        }
    }
    let options = SimpleFileOptions::default().compression_level(Some(1));
    out.start_file(name, options).expect("an entry");
    out.write_all(begin.as_bytes()).expect("written");
    let piece = repeated.repeat((1 << 20) / repeated.len());
    let per_piece = piece.len() / repeated.len();
    for _ in 0..times.div_ceil(per_piece) {
        out.write_all(piece.as_bytes()).expect("written");
    }
    out.write_all(end.as_bytes()).expect("written");
    out.finish().expect("an archive").into_inner()
}

fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let sheet = "xl/worksheets/sheet1.xml";
    let open = "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>";
    let text_open = format!("{open}<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>");
    let doctype =
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let row_open = format!("{open}<row r=\"1\">");
    vec![
        // half a GiB of text in one cell
        (
            "a bomb of text",
            with_part(
                sheet,
                &text_open,
                "aaaaaaaa",
                64 << 20,
                "</t></is></c></row></sheetData></worksheet>",
            ),
        ),
        (
            "a bomb of cells",
            with_part(
                sheet,
                &row_open,
                "<c r=\"ZZZZZZZ99999999999\"/>",
                1 << 20,
                "</row></sheetData></worksheet>",
            ),
        ),
        (
            "entities",
            with_part(
                sheet,
                &format!("{doctype}{open}"),
                "<row r=\"1\"><c t=\"str\"><v>&b;</v></c></row>",
                1,
                "</sheetData></worksheet>",
            ),
        ),
        (
            "a sheet without end",
            with_part(sheet, open, "<row><c>", 1 << 16, ""),
        ),
        (
            "noise",
            (0..200_000_u32)
                .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
                .collect(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_file_costs_its_import_and_not_the_worker() {
    let house = House::build().await;
    let mut worker = house.process();
    for (what, content) in hostile() {
        let task = house.import_members(content, json!({})).await;
        // others go on beside it
        let other = house
            .import_members(members(100, |_, _| ()), json!({"mode": "upsert"}))
            .await;
        let failed = house.until(task, TaskStatus::Failed).await;
        let error = failed.error.expect("an error");
        let known = [
            "not_a_workbook",
            "archive_limits",
            "too_many_columns",
            "empty_file",
        ];
        assert!(known.contains(&&*error.code), "{what}: {error:?}");
        house.until(other, TaskStatus::Success).await;
    }
    let peak = worker.peak_bytes();
    assert!(peak <= MOST_BYTES, "{} MiB", peak >> 20);
    assert!(worker.0.try_wait().expect("a child").is_none(), "it lives");
}
