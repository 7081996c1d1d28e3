//! Rows that come in a request.

use chrono_tz::Tz;
use domain::{FaultCode, ImportMode, JsonRows, JsonTerms, RowCode, RowMessages};
use serde_json::{Map, Value, json};

use super::workshop::{thing, thing_with, told};

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

fn terms(mode: ImportMode) -> JsonTerms<'static> {
    JsonTerms {
        mode,
        locale: "en",
        timezone: Tz::Asia__Shanghai,
        sees_sensitive: false,
    }
}

fn read(mode: ImportMode, rows: Value) -> Result<JsonRows, Vec<domain::FieldFault>> {
    let catalog = thing(COLUMNS);
    JsonRows::read(catalog.iter().next().unwrap(), &objects(rows), terms(mode))
}

fn values(rows: &JsonRows, index: usize) -> Vec<String> {
    let fields = rows.rows()[index].good().unwrap();
    fields.iter().map(told).collect()
}

fn codes(rows: &JsonRows, index: usize) -> Vec<(String, RowCode)> {
    assert!(rows.rows()[index].good().is_none());
    let errors = &rows.rows()[index].errors;
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
    let errors = &rows.rows()[1].errors;
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
fn what_a_new_row_lacks_is_null_to_the_rules_between_columns() {
    let rules = r#"
rules = [
  { name = "closing", when = { column = "open", is = false }, required = "ends", message = { en = "What is closed has an end." } },
]
"#;
    let columns = r#"
  { name = "ends", label = { en = "Ends" }, type = "date" },
  { name = "open", label = { en = "Open" }, type = "boolean" },
"#;
    let catalog = thing_with(rules, columns);
    let read = |mode, rows: Value| {
        let dataset = catalog.iter().next().unwrap();
        JsonRows::read(dataset, &objects(rows), terms(mode)).unwrap()
    };
    let closed = json!({"code": "c1", "open": false});
    let ended = json!({"code": "c2", "open": false, "ends": "2026-01-02"});
    let open = json!({"code": "c3", "open": true});
    // no row has the column, or others have it
    let bare = read(ImportMode::Insert, json!([closed, open]));
    assert_eq!(bare.fields(), ["code", "open"]);
    let mixed = read(ImportMode::Insert, json!([closed, open, ended]));
    for rows in [&bare, &mixed] {
        let told = [("ends".to_owned(), RowCode::BusinessRule)];
        assert_eq!(codes(rows, 0), told);
        let error = &rows.rows()[0].errors[0];
        assert_eq!(error.message, "What is closed has an end.");
        assert_eq!(
            error.params,
            *json!({"rule": "closing"}).as_object().unwrap()
        );
        assert!(rows.rows()[1..].iter().all(|row| row.good().is_some()));
    }
    // a row that may be there has what nobody sees
    for mode in [ImportMode::Upsert, ImportMode::Update] {
        let rows = read(mode, json!([closed, ended]));
        assert!(rows.rows().iter().all(|row| row.good().is_some()));
    }
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

#[test]
fn a_text_with_the_character_of_no_text_is_told_as_its_rows_fault() {
    let rows = json!([
        {"code": "c\u{0}1", "name": "A"},
        {"code": "c2", "name": "A", "points": "1\u{0}"},
        {"code": "c3", "name": "A\u{1}"},
    ]);
    let rows = read(ImportMode::Insert, rows).unwrap();
    let told = |field: &str| [(field.to_owned(), RowCode::TypeMismatch)];
    assert_eq!(codes(&rows, 0), told("code"));
    assert_eq!(codes(&rows, 1), told("points"));
    assert_eq!(values(&rows, 2)[..2], ["c3", "A\u{1}"]);
}

#[test]
fn a_key_is_known_of_bad_rows_too_and_a_row_can_be_refused_for_it() {
    let body = json!([
        {"code": "c1", "name": "A"},
        {"code": "c1", "name": null},
        {"code": null, "name": "A"},
    ]);
    let mut rows = read(ImportMode::Insert, body).unwrap();
    let set = rows.key_sets()[0].clone();
    let keys: Vec<_> = rows.rows().iter().map(|row| set.key(&row.fields)).collect();
    assert_eq!(keys, [Some(vec!["c1"]), Some(vec!["c1"]), None]);
    let catalog = thing(COLUMNS);
    let dataset = catalog.iter().next().unwrap();
    let messages = RowMessages::new(dataset, &[], None, "en", false);
    rows.refuse(messages.duplicate(0, &set, &[1]));
    assert_eq!(
        codes(&rows, 0),
        [("code".to_owned(), RowCode::DuplicateInFile)]
    );
    assert_eq!(rows.rows()[0].errors[0].related_rows, [1]);
}
