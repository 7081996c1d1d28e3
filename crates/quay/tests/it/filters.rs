//! What a person types as a condition is what the gateway is asked.

use proptest::prelude::*;
use quay::{FilterError, filters_from};
use serde_json::{Value, json};

fn filter(condition: &str) -> Value {
    Value::Object(filters_from(&[condition]).expect("a condition"))
}

#[test]
fn each_operator_says_what_it_means() {
    for (condition, asked) in [
        ("department=研发部", json!({"department": {"eq": "研发部"}})),
        (
            "department = 研发部",
            json!({"department": {"eq": "研发部"}}),
        ),
        ("status!=LEFT", json!({"status": {"ne": "LEFT"}})),
        (
            "hire_date>2020-01-01",
            json!({"hire_date": {"gt": "2020-01-01"}}),
        ),
        (
            "hire_date>=2020-01-01",
            json!({"hire_date": {"gte": "2020-01-01"}}),
        ),
        ("salary<10.50", json!({"salary": {"lt": "10.50"}})),
        ("salary<=10.50", json!({"salary": {"lte": "10.50"}})),
        ("name^=张", json!({"name": {"like_prefix": "张"}})),
        ("id in 1,2,3", json!({"id": {"in": ["1", "2", "3"]}})),
        ("id IN 1", json!({"id": {"in": ["1"]}})),
        ("id in", json!({"id": {"in": []}})),
        (
            r"name in a\,b,c\\d",
            json!({"name": {"in": ["a,b", r"c\d"]}}),
        ),
        ("email is null", json!({"email": {"is_null": true}})),
        ("email is NOT null", json!({"email": {"is_null": false}})),
        ("active is true", json!({"active": {"eq": true}})),
        ("active is false", json!({"active": {"eq": false}})),
        ("name=", json!({"name": {"eq": ""}})),
        ("name==x", json!({"name": {"eq": "=x"}})),
        ("name=' OR 1=1 --", json!({"name": {"eq": "' OR 1=1 --"}})),
    ] {
        assert_eq!(filter(condition), asked, "{condition}");
    }
}

#[test]
fn conditions_on_one_column_join() {
    let joined = filters_from(&["hire_date>=2020-01-01", "hire_date<2021-01-01", "id=1"]);
    let asked = json!({"hire_date": {"gte": "2020-01-01", "lt": "2021-01-01"}, "id": {"eq": "1"}});
    assert_eq!(joined.map(Value::Object), Ok(asked));
}

#[test]
fn what_is_no_condition_is_refused() {
    let refused = |condition: &str| filters_from(&[condition]).expect_err(condition);
    for condition in ["", "=x", " ^=x", "1a=x", "研发部"] {
        assert_eq!(
            refused(condition),
            FilterError::NoColumn(condition.to_owned())
        );
    }
    for condition in [
        "department",
        "department 研发部",
        "department ~ x",
        "idin 1",
        "id inside",
    ] {
        assert_eq!(
            refused(condition),
            FilterError::NoOperator(condition.to_owned())
        );
    }
    assert!(matches!(refused("email is empty"), FilterError::IsWhat(_)));
    let twice = FilterError::Twice {
        column: "id".to_owned(),
        operator: "eq",
    };
    assert_eq!(filters_from(&["id=1", "id=2"]), Err(twice));
}

proptest! {
    #[test]
    fn any_value_comes_out_as_it_went_in(
        column in "[a-z_][a-z0-9_]{0,12}",
        sign in prop::sample::select(&[("=", "eq"), ("!=", "ne"), (">=", "gte"), ("<=", "lte"),
            ("^=", "like_prefix")]),
        value in "\\PC{0,40}",
    ) {
        let value = value.trim_start();
        let condition = format!("{column}{}{value}", sign.0);
        prop_assert_eq!(filter(&condition), json!({column: {sign.1: value}}));
    }

    #[test]
    fn any_list_comes_out_as_it_went_in(
        mut values in prop::collection::vec("\\PC{1,12}", 1..6),
    ) {
        if let Some(first) = values.first_mut() {
            *first = format!("x{first}");
        }
        let escaped: Vec<String> = values
            .iter()
            .map(|value| value.replace('\\', r"\\").replace(',', r"\,"))
            .collect();
        let condition = format!("id in {}", escaped.join(","));
        prop_assert_eq!(filter(&condition), json!({"id": {"in": values}}));
    }

    #[test]
    fn no_text_makes_it_panic(condition in "\\PC{0,40}") {
        drop(filters_from(&[condition]));
    }
}
