//! For any header and any cell.

use chrono::{Days, NaiveDate, TimeDelta};
use domain::{Calendar, Field, Fields, NumberStyle, RowCheck, SheetCell, fold_key};
use proptest::prelude::*;
use serde_json::json;

use super::workshop::{check, check_in, column, header, map, ok, row, sheet, thing, told};

const RULES: [&str; 8] = [
    r#"type = "string", max_length = 5"#,
    r#"type = "integer", min = -1000, max = 1000"#,
    r#"type = "decimal", scale = 2"#,
    r#"type = "boolean""#,
    r#"type = "date", min = 2000-01-01"#,
    r#"type = "datetime", stored_in = "UTC""#,
    r#"type = "time""#,
    r#"type = "decimal", scale = 3, numbers = "1.234,5""#,
];

fn value(check: &RowCheck, cell: SheetCell<'_>) -> Result<String, domain::RowCode> {
    let (mut fields, errors) = row(check, &[SheetCell::Text("c1"), cell]);
    match errors.first() {
        None => Ok(fields.remove(1)),
        Some(error) => Err(error.code),
    }
}

/// What a column of the rule may hold, by a plain reading.
fn keeps_the_rule(rule: usize, value: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let places = |text: &str, count| {
        text.split_once('.')
            .is_some_and(|(_, it)| it.len() == count)
    };
    let moment = |text: &str, format| chrono::NaiveDateTime::parse_from_str(text, format).is_ok();
    match rule {
        0 => value.chars().count() <= 5,
        1 => value
            .parse::<i64>()
            .is_ok_and(|it| (-1000..=1000).contains(&it)),
        2 => number(value) && places(value, 2),
        3 => value == "0" || value == "1",
        4 => value.parse::<NaiveDate>().is_ok() && value >= "2000-01-01",
        5 => moment(value, "%Y-%m-%d %H:%M:%S%.f"),
        6 => chrono::NaiveTime::parse_from_str(value, "%H:%M:%S%.f").is_ok(),
        _ => number(value) && places(value, 3),
    }
}

fn any_style() -> impl Strategy<Value = NumberStyle> {
    prop_oneof![
        Just(NumberStyle::Plain),
        Just(NumberStyle::Date),
        Just(NumberStyle::Percent),
        (0..20_u8).prop_map(NumberStyle::Zeros),
    ]
}

/// Texts of all kinds, many of them nearly values.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9０-９.,' %()+\\-eE￥年月日:/TZ是否\u{a0}\u{200b}]{0,24}",
        "-?[0-9]{1,20}(\\.[0-9]{0,20})?",
        "[0-9]{4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}日?([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?",
    ]
}

/// A number as a workbook may write it.
fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>()
            .prop_filter("finite", |it| it.is_finite())
            .prop_map(|it| format!("{it:e}")),
        (-4_000_000.0..4_000_000.0_f64).prop_map(|it| it.to_string()),
        any::<i64>().prop_map(|it| it.to_string()),
        "[+-]?[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn garbage_never_panics_and_never_yields_a_value_outside_the_columns_rules(
        rule in 0..RULES.len(), text in any_text(), number in any_number(), style in any_style(),
        kind in 0..4_u8, from_1904: bool,
    ) {
        let calendar = if from_1904 { Calendar::From1904 } else { Calendar::From1900 };
        let check = check_in(&column(RULES[rule]), &json!({}), calendar);
        let cell = match kind {
            0 => SheetCell::Text(&text),
            1 => SheetCell::Number(&number, style),
            2 => SheetCell::IsoDate(&text),
            _ => SheetCell::Error(&text),
        };
        if let Ok(value) = value(&check, cell) {
            prop_assert!(value == "<null>" || keeps_the_rule(rule, &value), "{cell:?} -> {value}");
        }
    }

    #[test]
    fn any_integer_comes_back_from_text_and_up_to_fifteen_digits_from_a_number(number: i64) {
        let check = check(&column(r#"type = "integer""#), &json!({}));
        let written = number.to_string();
        prop_assert_eq!(value(&check, SheetCell::Text(&written)), ok(&written));
        let short = number % 1_000_000_000_000_000;
        let cells = [short.to_string(), format!("{short}.0"), format!("{:e}", short)];
        for cell in cells {
            let cell = SheetCell::Number(&cell, NumberStyle::Plain);
            prop_assert_eq!(value(&check, cell), ok(&short.to_string()));
        }
    }

    #[test]
    fn any_decimal_comes_back_from_text_and_up_to_fifteen_digits_from_a_number(
        units in -9_999_999_999_999_999_i64..=9_999_999_999_999_999, scale in 0..8_u32,
    ) {
        let check = check(&column(&format!(r#"type = "decimal", scale = {scale}"#)), &json!({}));
        let exact = |units: i64| {
            let size = units.unsigned_abs();
            let sign = if units < 0 { "-" } else { "" };
            let (whole, rest) = (size / 10_u64.pow(scale), size % 10_u64.pow(scale));
            let places = scale as usize;
            if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:0places$}") }
        };
        prop_assert_eq!(value(&check, SheetCell::Text(&exact(units))), ok(&exact(units)));
        let expected = exact(units / 10);
        let double: f64 = expected.parse().unwrap();
        // Excel writes 17 digits, other programs the shortest that come back
        for written in [double.to_string(), format!("{double:.16e}"), format!("{double:e}")] {
            let cell = SheetCell::Number(&written, NumberStyle::Plain);
            prop_assert_eq!(value(&check, cell), ok(&expected));
        }
    }

    #[test]
    fn any_date_comes_back_from_text_and_from_its_day_number(day in 0..2_958_405_u64, from_1904: bool) {
        // from 1900-03-01 on, where no day is false
        let date = NaiveDate::from_ymd_opt(1900, 3, 1).unwrap() + Days::new(day);
        let iso = date.to_string();
        let calendar = if from_1904 { Calendar::From1904 } else { Calendar::From1900 };
        let check = check_in(&column(r#"type = "date""#), &json!({}), calendar);
        for format in ["%Y-%m-%d", "%Y/%-m/%-d", "%Y年%-m月%-d日", "%Y.%m.%d", "%Y-%m-%dT00:00:00"] {
            let written = date.format(format).to_string();
            prop_assert_eq!(value(&check, SheetCell::Text(&written)), ok(&iso));
        }
        let number = if from_1904 { (day + 61).checked_sub(1_462) } else { Some(day + 61) };
        if let Some(number) = number {
            let written = number.to_string();
            let cell = SheetCell::Number(&written, NumberStyle::Date);
            prop_assert_eq!(value(&check, cell), ok(&iso));
        }
    }

    #[test]
    fn any_moment_comes_back_from_text_and_to_the_millisecond_from_its_number(
        day in 36_526..73_050_u32, ms in 0..86_400_000_u32,
    ) {
        let rules = r#"type = "datetime", stored_in = "Asia/Shanghai""#;
        let check = check(&column(rules), &json!({}));
        let start = NaiveDate::from_ymd_opt(1899, 12, 30).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let moment = start + TimeDelta::days(i64::from(day)) + TimeDelta::milliseconds(i64::from(ms));
        let expected = moment.to_string();
        let plain = expected.trim_end_matches('0').trim_end_matches('.');
        let expected = if expected.contains('.') { plain.to_owned() } else { expected };
        prop_assert_eq!(value(&check, SheetCell::Text(&expected)), ok(&expected));
        let serial = f64::from(day) + f64::from(ms) / 86_400_000.0;
        let written = serial.to_string();
        prop_assert_eq!(value(&check, SheetCell::Number(&written, NumberStyle::Date)), ok(&expected));
    }

    #[test]
    fn headers_in_any_order_and_dress_mean_their_columns(
        order in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(), dress in prop::collection::vec(0..6_u8, 4),
        junk in prop::collection::vec("[#$&0-9]{1,6}", 0..5),
    ) {
        let catalog = thing(r#"
            { name = "name", label = { zh-CN = "姓名", en = "Full name" }, type = "string" },
            { name = "mobile", label = { zh-CN = "手机号", en = "Mobile no." }, type = "string" },
            { name = "born_on", label = { zh-CN = "出生日期", en = "Date of birth" }, type = "date" },
        "#);
        let columns = &catalog.get("thing").unwrap().columns;
        let dressed = |at: usize| {
            let column = &columns[at];
            match dress[at] {
                0 => column.name.clone(),
                1 => column.name.to_uppercase(),
                2 => format!("\u{a0}{}\u{200b}\n", column.label.get("en")),
                3 => column.label.get("en").to_uppercase().replace(' ', "\n"),
                4 => column.label.get("zh-CN").to_owned(),
                _ => format!("*{}\u{3000}", column.label.get("zh-CN")),
            }
        };
        let mut texts: Vec<String> = order.iter().map(|at| dressed(*at)).collect();
        texts.extend(junk.iter().cloned());
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mapping = map(&catalog, &json!({}), &texts).unwrap();
        let names: Vec<&str> = order.iter().map(|at| columns[*at].name.as_str()).collect();
        prop_assert_eq!(mapping.columns(), header(&names));
        prop_assert_eq!(mapping.ignored(), junk.len());
    }

    #[test]
    fn the_fold_does_not_see_case_ends_or_ignorable_characters(key in any::<String>(), ascii in "[ -~]{0,80}") {
        let fold = |text: &str| fold_key(std::iter::once(text));
        for key in [&key, &ascii] {
            prop_assert_eq!(fold(key), fold(&format!("{key} \u{200b}  ")));
            prop_assert_eq!(fold(&format!("ab{key}")), fold(&format!(" AＢ{key}")));
        }
        prop_assert_eq!(fold(&ascii), fold(&ascii.to_ascii_uppercase()));
        // the way for ASCII and the other agree
        prop_assert_eq!(fold(&ascii), fold(&format!("{ascii}\u{feff}")));
    }

    #[test]
    fn a_buffer_used_again_holds_nothing_of_the_row_before(first in any_text(), second in any_text()) {
        let check = check(&column(RULES[0]), &json!({}));
        let (one, two) = ([SheetCell::Text(&first), SheetCell::Text("x")], [SheetCell::Text(&second)]);
        let chunk = sheet(2, &[&one, &two]);
        let mut used = Fields::new();
        for row in chunk.rows() {
            let mut fresh = Fields::new();
            let again = check.check(row, &mut used);
            prop_assert_eq!(&again, &check.check(row, &mut fresh));
            let all = |fields: &Fields| fields.iter().map(told).collect::<Vec<_>>();
            prop_assert_eq!(all(&used), all(&fresh));
        }
        used.clear();
        prop_assert!(used.is_empty() && used.get(0) == Field::Missing);
    }
}
