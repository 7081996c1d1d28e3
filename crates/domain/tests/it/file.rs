//! The file that an export becomes: its format, its size, its names.

use domain::{ExportFormat, ExportOptions, ExportSpec, FaultCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::export::{check, faults};

fn with(format: &str, options: Value) -> Value {
    json!({"dataset": "employee", "format": format, "options": options})
}

fn spec(format: &str, options: Value) -> ExportSpec {
    check(&with(format, options)).unwrap()
}

#[test]
fn the_format_decides_the_ending_and_is_xlsx_unless_told() {
    assert_eq!(
        check(&json!({"dataset": "user"})).unwrap().format,
        ExportFormat::Xlsx
    );
    let csv = spec("csv", json!({}));
    assert_eq!(csv.format, ExportFormat::Csv);
    assert_eq!(csv.file_name, "员工信息_20260102_030405.csv");
    for unknown in ["CSV", "xls", "zip", ""] {
        let told = faults(&with(unknown, json!({})));
        assert_eq!(
            told,
            [("/format".to_owned(), FaultCode::InvalidRequest)],
            "{unknown}"
        );
    }
}

#[test]
fn a_wanted_file_name_is_made_safe_and_has_one_extension() {
    let name = |wanted: &str| spec("xlsx", json!({"file_name": wanted})).file_name;
    assert_eq!(name("员工.XLSX"), "员工.xlsx");
    assert_eq!(name("员工.csv"), "员工.xlsx");
    assert_eq!(name("员工.csv.Zip"), "员工.xlsx");
    assert_eq!(name("../../etc/passwd"), "_.._etc_passwd.xlsx");
    assert_eq!(name("a\r\nb\u{202e}c"), "a__b_c.xlsx");
    assert_eq!(name("  .hidden. "), "hidden.xlsx");
    assert_eq!(name("con"), "_con.xlsx");
    assert_eq!(name("COM1.txt"), "_COM1.txt.xlsx");
    assert_eq!(name(&"数".repeat(200)).len(), 198 + ".xlsx".len());
}

#[test]
fn parts_and_archive_are_named_after_the_file() {
    let csv = spec("csv", json!({"file_name": "员工.xlsx"}));
    assert_eq!(csv.file_name, "员工.csv");
    assert_eq!(csv.zip_name(), "员工.zip");
    assert_eq!(
        (csv.part_name(1), csv.part_name(1000)),
        ("员工_001.csv".into(), "员工_1000.csv".into())
    );
    let dated = spec("xlsx", json!({}));
    assert_eq!(dated.part_name(12), "员工信息_20260102_030405_012.xlsx");
}

#[test]
fn a_sheet_takes_what_is_left_of_it_below_the_header() {
    let room = |options| spec("xlsx", options).options.sheet_rows();
    assert_eq!(room(json!({})), 1_048_575);
    assert_eq!(room(json!({"header": false})), 1_048_576);
    assert_eq!(room(json!({"rows_per_sheet": 1})), 1);
    assert_eq!(
        room(json!({"rows_per_sheet": 1_048_576, "header": false})),
        1_048_576
    );
    assert_eq!(
        spec("xlsx", json!({"rows_per_file": 7}))
            .options
            .rows_per_file,
        Some(7)
    );
    assert_eq!(
        spec("csv", json!({"rows_per_file": u64::MAX}))
            .options
            .rows_per_file,
        Some(u64::MAX)
    );
}

#[test]
fn sizes_that_no_file_can_have_are_refused() {
    let cases = [
        (
            "xlsx",
            json!({"rows_per_sheet": 1_048_576}),
            "rows_per_sheet",
        ),
        (
            "xlsx",
            json!({"rows_per_sheet": 1_048_577, "header": false}),
            "rows_per_sheet",
        ),
        (
            "xlsx",
            json!({"rows_per_sheet": u64::MAX}),
            "rows_per_sheet",
        ),
        ("xlsx", json!({"rows_per_sheet": 0}), "rows_per_sheet"),
        ("xlsx", json!({"rows_per_sheet": "9"}), "rows_per_sheet"),
        ("xlsx", json!({"rows_per_file": -1}), "rows_per_file"),
        ("xlsx", json!({"rows_per_file": 1.5}), "rows_per_file"),
        ("csv", json!({"rows_per_sheet": 9}), "rows_per_sheet"),
        ("csv", json!({"rows_per_file": 0}), "rows_per_file"),
    ];
    for (format, options, option) in cases {
        let told = faults(&with(format, options.clone()));
        let expected = (format!("/options/{option}"), FaultCode::InvalidRequest);
        assert_eq!(told, [expected], "{format} {options}");
    }
}

#[test]
fn every_option_makes_another_export_of_it() {
    let bare = spec("xlsx", json!({})).identity();
    for (format, options) in [
        ("csv", json!({})),
        ("xlsx", json!({"rows_per_sheet": 9})),
        ("xlsx", json!({"rows_per_file": 9})),
        ("xlsx", json!({"guard_formulas": false})),
        ("xlsx", json!({"header": false})),
        ("xlsx", json!({"null_text": "-"})),
        ("xlsx", json!({"file_name": "x"})),
    ] {
        assert_ne!(
            spec(format, options.clone()).identity(),
            bare,
            "{format} {options}"
        );
    }
    assert_eq!(
        spec("xlsx", json!({"header": true, "rows_per_file": null})).identity(),
        bare
    );
}

#[test]
fn options_stored_before_an_option_was_made_are_still_read() {
    let old = r#"{"header":false,"null_text":null,"file_name":null,"guard_formulas":true}"#;
    let options: ExportOptions = serde_json::from_str(old).unwrap();
    assert_eq!(
        options,
        ExportOptions {
            header: false,
            ..ExportOptions::default()
        }
    );
    assert_eq!(
        serde_json::to_string(&options).unwrap(),
        old,
        "and older programs read ours"
    );
}

proptest! {
    #[test]
    fn a_file_name_is_never_unsafe(wanted in any::<String>(), csv in any::<bool>()) {
        let format = if csv { "csv" } else { "xlsx" };
        if let Ok(spec) = check(&with(format, json!({"file_name": wanted}))) {
            let part = spec.part_name(9_999);
            for name in [&spec.file_name, &part, &spec.zip_name()] {
                prop_assert!(name.len() <= 210 && !name.starts_with('.'));
                prop_assert!(!name.contains(['/', '\\', '"']) && !name.chars().any(char::is_control));
            }
            prop_assert!(spec.file_name.ends_with(format) && part.ends_with(format));
        }
    }
}
