//! Sensitive columns are for those who may see them, by whatever way one asks.

use domain::{Access, Catalog, ExportSpec, FaultCode};
use serde_json::{Value, json};

use crate::dataset::shipped;
use crate::export::{check, check_as};

/// Somebody without the right.
const NOT: Access = Access { sensitive: false };

const PAY: &str = r#"
name = "pay"
label = { en = "Pay" }
version = "1"
table = "pay"
shared = true
primary_key = ["id"]
key = ["code"]
sort = ["-salary", "code"]
roles = { export = ["CLERK", "CHIEF"], sensitive = ["CHIEF"] }
columns = [
  { name = "code", label = { en = "Code" }, type = "string", sortable = true },
  { name = "salary", label = { en = "Salary" }, type = "decimal", sortable = true, sensitive = true },
]
filters = [
  { column = "code", operators = ["eq"] },
  { column = "salary", operators = ["gt"] },
]
"#;

fn pay() -> Catalog {
    Catalog::parse([("pay.toml", PAY)]).unwrap()
}

fn order(spec: &ExportSpec) -> Vec<&str> {
    spec.sort.iter().map(|key| key.column.as_str()).collect()
}

#[test]
fn the_definition_says_who_may_see_them() {
    let catalog = pay();
    let pay = catalog.get("pay").unwrap();
    assert!(pay.may_see_sensitive(&["CLERK".into(), "CHIEF".into()]));
    assert!(!pay.may_see_sensitive(&["CLERK".into()]));
    for name in ["employee", "user"] {
        let shipped = shipped();
        let dataset = shipped.get(name).unwrap();
        assert!(dataset.columns.iter().any(|column| column.sensitive));
        assert!(dataset.may_see_sensitive(&["MANAGER".into()]) && !dataset.may_see_sensitive(&[]));
    }
}

#[test]
fn without_the_right_they_are_left_out_where_no_column_is_named() {
    let spec = check_as(NOT, &pay(), &json!({"dataset": "pay"})).unwrap();
    assert_eq!(spec.columns, ["code"]);
    assert_eq!(order(&spec), ["code", "id"], "nor does the order tell them");
    let all = Access { sensitive: true };
    let spec = check_as(all, &pay(), &json!({"dataset": "pay"})).unwrap();
    assert_eq!(spec.columns, ["code", "salary"]);
    assert_eq!(order(&spec), ["salary", "code", "id"]);
    let employee = check_as(NOT, &shipped(), &json!({"dataset": "employee"})).unwrap();
    assert!(!employee.columns.contains(&"salary".to_owned()));
    assert_eq!(employee.columns.len(), 10);
}

#[test]
fn without_the_right_naming_one_is_forbidden_in_columns_filters_and_sort() {
    let cases: [(Value, &str); 4] = [
        (json!({"columns": ["code", "salary"]}), "/columns/1"),
        (json!({"filters": {"salary": {"gt": 1}}}), "/filters/salary"),
        (
            json!({"filters": {"salary": "nonsense"}}),
            "/filters/salary",
        ),
        (json!({"sort": ["-salary"]}), "/sort/0"),
    ];
    for (mut body, pointer) in cases {
        body["dataset"] = json!("pay");
        let told = check_as(NOT, &pay(), &body).unwrap_err();
        assert_eq!(told.len(), 1, "{body}");
        assert_eq!(
            (told[0].pointer.as_str(), told[0].code),
            (pointer, FaultCode::Forbidden)
        );
        assert!(told[0].message.contains("`salary`"), "{}", told[0].message);
    }
    let named = json!({"dataset": "employee", "columns": ["salary"], "sort": ["salary"]});
    assert!(check(&named).is_ok(), "with the right it may be named");
}

#[test]
fn a_dataset_of_which_nothing_may_be_seen_is_forbidden() {
    let only = PAY.replacen(
        "type = \"string\"",
        "type = \"string\", sensitive = true",
        1,
    );
    let catalog = Catalog::parse([("pay.toml", only)]).unwrap();
    let told = check_as(NOT, &catalog, &json!({"dataset": "pay"})).unwrap_err();
    assert_eq!(
        (told[0].pointer.as_str(), told[0].code),
        ("/columns", FaultCode::Forbidden)
    );
}
