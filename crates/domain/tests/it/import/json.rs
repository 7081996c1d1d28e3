//! Rows that come in a request.

use chrono_tz::Tz;
use domain::{FaultCode, ImportMode, JsonRows, JsonTerms, RowCode};
use serde_json::{Map, Value, json};

use super::workshop::{thing, told};

const COLUMNS: &str = r#"
  { name = "name", label = { en = "Name" }, type = "string", required = true },
  { name = "points", label = { en = "Points" }, type = "integer" },
  { name = "pay", label = { en = "Pay" }, type = "decimal", scale = 2, sensitive = true },
  { name = "active", label = { en = "Active" }, type = "boolean" },
  { name = "seen_at", label = { en = "Seen" }, type = "datetime", stored_in = "UTC" },
  { name = "id", label = { en = "ID" }, type = "integer", importable = false },
"#;

fn objects(rows: Value) -> Vec<Map<String, Value>> {
    serde_json::from_value(rows).unwrap()
}

fn read(mode: ImportMode, rows: Value) -> Result<JsonRows, Vec<domain::FieldFault>> {
    let terms = JsonTerms {
        mode,
        locale: "en",
        timezone: Tz::Asia__Shanghai,
        sees_sensitive: false,
    };
    JsonRows::read(thing(COLUMNS).iter().next().unwrap(), &objects(rows), terms)
}

fn values(rows: &JsonRows, index: usize) -> Vec<String> {
    rows.rows()[index]
        .as_ref()
        .unwrap()
        .iter()
        .map(told)
        .collect()
}

fn codes(rows: &JsonRows, index: usize) -> Vec<(String, RowCode)> {
    let errors = rows.rows()[index].as_ref().unwrap_err();
    errors
        .iter()
        .map(|it| (it.field.clone().unwrap(), it.code))
        .collect()
}

#[test]
fn values_are_of_the_columns_types() {
    let rows = read(
        ImportMode::Insert,
        json!([
            {"code": "c1", "name": "A", "points": 9_007_199_254_740_993_i64, "pay": 12.5, "active": true, "seen_at": "2026-01-02T08:00:00"},
            {"code": "c2", "name": "B", "points": "18446744073709551615", "pay": "0.10", "active": null, "seen_at": "2026-01-02T08:00:00Z"},
            {"code": "c3", "name": "C"},
        ]),
    )
    .unwrap();
    assert_eq!(
        rows.fields(),
        ["code", "name", "points", "pay", "active", "seen_at"]
    );
    assert_eq!(
        values(&rows, 0),
        [
            "c1",
            "A",
            "9007199254740993",
            "12.50",
            "1",
            "2026-01-02 00:00:00"
        ]
    );
    assert_eq!(
        values(&rows, 1),
        [
            "c2",
            "B",
            "18446744073709551615",
            "0.10",
            "<null>",
            "2026-01-02 08:00:00"
        ]
    );
    assert_eq!(
        values(&rows, 2)[2..],
        ["<keep>"; 4],
        "what a row lacks is the table's"
    );
    assert_eq!(rows.key_sets()[0].columns, [0]);
}

#[test]
fn what_json_tells_apart_is_not_mixed() {
    let rows = read(
        ImportMode::Insert,
        json!([
            {"code": 7, "name": ["x"], "points": 1.5, "pay": {}, "active": 2, "seen_at": 46024},
            {"name": "", "pay": "secret"},
        ]),
    )
    .unwrap();
    let all: Vec<RowCode> = codes(&rows, 0).into_iter().map(|(_, code)| code).collect();
    assert_eq!(all, [RowCode::TypeMismatch; 6]);
    let second = codes(&rows, 1);
    assert_eq!(second[0], ("code".to_owned(), RowCode::Required));
    assert_eq!(second[1], ("name".to_owned(), RowCode::Required));
    assert_eq!(second[2], ("pay".to_owned(), RowCode::TypeMismatch));
    let errors = rows.rows()[1].as_ref().unwrap_err();
    assert_eq!(
        (errors[0].row, &errors[0].sheet, &errors[0].column),
        (1, &None, &None)
    );
    assert_eq!(errors[2].value.as_deref(), Some("***"));
}

#[test]
fn the_digits_of_a_number_are_meant() {
    let rows = json!([
        {"code": "c1", "name": "A", "pay": 0.1 + 0.2, "points": 5.0},
        {"code": "c2", "name": "A", "pay": 12.345},
        {"code": "c3", "name": "A", "pay": 12_345_678_901_234_567.89},
        {"code": "c4", "name": "A", "pay": 1e30},
    ]);
    let rows = read(ImportMode::Insert, rows).unwrap();
    assert_eq!(values(&rows, 0), ["c1", "A", "5", "0.30"]);
    let pay = |code| [("pay".to_owned(), code)];
    assert_eq!(codes(&rows, 1), pay(RowCode::OutOfRange));
    assert_eq!(codes(&rows, 2), pay(RowCode::PrecisionLost));
    assert_eq!(codes(&rows, 3), pay(RowCode::PrecisionLost));
}

#[test]
fn an_update_needs_its_key_and_what_it_changes() {
    let body = json!([{"code": "c1", "points": 5}]);
    let rows = read(ImportMode::Update, body.clone()).unwrap();
    assert_eq!(rows.fields(), ["code", "points"]);
    assert_eq!(values(&rows, 0), ["c1", "5"]);
    for mode in [ImportMode::Insert, ImportMode::Upsert] {
        let rows = read(mode, body.clone()).unwrap();
        assert_eq!(codes(&rows, 0), [("name".to_owned(), RowCode::Required)]);
    }
    let mixed = json!([{"code": "c1", "name": "B"}, {"code": "c2", "points": 5}]);
    let rows = read(ImportMode::Update, mixed).unwrap();
    assert_eq!(values(&rows, 0), ["c1", "B", "<keep>"]);
    assert_eq!(values(&rows, 1), ["c2", "<keep>", "5"]);
}

#[test]
fn a_key_that_is_no_importable_column_refuses_the_request_with_its_pointer() {
    let body = json!([{"code": "c1", "name": "A"}, {"code": "c2", "a/b": 1, "id": 5}]);
    let faults = read(ImportMode::Insert, body).unwrap_err();
    let told: Vec<_> = faults
        .iter()
        .map(|it| (it.pointer.as_str(), it.code))
        .collect();
    assert_eq!(
        told,
        [
            ("/rows/1/a~1b", FaultCode::UnknownColumn),
            ("/rows/1/id", FaultCode::UnknownColumn),
        ]
    );
}
