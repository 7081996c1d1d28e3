//! What stands in a cell, and the column's further rules (cases.md A 14, 15, 16, 17, 20).

use domain::RowCode::{
    ErrorCell, FormulaNotAllowed, FormulaWithoutValue, MergedCell, NotInList, PatternMismatch,
    Required, TooLong, TypeMismatch,
};
use domain::{Calendar, Fields, RowCode, SheetCell, SheetChunk};
use serde_json::{Value, json};

use super::workshop::{
    cell_in, check, check_of, column, it, number, ok, row, thing, thing_with, told,
};

const TEXT: &str = r#"type = "string""#;
const COUNT: &str = r#"type = "integer""#;
const FLAG: &str = r#"type = "boolean""#;

#[test]
fn zero_false_an_empty_text_and_a_blank_are_four_different_things() {
    let zero = number("0");
    let (no, empty, blank) = (
        SheetCell::Bool(false),
        SheetCell::Text(""),
        SheetCell::Blank,
    );
    let of = |rules: &str| [zero, no, empty, blank].map(|cell| it(rules, cell));
    assert_eq!(of(TEXT), [ok("0"), ok("FALSE"), ok(""), ok("<null>")]);
    assert_eq!(
        of(COUNT),
        [ok("0"), Err(TypeMismatch), ok("<null>"), ok("<null>")]
    );
    assert_eq!(of(FLAG), [ok("0"), ok("0"), ok("<null>"), ok("<null>")]);
    let needed = format!("{TEXT}, required = true");
    assert_eq!(
        of(&needed),
        [ok("0"), ok("FALSE"), Err(Required), Err(Required)]
    );
    let keep = |cell| {
        let options = json!({"mode": "update", "empty_means": "keep"});
        cell_in(&column(TEXT), &options, Calendar::From1900, cell).unwrap()
    };
    assert_eq!(
        (keep(empty), keep(blank)),
        (String::new(), "<keep>".to_owned())
    );
}

#[test]
fn truth_is_written_in_many_ways() {
    let yes = ["是", "yes", "YES", "true", "True", "1", "真", " 是 "];
    let no = ["否", "no", "false", "FALSE", "0", "假"];
    for (words, expected) in [(&yes[..], "1"), (&no[..], "0")] {
        for word in words {
            assert_eq!(it(FLAG, SheetCell::Text(word)), ok(expected), "{word}");
        }
    }
    assert_eq!(it(FLAG, SheetCell::Bool(true)), ok("1"));
    assert_eq!(it(FLAG, number("1.0")), ok("1"));
    for odd in [
        SheetCell::Text("maybe"),
        SheetCell::Text("10"),
        number("2"),
        number("0.5"),
    ] {
        assert_eq!(it(FLAG, odd), Err(TypeMismatch), "{odd:?}");
    }
}

#[test]
fn a_formula_without_a_result_is_told_and_never_blank() {
    for rules in [TEXT, COUNT, FLAG, r#"type = "date""#] {
        assert_eq!(
            it(rules, SheetCell::FormulaWithoutValue),
            Err(FormulaWithoutValue)
        );
    }
}

#[test]
fn an_error_cell_is_told_with_what_it_shows() {
    for shown in ["#N/A", "#REF!", "#SPILL!"] {
        let cell = SheetCell::Error(shown);
        let error = cell_in(&column(TEXT), &json!({}), Calendar::From1900, cell).unwrap_err();
        assert_eq!(
            (error.code, error.value.as_deref()),
            (ErrorCell, Some(shown))
        );
        assert!(error.message.contains(shown), "{}", error.message);
    }
}

#[test]
fn formulas_are_values_unless_the_task_refuses_them() {
    let mut chunk = SheetChunk::new();
    chunk.begin_row(2, false);
    chunk.push(0, false, SheetCell::Text("c1"));
    chunk.push(1, true, number("7"));
    chunk.push(9, true, number("8"));
    let catalog = column(COUNT);
    let run = |options| {
        let mut fields = Fields::new();
        let check = check(&catalog, &options);
        let result = check.check(chunk.rows().next().unwrap(), &mut fields);
        (
            told(fields.get(1)),
            result.err().map(|errors| (errors.len(), errors[0].code)),
        )
    };
    assert_eq!(run(json!({})), ("7".into(), None));
    let refused = run(json!({"formulas": "error"}));
    assert_eq!(
        refused,
        ("<missing>".into(), Some((1, FormulaNotAllowed))),
        "column J is not ours"
    );
}

#[test]
fn a_cell_below_a_merged_one_is_what_the_task_says() {
    let covered = SheetCell::Merged { row: 2, column: 0 };
    let run = |options| cell_in(&column(TEXT), &options, Calendar::From1900, covered);
    let error = run(json!({})).unwrap_err();
    assert_eq!(error.code, MergedCell);
    assert_eq!(error.params["first_cell"], "A2");
    assert_eq!(run(json!({"merged": "first_only"})).unwrap(), "<null>");
}

#[test]
fn spaces_of_any_kind_are_kept_unless_the_column_trims() {
    let padded = "\u{3000} a\u{200b} b \u{a0}\u{feff}";
    assert_eq!(it(TEXT, SheetCell::Text(padded)), ok(padded));
    let trims = format!("{TEXT}, trim = true");
    assert_eq!(it(&trims, SheetCell::Text(padded)), ok("a\u{200b} b"));
    assert_eq!(it(&trims, SheetCell::Text(" \u{200b} ")), ok(""));
    // what cannot be seen is no value where one is needed
    let needed = format!("{TEXT}, required = true");
    assert_eq!(
        it(&needed, SheetCell::Text(" \u{3000}\u{200b}")),
        Err(Required)
    );
}

#[test]
fn lengths_are_counted_in_characters() {
    let rules = format!("{TEXT}, max_length = 3");
    assert_eq!(it(&rules, SheetCell::Text("王小明")), ok("王小明"));
    assert_eq!(it(&rules, SheetCell::Text("a😀b")), ok("a😀b"));
    assert_eq!(it(&rules, SheetCell::Text("王小明明")), Err(TooLong));
    assert_eq!(it(&rules, number("1234")), Err(TooLong));
}

#[test]
fn a_pattern_matches_as_it_is_written_and_its_digits_are_ascii() {
    let anchored = format!(r"{TEXT}, pattern = '^1\d{{10}}$'");
    assert_eq!(
        it(&anchored, SheetCell::Text("13800138000")),
        ok("13800138000")
    );
    assert_eq!(it(&anchored, number("13800138000")), ok("13800138000"));
    for bad in [
        "138001380001",
        "x13800138000",
        "１3800138000",
        "1380013800０",
        "13800138000\n",
    ] {
        assert_eq!(
            it(&anchored, SheetCell::Text(bad)),
            Err(PatternMismatch),
            "{bad}"
        );
    }
    let loose = format!(r"{TEXT}, pattern = '[\d_]\D'");
    assert_eq!(it(&loose, SheetCell::Text("ab1c")), ok("ab1c"));
    assert_eq!(it(&loose, SheetCell::Text("ab12")), Err(PatternMismatch));
}

#[test]
fn allowed_values_are_compared_as_values() {
    let words = format!(r#"{TEXT}, allowed = ["ACTIVE", "LOCKED"]"#);
    assert_eq!(it(&words, SheetCell::Text("LOCKED")), ok("LOCKED"));
    assert_eq!(it(&words, SheetCell::Text("locked")), Err(NotInList));
    let numbers = format!(r#"{COUNT}, allowed = ["1", "2"]"#);
    assert_eq!(it(&numbers, number("2.0")), ok("2"));
    assert_eq!(it(&numbers, SheetCell::Text("3")), Err(NotInList));
    let days = r#"type = "date", allowed = ["2026/1/2"]"#;
    assert_eq!(it(days, number("46024")), ok("2026-01-02"));
}

#[test]
fn a_blank_is_refused_where_a_row_needs_a_value() {
    let catalog = column(&format!("{TEXT}, required = true"));
    let code = |options, cells: &[SheetCell<'_>]| {
        let (fields, errors) = row(&check(&catalog, &options), cells);
        (
            fields,
            errors.iter().map(|error| error.code).collect::<Vec<_>>(),
        )
    };
    let blank = [SheetCell::Text("c1")];
    let missing = (
        vec!["c1".to_owned(), "<missing>".to_owned()],
        vec![Required],
    );
    for mode in ["insert", "upsert", "update"] {
        assert_eq!(code(json!({"mode": mode}), &blank), missing, "{mode}");
    }
    assert_eq!(
        code(json!({"mode": "insert", "empty_means": "keep"}), &blank),
        missing
    );
    let kept = (vec!["c1".to_owned(), "<keep>".to_owned()], vec![]);
    for mode in ["upsert", "update"] {
        assert_eq!(
            code(json!({"mode": mode, "empty_means": "keep"}), &blank),
            kept,
            "{mode}"
        );
        let no_key = [SheetCell::Blank, SheetCell::Text("x")];
        let (_, codes) = code(json!({"mode": mode, "empty_means": "keep"}), &no_key);
        assert_eq!(codes, [Required], "a key is always needed");
    }
}

const PERIOD: &str = r#"
rules = [
  { name = "period", left = "begins", op = "lte", right = "ends", message = { zh-CN = "开始日期不能晚于结束日期", en = "It ends before it begins." } },
  { name = "closing", when = { column = "open", is = false }, required = "ends", message = { en = "What is closed has an end." } },
]
"#;
const PERIOD_COLUMNS: &str = r#"
  { name = "begins", label = { zh-CN = "开始" }, type = "date" },
  { name = "ends", label = { zh-CN = "结束" }, type = "date" },
  { name = "open", label = { zh-CN = "开放" }, type = "boolean" },
"#;

fn given(text: &str) -> SheetCell<'_> {
    if text.is_empty() {
        SheetCell::Blank
    } else {
        SheetCell::Text(text)
    }
}

#[test]
fn rules_between_columns_are_told_with_the_datasets_own_sentence() {
    let catalog = thing_with(PERIOD, PERIOD_COLUMNS);
    let run = |begins: &str, ends: &str, open: &str| {
        let cells = [
            SheetCell::Text("c1"),
            given(begins),
            given(ends),
            given(open),
        ];
        row(&check(&catalog, &json!({})), &cells).1
    };
    assert!(run("2026-01-02", "2026-01-02", "是").is_empty());
    assert!(
        run("2026-01-02", "", "是").is_empty(),
        "nothing to compare with"
    );
    assert!(run("", "", "").is_empty());
    let errors = run("2026-01-03", "2026-01-02", "是");
    assert_eq!(errors.len(), 1);
    let error = &errors[0];
    assert_eq!(
        (error.code, error.field.as_deref()),
        (RowCode::BusinessRule, Some("begins"))
    );
    assert_eq!(error.message, "开始日期不能晚于结束日期");
    assert_eq!(
        (&error.params["rule"], error.value.as_deref()),
        (&json!("period"), Some("2026-01-03"))
    );
    let errors = run("2026-01-03", "", "否");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].field.as_deref(), Some("ends"));
    // a value that is bad by itself is told once
    let errors = run("nonsense", "2026-01-02", "是");
    assert_eq!(
        errors.iter().map(|it| it.code).collect::<Vec<_>>(),
        [RowCode::DateInvalid]
    );
}

#[test]
fn a_column_that_a_new_row_is_not_given_is_null_to_the_rules() {
    let catalog = thing_with(PERIOD, PERIOD_COLUMNS);
    let broken = |options: Value, header: &[&str], texts: &[&str]| {
        let check = check_of(&catalog, &options, Calendar::From1900, header);
        let cells: Vec<SheetCell<'_>> = texts.iter().map(|text| given(text)).collect();
        let errors = row(&check, &cells).1.into_iter();
        let told = errors.map(|it| (it.code, it.column, it.field.unwrap(), it.value));
        told.collect::<Vec<_>>()
    };
    let closing = |column: Option<&str>| {
        let column = column.map(str::to_owned);
        [(RowCode::BusinessRule, column, "ends".to_owned(), None)]
    };
    // the file does not have it
    let header = ["code", "open"];
    assert_eq!(
        broken(json!({"mode": "insert"}), &header, &["c1", "否"]),
        closing(None)
    );
    assert_eq!(broken(json!({}), &header, &["c1", "是"]), []);
    assert_eq!(broken(json!({}), &header, &["c1", ""]), []);
    // the cell is blank, and keeps nothing since there is nothing yet
    let keep = json!({"mode": "insert", "empty_means": "keep"});
    let header = ["code", "open", "ends"];
    assert_eq!(
        broken(keep.clone(), &header, &["c1", "否", ""]),
        closing(Some("C"))
    );
    assert_eq!(broken(keep.clone(), &header, &["c1", "是", ""]), []);
    assert_eq!(broken(keep, &header, &["c1", "否", "2026-01-02"]), []);
    // of what decides whether a rule holds, and of what is compared, null is as always
    for header in [["code", "ends"], ["code", "begins"]] {
        assert_eq!(broken(json!({}), &header, &["c1", "2026-01-02"]), []);
    }
    // a row that may be there has what nobody sees
    for mode in ["upsert", "update"] {
        let keep = json!({"mode": mode, "empty_means": "keep"});
        assert_eq!(broken(keep.clone(), &["code", "open"], &["c1", "否"]), []);
        assert_eq!(broken(keep, &header, &["c1", "否", ""]), []);
    }
}

#[test]
fn a_row_tells_all_its_faults_by_column_but_never_more_than_twenty() {
    let columns: Vec<String> = (0..30)
        .map(|at| {
            format!(r#"{{ name = "n{at}", label = {{ en = "N {at}" }}, type = "integer" }},"#)
        })
        .collect();
    let catalog = thing(&columns.concat());
    let mut cells = vec![SheetCell::Text("c1")];
    cells.extend([SheetCell::Text("x"); 30]);
    let (fields, errors) = row(&check(&catalog, &json!({})), &cells);
    assert_eq!(errors.len(), 20);
    assert_eq!(
        (errors[0].column.as_deref(), errors[19].column.as_deref()),
        (Some("B"), Some("U"))
    );
    assert_eq!(
        (fields.len(), fields[0].as_str(), fields[30].as_str()),
        (31, "c1", "<missing>")
    );
    // good values stand even where others are bad
    cells[2] = SheetCell::Text("5");
    let (fields, errors) = row(&check(&catalog, &json!({})), &cells);
    assert_eq!((fields[2].as_str(), errors.len()), ("5", 20));
}
