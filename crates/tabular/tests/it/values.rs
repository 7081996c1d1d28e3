//! No value is altered unseen.

use calamine::{Data, DataType};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use domain::{Cell, ColumnType, Warning};
use proptest::prelude::*;
use tabular::{Layout, OutputColumn};

use crate::written::{column, layout, read_back, write};

fn strings(kind: ColumnType, cells: Vec<Cell<'_>>) -> Vec<Data> {
    read_back(column("c", kind), cells).0
}

fn text(value: &str) -> Data {
    Data::String(value.into())
}

fn date(text: &str) -> Cell<'static> {
    Cell::Date(text.parse().unwrap())
}

fn moment(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap()
}

fn warnings(code: &str, count: u64) -> Vec<Warning> {
    vec![Warning::new(code, count)]
}

#[test]
fn numbers_keep_fifteen_digits_and_longer_ones_are_text() {
    let cells = vec![
        Cell::Int(999_999_999_999_999),
        Cell::Int(-1_000_000_000_000_000),
        Cell::UInt(u64::MAX),
        Cell::Int(i64::MIN),
        Cell::Int(0),
    ];
    let expected = vec![
        Data::Float(999_999_999_999_999.0),
        text("-1000000000000000"),
        text("18446744073709551615"),
        text("-9223372036854775808"),
        Data::Float(0.0),
    ];
    assert_eq!(strings(ColumnType::Integer, cells), expected);
}

#[test]
fn decimals_are_numbers_up_to_fifteen_significant_digits() {
    let cells = [
        "12.50",
        "-0.00",
        "0.000000000000001",
        "1234567890123.4500",
        "1234567890123.456",
        "0.0000123456789012345",
        "99999999999999999999.99",
    ];
    let expected = vec![
        Data::Float(12.5),
        Data::Float(0.0),
        Data::Float(1e-15),
        Data::Float(1_234_567_890_123.45),
        text("1234567890123.456"),
        Data::Float(0.000_012_345_678_901_234_5),
        text("99999999999999999999.99"),
    ];
    let cells = cells.map(Cell::Decimal).to_vec();
    assert_eq!(strings(ColumnType::Decimal, cells), expected);
}

#[test]
fn a_decimal_shows_the_digits_of_its_scale() {
    let money = OutputColumn {
        scale: Some(2),
        ..column("c", ColumnType::Decimal)
    };
    let written = write(layout(vec![money]), &[vec![Cell::Decimal("12.50")]]);
    assert!(
        written
            .part("xl/styles.xml")
            .contains("formatCode=\"0.00\"")
    );
}

#[test]
fn what_is_no_number_is_blank() {
    let cells = vec![
        Cell::Float(f64::NAN),
        Cell::Float(f64::INFINITY),
        Cell::Float(f64::NEG_INFINITY),
        Cell::Float(0.1),
    ];
    let expected = vec![Data::Empty, Data::Empty, Data::Empty, Data::Float(0.1)];
    assert_eq!(strings(ColumnType::Decimal, cells), expected);
}

#[test]
fn truth_values_null_and_empty_text_are_what_they_are() {
    let cells = vec![
        Cell::Bool(true),
        Cell::Bool(false),
        Cell::Null,
        Cell::Text(""),
    ];
    let expected = vec![
        Data::Bool(true),
        Data::Bool(false),
        Data::Empty,
        Data::Empty,
    ];
    assert_eq!(strings(ColumnType::Boolean, cells), expected);
    let one = layout(vec![column("c", ColumnType::String)]);
    let named = Layout {
        null_text: Some("(无)".into()),
        ..one
    };
    let written = write(named, &[vec![Cell::Null]]);
    assert_eq!(written.range().get_value((1, 0)), Some(&text("(无)")));
}

#[test]
fn text_is_never_taken_for_a_formula_number_or_link() {
    let texts = [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "0012345",
        "1E5",
        "http://x.cn",
        " x ",
        "TRUE",
    ];
    let cells = texts.map(Cell::Text).to_vec();
    assert_eq!(strings(ColumnType::String, cells), texts.map(text));
}

#[test]
fn text_reads_back_whatever_it_holds() {
    let texts = [
        "_x0041_",
        "_x005F_",
        "_x005F_x0041_",
        "a\u{8}b",
        "\0",
        "\u{b}\u{c}\u{1f}",
        "_x0041\u{8}",
        "_x0041\u{8}_x0042\u{1}",
        "x_x00e9\u{fffe}",
        "\u{fffe}\u{ffff}",
        "😀",
        "<&>\"'",
        "a\nb\r\nc",
        "_xD83D_",
        "_xaaaa\0_x0A00_x",
        "_x0041_x0042_",
        "__x0041__",
        "\u{ffef}\u{fffd}",
        "\u{2028}",
        "\u{7f}",
        "]]>",
    ];
    let cells = texts.map(Cell::Text).to_vec();
    assert_eq!(strings(ColumnType::String, cells), texts.map(text));
}

#[test]
fn text_is_cut_at_32767_units_with_a_counted_warning() {
    let whole = "好".repeat(32_767);
    let over = format!("{}😀", "a".repeat(32_766));
    let long = "x".repeat(40_000);
    let cells = vec![Cell::Text(&whole), Cell::Text(&over), Cell::Text(&long)];
    let (values, summary) = read_back(column("c", ColumnType::String), cells);
    assert_eq!(
        values,
        [
            text(&whole),
            text(&"a".repeat(32_766)),
            text(&"x".repeat(32_767))
        ]
    );
    assert_eq!(summary.warnings, warnings("cell_truncated", 2));
}

#[test]
fn line_feeds_beyond_the_253_of_excels_own_list_of_limits_stay_in_the_cell() {
    let lines = ["line"; 1_001].join("\n");
    let (values, summary) = read_back(
        column("c", ColumnType::String),
        vec![Cell::Text(&lines), Cell::Text(&"\n".repeat(254))],
    );
    assert_eq!(values, [text(&lines), text(&"\n".repeat(254))]);
    assert!(summary.warnings.is_empty());
}

#[test]
fn dates_are_real_dates_by_excels_own_count() {
    let cells = [
        "1900-01-01",
        "1900-02-28",
        "1900-03-01",
        "2026-01-31",
        "9999-12-31",
    ];
    let (values, summary) = read_back(column("c", ColumnType::Date), cells.map(date).to_vec());
    let serials: Vec<f64> = values
        .iter()
        .map(|value| match value {
            Data::DateTime(it) => it.as_f64(),
            other => panic!("{other:?} is no date"),
        })
        .collect();
    assert_eq!(serials, [1.0, 59.0, 61.0, 46_053.0, 2_958_465.0]);
    assert_eq!(values[3].as_date(), NaiveDate::from_ymd_opt(2026, 1, 31));
    assert!(summary.warnings.is_empty());
}

#[test]
fn dates_outside_the_sheets_calendar_are_text_with_a_counted_warning() {
    let cells = vec![
        date("1899-12-31"),
        date("0001-01-01"),
        Cell::Odd("0000-00-00"),
    ];
    let (values, summary) = read_back(column("c", ColumnType::Date), cells);
    assert_eq!(
        values,
        [text("1899-12-31"), text("0001-01-01"), text("0000-00-00")]
    );
    assert_eq!(summary.warnings, warnings("date_as_text", 3));
    let far = vec![Cell::DateTime(moment("9999-12-31 23:59:59"))];
    let (values, summary) = read_back(column("c", ColumnType::Datetime), far);
    assert_eq!(values, [text("9999-12-31 23:59:59")]);
    assert_eq!(summary.warnings, warnings("date_as_text", 1));
}

#[test]
fn moments_are_told_in_the_zone_of_the_task() {
    let new_york = OutputColumn {
        stored_in: Tz::America__New_York,
        ..column("c", ColumnType::Datetime)
    };
    let cases = [
        (
            column("c", ColumnType::Datetime),
            "2026-01-31 20:00:00",
            "2026-02-01 04:00:00",
        ),
        (
            column("c", ColumnType::Datetime),
            "2026-01-31 23:59:59.999",
            "2026-02-01 07:59:59",
        ),
        (
            new_york.clone(),
            "2026-07-01 08:00:00",
            "2026-07-01 20:00:00",
        ),
        (new_york, "2026-01-01 08:00:00", "2026-01-01 21:00:00"),
    ];
    for (column, stored, told) in cases {
        let (values, _) = read_back(column, vec![Cell::DateTime(moment(stored))]);
        assert_eq!(values[0].as_datetime(), Some(moment(told)), "{stored}");
    }
}

#[test]
fn a_wall_clock_that_never_was_is_text() {
    let new_york = OutputColumn {
        stored_in: Tz::America__New_York,
        ..column("c", ColumnType::Datetime)
    };
    let skipped = Cell::DateTime(moment("2026-03-08 02:30:00"));
    let (values, summary) = read_back(new_york, vec![skipped]);
    assert_eq!(values, [text("2026-03-08 02:30:00")]);
    assert_eq!(summary.warnings, warnings("date_as_text", 1));
}

#[test]
fn times_of_day_are_real_times() {
    let time = NaiveTime::from_hms_opt(8, 30, 0).unwrap();
    let (values, _) = read_back(column("c", ColumnType::Time), vec![Cell::Time(time)]);
    assert_eq!(values[0].as_time(), Some(time));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_reads_back(texts in prop::collection::vec(any_text(), 1..20)) {
        let cells = texts.iter().map(|it| Cell::Text(it)).collect();
        let expected: Vec<Data> =
            texts.iter().map(|it| if it.is_empty() { Data::Empty } else { text(it) }).collect();
        prop_assert_eq!(strings(ColumnType::String, cells), expected);
    }

    #[test]
    fn any_decimal_reads_back_exactly(numbers in prop::collection::vec((any::<i64>(), 0..12u32, 0..16u32), 1..20)) {
        let texts: Vec<String> = numbers.iter().map(|it| decimal(*it)).collect();
        let cells = texts.iter().map(|it| Cell::Decimal(it)).collect();
        for (value, text) in strings(ColumnType::Decimal, cells).iter().zip(&texts) {
            match value {
                Data::Float(number) => {
                    let digits = text.bytes().filter(u8::is_ascii_digit).count();
                    let exact: f64 = text.parse().unwrap();
                    prop_assert_eq!(*number, exact);
                    // fifteen digits and less come out of a double as they went in
                    prop_assert!(digits <= 15 || trimmed_digits(text) <= 15, "{}", text);
                }
                other => prop_assert_eq!(other, &Data::String(text.clone())),
            }
        }
    }

    #[test]
    fn any_moment_reads_back_to_the_second(seconds in prop::collection::vec(0..250_000_000_000i64, 1..20)) {
        let moments: Vec<NaiveDateTime> = seconds
            .iter()
            .map(|it| moment("1900-03-01 00:00:00") + chrono::TimeDelta::seconds(*it))
            .collect();
        let utc = OutputColumn { stored_in: Tz::Asia__Shanghai, ..column("c", ColumnType::Datetime) };
        let cells = moments.iter().map(|it| Cell::DateTime(*it)).collect();
        for (value, moment) in read_back(utc, cells).0.iter().zip(&moments) {
            prop_assert_eq!(value.as_datetime(), Some(*moment));
        }
    }

    #[test]
    fn any_number_of_the_database_reads_back_exactly(numbers in prop::collection::vec(any::<i64>(), 1..20)) {
        let cells = numbers.iter().map(|it| Cell::Int(*it)).collect();
        for (value, number) in strings(ColumnType::Integer, cells).iter().zip(&numbers) {
            prop_assert_eq!(value.as_string().unwrap(), number.to_string());
        }
    }
}

fn decimal((number, shift, scale): (i64, u32, u32)) -> String {
    let digits = format!(
        "{:0width$}",
        (number >> (shift * 4)).unsigned_abs(),
        width = scale as usize + 1
    );
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let sign = if number < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// Digits without zeros at the outer ends.
fn trimmed_digits(text: &str) -> usize {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len().max(
        text.split('.')
            .next()
            .unwrap()
            .trim_start_matches(['-', '0'])
            .len(),
    )
}

/// Any text, with a liking for what escapes are made of.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("_x".to_owned()),
        Just("_".to_owned()),
        "[0-9a-fA-F]{4}",
        "[\\x00-\\x1f]",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}
