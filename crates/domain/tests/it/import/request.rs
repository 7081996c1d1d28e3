//! A request for an import becomes a spec once, or is refused with every fault and its place.

use chrono_tz::Tz;
use domain::{
    Empty, FaultCode, Formulas, HiddenRows, ImportMode, ImportRequest, ImportSpec, Merged,
    NumberForm, OnError, SheetChoice, TextEncoding,
};
use serde_json::{Value, json};

use super::workshop::{defaults, thing, thing_with, upload};
use crate::dataset::shipped;

fn check(dataset: &str, options: &Value) -> Result<ImportSpec, Vec<(String, FaultCode)>> {
    let read = ImportRequest::read(dataset, Some(options.to_string().as_bytes()));
    let checked = read.and_then(|it| it.check(&shipped(), &defaults(), upload(), true));
    checked.map_err(|faults| faults.into_iter().map(|it| (it.pointer, it.code)).collect())
}

#[test]
fn a_bare_request_has_the_defaults() {
    let request = ImportRequest::read("member", None).unwrap();
    let spec = request
        .check(&shipped(), &defaults(), upload(), false)
        .unwrap();
    assert_eq!(
        (spec.dataset.as_str(), spec.dataset_version.as_str()),
        ("member", "3")
    );
    assert_eq!(
        (spec.locale.as_str(), spec.timezone, spec.queue.as_str()),
        ("zh-CN", Tz::Asia__Shanghai, "default")
    );
    assert_eq!(
        (spec.options, spec.upload),
        (domain::ImportOptions::default(), upload())
    );
    assert!(!spec.sees_sensitive);
}

/// Whoever checks roles looks for the very same name.
#[test]
fn a_name_with_a_blank_is_another_name() {
    let wrong = check(" member", &json!({})).unwrap_err();
    assert_eq!(wrong, [("/dataset".to_owned(), FaultCode::DatasetNotFound)]);
}

#[test]
fn every_option_is_taken() {
    let spec = check(
        "member",
        &json!({
            "mode": "upsert", "validate_only": true, "sheet": "会员", "header_row": 3,
            "mapping": {"卡号": "member_no"}, "on_error": "abort", "batch_size": 5000,
            "stagger_ms": [50, 200], "empty_means": "keep", "locale": "en", "timezone": "UTC",
            "formulas": "error", "merged": "fill", "hidden_rows": "skip", "queue": "default",
            "numbers": "1.234,5", "encoding": "windows-1252", "stop_after_blank_rows": 9,
        }),
    )
    .unwrap();
    let options = spec.options;
    assert_eq!(
        (options.mode, options.validate_only),
        (ImportMode::Upsert, true)
    );
    assert_eq!(options.sheet, Some(SheetChoice::Name("会员".into())));
    assert_eq!(
        (options.header_row, options.batch_size),
        (Some(3), Some(5_000))
    );
    assert_eq!(options.mapping["卡号"], "member_no");
    assert_eq!(
        (options.on_error, options.stagger_ms),
        (OnError::Abort, Some((50, 200)))
    );
    assert_eq!(
        (options.empty_means, options.formulas),
        (Empty::Keep, Formulas::Error)
    );
    assert_eq!(
        (options.merged, options.hidden_rows),
        (Merged::Fill, HiddenRows::Skip)
    );
    assert_eq!(
        (options.numbers, options.encoding),
        (
            Some(NumberForm::PointComma),
            Some(TextEncoding::Windows1252)
        )
    );
    assert_eq!(options.stop_after_blank_rows, Some(9));
    assert_eq!(
        (spec.locale.as_str(), spec.timezone, spec.sees_sensitive),
        ("en", Tz::UTC, true)
    );
    let number = check("member", &json!({"sheet": 2, "mode": null})).unwrap();
    assert_eq!(number.options.sheet, Some(SheetChoice::Number(2)));
}

#[test]
fn every_fault_is_told_with_its_place() {
    use FaultCode::{DatasetNotFound, InvalidRequest, UnknownColumn, UnknownQueue};
    let page = "x".repeat(513);
    let too_long = format!("/options/mapping/{page}");
    let cases = [
        ("", json!({}), "/dataset", InvalidRequest),
        ("nope", json!({}), "/dataset", DatasetNotFound),
        ("member", json!([1]), "/options", InvalidRequest),
        ("member", json!("{"), "/options", InvalidRequest),
        (
            "member",
            json!({"color": 1}),
            "/options/color",
            InvalidRequest,
        ),
        ("member", json!({"a/b": 1}), "/options/a~1b", InvalidRequest),
        (
            "member",
            json!({"mode": "replace"}),
            "/options/mode",
            InvalidRequest,
        ),
        (
            "member",
            json!({"validate_only": "yes"}),
            "/options/validate_only",
            InvalidRequest,
        ),
        (
            "member",
            json!({"sheet": 0}),
            "/options/sheet",
            InvalidRequest,
        ),
        (
            "member",
            json!({"sheet": ""}),
            "/options/sheet",
            InvalidRequest,
        ),
        (
            "member",
            json!({"header_row": 0}),
            "/options/header_row",
            InvalidRequest,
        ),
        (
            "member",
            json!({"header_row": 1_048_577}),
            "/options/header_row",
            InvalidRequest,
        ),
        (
            "member",
            json!({"mapping": []}),
            "/options/mapping",
            InvalidRequest,
        ),
        (
            "member",
            json!({"mapping": {"x": 1}}),
            "/options/mapping/x",
            InvalidRequest,
        ),
        (
            "member",
            json!({"mapping": {page.as_str(): "member_no"}}),
            too_long.as_str(),
            InvalidRequest,
        ),
        (
            "member",
            json!({"mapping": {"x": "nope"}}),
            "/options/mapping/x",
            UnknownColumn,
        ),
        (
            "member",
            json!({"mapping": {"x": "id"}}),
            "/options/mapping/x",
            UnknownColumn,
        ),
        (
            "member",
            json!({"on_error": "ignore"}),
            "/options/on_error",
            InvalidRequest,
        ),
        (
            "member",
            json!({"batch_size": 0}),
            "/options/batch_size",
            InvalidRequest,
        ),
        (
            "member",
            json!({"batch_size": 5001}),
            "/options/batch_size",
            InvalidRequest,
        ),
        (
            "member",
            json!({"stagger_ms": [200, 50]}),
            "/options/stagger_ms",
            InvalidRequest,
        ),
        (
            "member",
            json!({"stagger_ms": 50}),
            "/options/stagger_ms",
            InvalidRequest,
        ),
        (
            "member",
            json!({"stagger_ms": [0, 60_001]}),
            "/options/stagger_ms",
            InvalidRequest,
        ),
        (
            "member",
            json!({"empty_means": "blank"}),
            "/options/empty_means",
            InvalidRequest,
        ),
        (
            "member",
            json!({"formulas": 1}),
            "/options/formulas",
            InvalidRequest,
        ),
        (
            "member",
            json!({"merged": "last"}),
            "/options/merged",
            InvalidRequest,
        ),
        (
            "member",
            json!({"numbers": "de"}),
            "/options/numbers",
            InvalidRequest,
        ),
        (
            "member",
            json!({"encoding": "latin"}),
            "/options/encoding",
            InvalidRequest,
        ),
        (
            "member",
            json!({"stop_after_blank_rows": 0}),
            "/options/stop_after_blank_rows",
            InvalidRequest,
        ),
        (
            "member",
            json!({"hidden_rows": true}),
            "/options/hidden_rows",
            InvalidRequest,
        ),
        (
            "member",
            json!({"locale": "fr"}),
            "/options/locale",
            InvalidRequest,
        ),
        (
            "member",
            json!({"locale": 1}),
            "/options/locale",
            InvalidRequest,
        ),
        (
            "member",
            json!({"timezone": "Mars/Base"}),
            "/options/timezone",
            InvalidRequest,
        ),
        (
            "member",
            json!({"queue": "fast"}),
            "/options/queue",
            UnknownQueue,
        ),
    ];
    for (dataset, options, pointer, code) in cases {
        let told = check(dataset, &options).unwrap_err();
        assert_eq!(told, [(pointer.to_owned(), code)], "{options}");
    }
    let several = check("member", &json!({"mode": "x", "locale": "fr", "y": 1})).unwrap_err();
    assert_eq!(several.len(), 3);
    assert!(ImportRequest::read("member", Some(b"{")).is_err());
    assert!(ImportRequest::read("member", Some(b" ")).is_ok());
}

#[test]
fn modes_and_batch_sizes_are_those_of_the_dataset() {
    let limited = thing_with("limits = { max_batch_size = 100 }", "");
    let run = |catalog: &domain::Catalog, options: Value| {
        let request = ImportRequest::read("thing", Some(options.to_string().as_bytes())).unwrap();
        request.check(catalog, &defaults(), upload(), false)
    };
    assert!(run(&limited, json!({"batch_size": 100})).is_ok());
    assert!(run(&limited, json!({"batch_size": 101})).is_err());
    let text = |modes: &str| {
        let text = format!(
            r#"
            name = "thing"
            label = {{ en = "Thing" }}
            version = "1"
            table = "thing"
            primary_key = ["id"]
            key = ["code"]
            {modes}
            columns = [{{ name = "code", label = {{ en = "Code" }}, type = "string" }}]
            "#
        );
        domain::Catalog::parse([("thing.toml", text)]).unwrap()
    };
    let updates = text(r#"import_modes = ["update"]"#);
    assert_eq!(
        run(&updates, json!({})).unwrap().options.mode,
        ImportMode::Update
    );
    assert!(run(&updates, json!({"mode": "insert"})).is_err());
    let none = run(&text(""), json!({})).unwrap_err();
    assert_eq!(
        (none[0].pointer.as_str(), none[0].code),
        ("/dataset", FaultCode::InvalidRequest)
    );
    assert!(run(&thing(""), json!({"mode": "upsert"})).is_ok());
}
