//! What a person is told of a fault.

use domain::{Mapping, RowCode, RowMessages, SheetCell};
use serde_json::{Map, Value, json};

use super::workshop::{check, row, spec, thing};

const COLUMNS: &str = r#"
  { name = "level", label = { zh-CN = "等级", en = "Level" }, type = "integer", min = 1, max = 5 },
  { name = "mobile", label = { zh-CN = "手机号", en = "Mobile" }, type = "string", sensitive = true, max_length = 11 },
  { name = "state", label = { zh-CN = "状态", en = "State" }, type = "string", allowed = ["ON", "OFF"] },
"#;

fn messages(locale: &str, sees_sensitive: bool) -> RowMessages {
    let catalog = thing(COLUMNS);
    let columns = [(0, "code".to_owned()), (27, "mobile".to_owned())];
    let dataset = catalog.iter().next().unwrap();
    RowMessages::new(dataset, &columns, Some("Sheet1"), locale, sees_sensitive)
}

#[test]
fn every_code_has_a_sentence_in_both_languages_with_and_without_a_column() {
    let mut all = std::collections::BTreeSet::new();
    for locale in ["zh-CN", "zh-TW", "en", "en-GB"] {
        let messages = messages(locale, true);
        for code in RowCode::ALL {
            for field in [None, Some("level"), Some("state")] {
                let error = messages.error(5, *code, field, Some("x"), Map::new());
                let chinese = error.message.chars().any(|letter| letter > '\u{3000}');
                assert_eq!(chinese, locale.starts_with("zh"), "{}", error.message);
                let whole = !error.message.contains("{}") && !error.message.contains("null");
                assert!(whole, "{}", error.message);
                if locale == "en" && field == Some("level") {
                    all.insert(error.message);
                }
            }
        }
    }
    assert_eq!(all.len(), RowCode::ALL.len(), "{all:#?}");
}

#[test]
fn a_columns_own_rules_are_told_as_params() {
    let messages = messages("en", true);
    let told = |code, field| {
        let error = messages.error(5, code, Some(field), None, Map::new());
        (Value::Object(error.params), error.message)
    };
    let (params, message) = told(RowCode::NotInList, "state");
    assert_eq!(params, json!({"allowed": ["ON", "OFF"]}));
    assert_eq!(message, "“State” must be one of: ON, OFF.");
    let (params, message) = told(RowCode::TooLong, "mobile");
    assert_eq!(
        (params, message.as_str()),
        (json!({"max": 11}), "“Mobile” is longer than 11 characters.")
    );
    let (params, _) = told(RowCode::TypeMismatch, "level");
    assert_eq!(params, json!({"expected": "integer"}));
}

#[test]
fn a_value_beyond_a_bound_is_told_the_bounds_and_one_that_no_table_holds_is_not() {
    let catalog = thing(
        r#"{ name = "points", label = { en = "Points" }, type = "integer", min = 0 },
           { name = "level", label = { en = "Level" }, type = "integer", min = 1, max = 5 },"#,
    );
    let told = |points, level| {
        let cells = [SheetCell::Text("c1"), points, level];
        let options = json!({"locale": "en"});
        let (_, errors) = row(&check(&catalog, &options), &cells);
        let told = errors.into_iter().map(|error| {
            assert_eq!(error.code, RowCode::OutOfRange);
            (Value::Object(error.params), error.message)
        });
        told.collect::<Vec<_>>()
    };
    let bounds = told(SheetCell::Text("-1"), SheetCell::Text("6"));
    assert_eq!(
        bounds,
        [
            (
                json!({"min": "0"}),
                "“Points” must be at least 0.".to_owned()
            ),
            (
                json!({"min": "1", "max": "5"}),
                "“Level” must be between 1 and 5.".to_owned()
            ),
        ]
    );
    let beyond = told(
        SheetCell::Text("99999999999999999999"),
        SheetCell::Text("3"),
    );
    assert_eq!(
        beyond,
        [(json!({}), "“Points” is out of range.".to_owned())]
    );
}

#[test]
fn an_error_cell_that_holds_a_page_is_told_in_short() {
    let catalog = thing(r#"{ name = "points", label = { en = "Points" }, type = "integer" },"#);
    let page = "x".repeat(30_000);
    let cells = [SheetCell::Text("c1"), SheetCell::Error(&page)];
    let (_, errors) = row(&check(&catalog, &json!({})), &cells);
    assert_eq!(errors[0].code, RowCode::ErrorCell);
    assert!(serde_json::to_string(&errors).unwrap().len() < 600);
}

#[test]
fn places_are_the_sheets_own() {
    let messages = messages("zh-CN", true);
    let error = messages.error(1_042, RowCode::Required, Some("mobile"), None, Map::new());
    assert_eq!(
        (error.row, error.sheet.as_deref(), error.column.as_deref()),
        (1_042, Some("Sheet1"), Some("AB"))
    );
    let whole = messages.error(7, RowCode::NotFound, None, None, Map::new());
    assert_eq!((whole.column, whole.field), (None, None));
}

#[test]
fn a_long_value_is_shortened_and_a_sensitive_one_masked() {
    let long = "王".repeat(200);
    let value = |sees, field| {
        let messages = messages("en", sees);
        messages
            .error(5, RowCode::TooLong, Some(field), Some(&long), Map::new())
            .value
            .unwrap()
    };
    assert_eq!(value(true, "mobile").chars().count(), 101);
    assert!(value(true, "state").ends_with('…'));
    assert_eq!(value(false, "mobile"), "***");
    assert_eq!(value(false, "state").chars().count(), 101);
}

#[test]
fn no_part_of_a_fault_tells_a_sensitive_value_to_one_who_may_not_see_it() {
    let catalog = thing(
        r#"{ name = "pay", label = { en = "Pay" }, type = "decimal", scale = 2, sensitive = true, max = 10 },
           { name = "pin", label = { en = "Pin" }, type = "string", sensitive = true, pattern = "^[0-9]+$" },"#,
    );
    for cell in ["77.77", "secret-77", "7,777", "7.7777777"] {
        let cells = [
            SheetCell::Text("c1"),
            SheetCell::Text(cell),
            SheetCell::Text("77-secret"),
        ];
        let (_, errors) = row(&check(&catalog, &json!({})), &cells);
        assert_eq!(errors.len(), 2);
        let told = serde_json::to_string(&errors).unwrap();
        assert!(!told.contains("77") && !told.contains("secret"), "{told}");
    }
}

#[test]
fn a_mapping_whose_column_the_definition_has_lost_is_refused() {
    let (now, before) = (thing(""), thing(COLUMNS));
    let spec = spec(&before, &json!({}));
    let headers = [(0, "code".to_owned()), (1, "level".to_owned())];
    let old = before.iter().next().unwrap();
    let mapping = Mapping::of(old, &spec.options, "en", &headers, &|_| false).unwrap();
    let calendar = domain::Calendar::From1900;
    let lost = domain::RowCheck::new(now.iter().next().unwrap(), &mapping, &spec, None, calendar);
    assert_eq!(lost.unwrap_err().code, domain::FailureCode::UnknownColumn);
}

#[test]
fn of_a_row_of_many_faults_twenty_are_told_and_how_many_more_there_are() {
    let columns = (1..=23).map(|n| {
        let label = format!(r#"{{ zh-CN = "数{n}", en = "N{n}" }}"#);
        format!(r#"{{ name = "n{n}", label = {label}, type = "integer" }},"#)
    });
    let catalog = thing(&columns.collect::<String>());
    let told = |locale: &str, bad: usize| {
        let check = check(&catalog, &json!({"locale": locale}));
        let cells = (0..=23).map(|at| SheetCell::Text(if at > bad { "1" } else { "x" }));
        let (_, errors) = row(&check, &cells.collect::<Vec<_>>());
        (errors.len(), errors[errors.len() - 1].message.clone())
    };
    let listed = "“N20” must be a whole number.";
    assert_eq!(told("en", 20), (20, listed.to_owned()));
    let more = format!("{listed} (Not listed: 3 more of this row.)");
    assert_eq!(told("en", 23), (20, more));
    let (count, message) = told("zh-CN", 21);
    assert_eq!(count, 20);
    assert!(
        message.ends_with("（此行另有 1 处错误未列出）"),
        "{message}"
    );
}
