//! Numbers from cells and texts (cases.md A 11, 12, 13, 25).

use domain::RowCode::{NumberAmbiguous, OutOfRange, PrecisionLost, TypeMismatch};
use domain::{Calendar, Fields, NumberStyle, SheetCell};
use serde_json::{Value, json};

use super::workshop::{cell_in, check, column, it, number, ok, sheet};

const MONEY: &str = r#"type = "decimal", scale = 2"#;
const COUNT: &str = r#"type = "integer""#;
const IDENTIFIER: &str = r#"type = "string", max_length = 40"#;

fn text(text: &str) -> SheetCell<'_> {
    SheetCell::Text(text)
}

#[test]
fn a_number_of_sixteen_digits_and_more_in_a_number_cell_has_lost_some() {
    for rules in [IDENTIFIER, COUNT, MONEY] {
        for lost in [
            "1689481454674870000",
            "1234567890123456",
            "1.6894814546748703E+18",
        ] {
            assert_eq!(
                it(rules, number(lost)),
                Err(PrecisionLost),
                "{rules} {lost}"
            );
        }
    }
    assert_eq!(it(MONEY, number("12345678901234.56")), Err(PrecisionLost));
    assert_eq!(
        it(IDENTIFIER, number("123456789012345")),
        ok("123456789012345")
    );
    assert_eq!(
        it(COUNT, number("-999999999999999")),
        ok("-999999999999999")
    );
    // as text nothing was lost
    assert_eq!(
        it(IDENTIFIER, text("1689481454674870279")),
        ok("1689481454674870279")
    );
    assert_eq!(
        it(COUNT, text("1689481454674870279")),
        ok("1689481454674870279")
    );
    assert_eq!(
        it(MONEY, text("12345678901234567.89")),
        ok("12345678901234567.89")
    );
}

#[test]
fn a_number_cell_in_a_text_column_is_its_digits_as_the_sheet_shows_them() {
    let cases = [
        ("1", "1"),
        ("1.0", "1"),
        ("13800138000", "13800138000"),
        ("3.5E+11", "350000000000"),
        ("3.5E+14", "350000000000000"),
        ("-0", "0"),
        ("12.5", "12.5"),
        ("0.10000000000000001", "0.1"),
        ("0.30000000000000004", "0.3"),
        ("1.5E-7", "0.00000015"),
    ];
    for (written, expected) in cases {
        assert_eq!(it(IDENTIFIER, number(written)), ok(expected), "{written}");
    }
    assert_eq!(it(IDENTIFIER, number("3.5E+17")), Err(PrecisionLost));
    let masked = |written, zeros| {
        it(
            IDENTIFIER,
            SheetCell::Number(written, NumberStyle::Zeros(zeros)),
        )
    };
    assert_eq!(masked("1234", 6), ok("001234"));
    assert_eq!(masked("1234.0", 6), ok("001234"));
    assert_eq!(masked("1234567", 6), ok("1234567"));
    assert_eq!(masked("0", 3), ok("000"));
    let percent = |written| it(IDENTIFIER, SheetCell::Number(written, NumberStyle::Percent));
    assert_eq!(percent("0.235"), ok("23.5%"));
    assert_eq!(percent("1"), ok("100%"));
    assert_eq!(percent("0.01"), ok("1%"));
    assert_eq!(it(IDENTIFIER, SheetCell::Bool(true)), ok("TRUE"));
    let day = SheetCell::Number("46024.5", NumberStyle::Date);
    assert_eq!(it(IDENTIFIER, day), ok("2026-01-02 12:00:00"));
    for (iso, shown) in [
        ("2026-01-02T00:00:00.000", "2026-01-02"),
        ("2026-01-02T12:00:00Z", "2026-01-02 12:00:00"),
        ("12:00:00", "12:00:00"),
    ] {
        assert_eq!(it(IDENTIFIER, SheetCell::IsoDate(iso)), ok(shown));
    }
}

#[test]
fn the_noise_of_floating_point_is_rounded_away_at_the_columns_scale() {
    let cases = [
        ("11.111000000001", "11.11"),
        ("0.30000000000000004", "0.30"),
        ("1.1000000000000001", "1.10"),
        ("2.675", "2.68"),
        ("-2.675", "-2.68"),
        ("999.995", "1000.00"),
        ("-0.001", "0.00"),
        ("1E3", "1000.00"),
        ("7", "7.00"),
    ];
    for (written, expected) in cases {
        assert_eq!(it(MONEY, number(written)), ok(expected), "{written}");
    }
    let three = r#"type = "decimal", scale = 3"#;
    assert_eq!(it(three, number("11.111000000001")), ok("11.111"));
    let any = r#"type = "decimal""#;
    assert_eq!(it(any, number("0.30000000000000004")), ok("0.3"));
    assert_eq!(it(COUNT, number("2.9999999999999996")), ok("3"));
    assert_eq!(it(COUNT, number("5.0")), ok("5"));
    assert_eq!(it(COUNT, number("2.5")), Err(TypeMismatch));
    assert_eq!(it(COUNT, number("100000000000.4")), Err(TypeMismatch));
}

#[test]
fn a_number_cell_that_is_rounded_by_more_than_noise_is_counted() {
    let catalog = column(MONEY);
    let check = check(&catalog, &json!({}));
    let mut fields = Fields::new();
    for (cell, expected) in [
        (number("2.675"), 1),
        (number("11.111000000001"), 1),
        (number("0.30000000000000004"), 0),
        (number("12.5"), 0),
        (number("1E3"), 0),
        (text("12.5"), 0),
    ] {
        let chunk = sheet(2, &[&[text("c1"), cell]]);
        let row = chunk.rows().next().unwrap();
        check.check(row, &mut fields).unwrap();
        assert_eq!(fields.rounded(), expected, "{cell:?}");
    }
}

#[test]
fn a_text_says_every_digit_that_it_has() {
    for (written, expected) in [
        ("12", "12.00"),
        ("+12.5", "12.50"),
        ("-0.10", "-0.10"),
        ("007", "7.00"),
        (".5", "0.50"),
        ("5.", "5.00"),
        ("12.5000", "12.50"),
        ("  12.5\u{3000}", "12.50"),
        ("１２．５", "12.50"),
        ("－３", "-3.00"),
        ("−3", "-3.00"),
        ("0.30000000000000004", "0.30"),
    ] {
        assert_eq!(it(MONEY, text(written)), ok(expected), "{written}");
    }
    assert_eq!(it(MONEY, text("12.345")), Err(OutOfRange));
    assert_eq!(it(COUNT, text("12.5")), Err(TypeMismatch));
    assert_eq!(it(COUNT, text("12.0")), ok("12"));
    assert_eq!(
        it(COUNT, text("-9223372036854775808")),
        ok("-9223372036854775808")
    );
    assert_eq!(
        it(COUNT, text("18446744073709551615")),
        ok("18446744073709551615")
    );
    assert_eq!(it(COUNT, text("18446744073709551616")), Err(OutOfRange));
    assert_eq!(it(MONEY, text(&"9".repeat(66))), Err(OutOfRange));
    let any = r#"type = "decimal""#;
    assert_eq!(it(any, text("1.23456")), ok("1.23456"));
    assert_eq!(
        it(any, text(&format!("1.{}", "3".repeat(31)))),
        Err(OutOfRange)
    );
}

#[test]
fn a_number_that_can_be_read_in_two_ways_is_refused_and_never_guessed() {
    let ambiguous = [
        "1.355,90", "23,78%", "(5.00)", "￥1,000", "1,000", "1,355.90", "1 000", "1'000", "$5",
        "5-", "3.5E+17", "5%", "1_000", "1.2.3",
    ];
    for written in ambiguous {
        for rules in [MONEY, COUNT] {
            assert_eq!(
                it(rules, text(written)),
                Err(NumberAmbiguous),
                "{rules} {written}"
            );
        }
    }
    for written in [
        "abc", "12a", "E5", "-", "--", "一百", "1e", "NaN", "inf", "0x10",
    ] {
        assert_eq!(it(MONEY, text(written)), Err(TypeMismatch), "{written}");
    }
}

#[test]
fn a_declared_form_says_how_digits_are_grouped() {
    let cases: [(&str, &[(&str, &str)]); 4] = [
        (
            "1,234.5",
            &[
                ("1,355.90", "1355.90"),
                ("￥1,000", "1000.00"),
                ("(5.00)", "-5.00"),
                ("-$1,234,567.8", "-1234567.80"),
                ("23.78%", "0.24"),
                ("50%", "0.50"),
                ("1355.90", "1355.90"),
            ],
        ),
        (
            "1.234,5",
            &[("1.355,90", "1355.90"), ("1,5", "1.50"), ("23 €", "23.00")],
        ),
        (
            "1 234,5",
            &[("1 355,90", "1355.90"), ("1\u{202f}355,9", "1355.90")],
        ),
        ("1'234.5", &[("1'355.90", "1355.90"), ("1’355", "1355.00")]),
    ];
    for (form, texts) in cases {
        // the percentages above have more places than two
        let rules = format!(r#"type = "decimal", scale = 4, numbers = "{form}""#);
        for (written, expected) in texts {
            let value: f64 = it(&rules, text(written)).unwrap().parse().unwrap();
            let expected: f64 = expected.parse().unwrap();
            assert!((value - expected).abs() < 0.005, "{form} {written} {value}");
        }
        let odd = if form.starts_with("1,") {
            "1,35.90"
        } else {
            "1.35.90"
        };
        assert_eq!(it(&rules, text(odd)), Err(NumberAmbiguous), "{form}");
    }
    let exact = r#"type = "decimal", scale = 4, numbers = "1.234,5""#;
    assert_eq!(it(exact, text("23,78%")), ok("0.2378"));
    assert_eq!(it(exact, text("7%")), ok("0.0700"));
    let grouped = r#"type = "integer", numbers = "1,234.5""#;
    assert_eq!(it(grouped, text("12,345")), ok("12345"));
    // digits with a point alone are plain, but where points group digits
    let spaced = r#"type = "decimal", scale = 4, numbers = "1 234,5""#;
    assert_eq!(it(spaced, text("1.5")), ok("1.5000"));
    assert_eq!(it(exact, text("1.355")), ok("1355.0000"));
    for odd in ["1.5", "1355.90", "1.3555", "１.５"] {
        assert_eq!(it(exact, text(odd)), Err(NumberAmbiguous), "{odd}");
    }
}

#[test]
fn the_form_that_an_import_declares_goes_before_what_columns_declare() {
    let plain = r#"type = "decimal", scale = 2"#;
    let other = r#"type = "decimal", scale = 2, numbers = "1,234.5""#;
    for rules in [plain, other] {
        let told = |options: &Value, written| {
            let calendar = Calendar::From1900;
            let read = cell_in(&column(rules), options, calendar, text(written));
            read.map_err(|error| error.code)
        };
        let german = json!({"numbers": "1.234,5"});
        assert_eq!(told(&german, "1.355,90"), ok("1355.90"), "{rules}");
        assert_eq!(told(&german, "1,355.90"), Err(NumberAmbiguous), "{rules}");
    }
}

#[test]
fn bounds_hold_for_numbers_of_any_length() {
    let rules = r#"type = "integer", min = -5, max = 10"#;
    for (written, expected) in [
        ("-5", ok("-5")),
        ("10", ok("10")),
        ("-6", Err(OutOfRange)),
        ("11", Err(OutOfRange)),
        ("18446744073709551615", Err(OutOfRange)),
    ] {
        assert_eq!(it(rules, text(written)), expected, "{written}");
    }
    let rules = r#"type = "decimal", scale = 2, min = 0.5, max = "100""#;
    for (written, expected) in [
        ("0.5", ok("0.50")),
        ("0.49", Err(OutOfRange)),
        ("100.00", ok("100.00")),
        ("100.01", Err(OutOfRange)),
        ("-7", Err(OutOfRange)),
    ] {
        assert_eq!(it(rules, text(written)), expected, "{written}");
    }
}
