//! The options of `quay export`, and the file that each leads to.

use serde_json::{Value, json};

use crate::house::{Bell, House};

#[tokio::test(flavor = "multi_thread")]
async fn every_option_of_an_export_arrives() {
    let house = House::open(Bell::Broken).await;
    let arguments = [
        "export",
        "user",
        "--json",
        "--no-header",
        "--no-guard-formulas",
        "--null-text",
        "-",
        "--rows-per-file",
        "500000",
        "--file-name",
        "季度",
        "--format",
        "csv",
        "--idempotency-key",
        "k1",
        "--timezone",
        "UTC",
        "--locale",
        "en",
        "--sort=-id",
        "--queue",
        house.queue(),
    ];
    let first = house.quay(&arguments);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let told = first.json()["options"].clone();
    for (name, value) in [
        ("header", json!(false)),
        ("guard_formulas", json!(false)),
        ("null_text", json!("-")),
        ("rows_per_file", json!(500_000)),
    ] {
        assert_eq!(told[name], value, "{name} in {told}");
    }
    let spec: String = house
        .database
        .one("SELECT CAST(context AS CHAR) FROM compensate_biz")
        .await;
    let spec: Value = serde_json::from_str(&spec).expect("a stored request");
    for word in ["\"UTC\"", "\"en\"", "季度"] {
        assert!(spec.to_string().contains(word), "{word} in {spec}");
    }
    assert!(spec.to_string().to_lowercase().contains("csv"), "{spec}");
    assert_eq!(
        house.quay(&arguments).json()["id"],
        first.json()["id"],
        "the same key"
    );
    let sheets = house.quay(&["export", "user", "--rows-per-sheet", "1000", "--json"]);
    assert_eq!(
        sheets.json()["options"]["rows_per_sheet"],
        1000,
        "{}",
        sheets.stderr
    );
    let elsewhere = house.quay(&["export", "user", "--queue", "nowhere"]);
    assert!(
        elsewhere.stderr.contains("422 unknown_queue"),
        "{}",
        elsewhere.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_the_file_to_save_chooses_the_format() {
    let mut house = House::open(Bell::Embedded).await;
    house.start_worker().await;
    let folder = house.downloads();
    let path = folder.join("users.csv");
    let path = path.to_str().expect("a plain path");
    let exported = house.quay(&["export", "user", "-o", path]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let bytes = std::fs::read(path).expect("the file");
    assert!(bytes.starts_with("\u{feff}".as_bytes()), "csv with BOM");
    let other = house.quay(&[
        "export",
        "user",
        "--format",
        "xlsx",
        "--overwrite",
        "-o",
        path,
    ]);
    assert_eq!(other.code, 0, "{}", other.stderr);
    assert!(
        std::fs::read(path).expect("the file").starts_with(b"PK"),
        "what was asked for"
    );
    assert!(
        other.stderr.contains("really a file like"),
        "and said so: {}",
        other.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_come_as_a_zip_under_the_name_that_the_server_gives() {
    let mut house = House::open(Bell::Embedded).await;
    house.start_worker().await;
    let seeded = house.quay(&["seed", "user", "--rows", "250"]);
    assert_eq!(seeded.code, 0, "{}", seeded.stderr);
    let folder = house.downloads();
    let into = folder.to_str().expect("a plain path");
    for (format, rows) in [("csv", "100"), ("xlsx", "100")] {
        let name = format!("名册{format}");
        let options = [
            "--format",
            format,
            "--rows-per-file",
            rows,
            "--file-name",
            &name,
        ];
        let exported = house.quay(&[&["export", "user", "-o", into], &options[..]].concat());
        assert_eq!(exported.code, 0, "{}", exported.stderr);
        let file = std::fs::read(folder.join(format!("{name}.zip"))).expect("the zip");
        assert!(file.starts_with(b"PK"), "a zip");
        assert!(exported.stdout.contains("250 rows"), "{}", exported.stdout);
    }
}
