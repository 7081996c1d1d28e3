//! Dates and times from cells and texts (cases.md A 8, 9, 10).

use domain::Calendar::{From1900, From1904};
use domain::RowCode::{DateInvalid, TypeMismatch};
use domain::{Calendar, Field, Fields, RowCode, SheetCell};
use serde_json::{Value, json};

use super::workshop::{cell_in, check, column, dated, it, number, ok, sheet};

const DAY: &str = r#"type = "date""#;
const CLOCK: &str = r#"type = "time""#;
/// Stored in the zone that tasks have here.
const LOCAL: &str = r#"type = "datetime", stored_in = "Asia/Shanghai""#;

fn text(text: &str) -> SheetCell<'_> {
    SheetCell::Text(text)
}

fn by(calendar: Calendar, rules: &str, cell: SheetCell<'_>) -> Result<String, RowCode> {
    cell_in(&column(rules), &json!({}), calendar, cell).map_err(|error| error.code)
}

#[test]
fn the_declared_type_decides_what_a_date_is_and_not_the_style() {
    for cell in [
        dated("46024"),
        number("46024"),
        dated("46024.0"),
        SheetCell::IsoDate("2026-01-02"),
        SheetCell::IsoDate("2026-01-02T00:00:00"),
        SheetCell::IsoDate("2026-01-02T00:00:00.000Z"),
        text("2026-01-02"),
        text("2026/1/2"),
        text("2026-1-2"),
        text("2026.01.02"),
        text("2026年1月2日"),
        text(" 2026/01/02 "),
        text("２０２６－０１－０２"),
        text("2026-01-02 00:00:00"),
    ] {
        assert_eq!(it(DAY, cell), ok("2026-01-02"), "{cell:?}");
    }
    // a number of another type stays one, whatever its style
    assert_eq!(it(r#"type = "integer""#, dated("46024")), ok("46024"));
    for cell in [
        text("01/02/2026"),
        text("1-2-26"),
        text("26/1/2"),
        text("2026-13-01"),
        text("2026-02-30"),
        text("2026/1-2"),
        text("0000-00-00"),
        text("2026-01-02 10:00"),
        text("2026-01-02T00:00:00Z"),
        text("46024"),
        text("tomorrow"),
        number("20260102"),
        number("46024.5"),
        number("-1"),
        number("1E+300"),
    ] {
        assert_eq!(it(DAY, cell), Err(DateInvalid), "{cell:?}");
    }
    assert_eq!(it(DAY, SheetCell::Bool(true)), Err(TypeMismatch));
}

#[test]
fn a_day_number_is_of_the_workbooks_calendar() {
    for (calendar, day, expected) in [
        (From1900, "1", ok("1900-01-01")),
        (From1900, "59", ok("1900-02-28")),
        (From1900, "60", Err(DateInvalid)),
        (From1900, "61", ok("1900-03-01")),
        (From1900, "0", Err(DateInvalid)),
        (From1900, "-1", Err(DateInvalid)),
        (From1900, "2958465", ok("9999-12-31")),
        (From1900, "2958466", Err(DateInvalid)),
        (From1904, "0", ok("1904-01-01")),
        (From1904, "60", ok("1904-03-01")),
        (From1904, "44562", ok("2026-01-02")),
        (From1904, "-1", Err(DateInvalid)),
        (From1904, "2957003", ok("9999-12-31")),
        (From1904, "2957004", Err(DateInvalid)),
    ] {
        assert_eq!(
            by(calendar, DAY, dated(day)),
            expected,
            "{calendar:?} {day}"
        );
    }
    assert_eq!(by(From1900, LOCAL, dated("60.5")), Err(DateInvalid));
}

#[test]
fn a_day_number_is_rounded_to_milliseconds_once() {
    for (written, expected) in [
        ("46024.41666666666", "2026-01-02 10:00:00"),
        ("46024.416666666664", "2026-01-02 10:00:00"),
        ("46024.999999999", "2026-01-03 00:00:00"),
        ("46024", "2026-01-02 00:00:00"),
        ("46024.500001447", "2026-01-02 12:00:00.125"),
        ("46387.99998842593", "2026-12-31 23:59:59"),
    ] {
        assert_eq!(it(LOCAL, dated(written)), ok(expected), "{written}");
    }
    assert_eq!(it(DAY, dated("46024.999999999")), ok("2026-01-03"));
    for (written, expected) in [
        ("0.41666666666", ok("10:00:00")),
        ("0", ok("00:00:00")),
        ("0.99998842592592594", ok("23:59:59")),
        ("0.9999999999", Err(DateInvalid)),
        ("1.5", Err(DateInvalid)),
        ("-0.5", Err(DateInvalid)),
    ] {
        assert_eq!(it(CLOCK, dated(written)), expected, "{written}");
    }
}

#[test]
fn what_of_a_second_is_finer_than_the_columns_scale_is_cut_counted_and_never_carried() {
    // 2026-12-31 23:59:59.6 and 23:59:59 as day numbers
    let (late, last) = ("46387.99999537037", "46387.99998842593");
    let whole = r#"type = "datetime", scale = 0, stored_in = "Asia/Shanghai""#;
    let tenths = r#"type = "datetime", scale = 1, stored_in = "UTC""#;
    let clock = r#"type = "time", scale = 0"#;
    for (rules, cell, expected, cut) in [
        (whole, dated(late), "2026-12-31 23:59:59", 1),
        (whole, dated(last), "2026-12-31 23:59:59", 0),
        (
            whole,
            text("2026-12-31 23:59:59.600"),
            "2026-12-31 23:59:59",
            1,
        ),
        (
            whole,
            text("2026-12-31 23:59:59.000"),
            "2026-12-31 23:59:59",
            0,
        ),
        (
            whole,
            text("2026-12-31T15:59:59.999999Z"),
            "2026-12-31 23:59:59",
            1,
        ),
        (
            whole,
            SheetCell::IsoDate("2026-12-31T23:59:59.6Z"),
            "2026-12-31 23:59:59",
            1,
        ),
        (
            tenths,
            text("1969-12-31T23:59:59.99Z"),
            "1969-12-31 23:59:59.9",
            1,
        ),
        (
            tenths,
            text("1969-12-31T23:59:59.9Z"),
            "1969-12-31 23:59:59.9",
            0,
        ),
        (
            LOCAL,
            text("2026-12-31 23:59:59.999999"),
            "2026-12-31 23:59:59.999999",
            0,
        ),
        (clock, text("23:59:59.600"), "23:59:59", 1),
        (clock, number("0.99999537037037"), "23:59:59", 1),
    ] {
        let catalog = column(rules);
        let mut fields = Fields::new();
        let chunk = sheet(2, &[&[text("c1"), cell]]);
        let row = chunk.rows().next().unwrap();
        check(&catalog, &json!({})).check(row, &mut fields).unwrap();
        assert_eq!(fields.get(1), Field::Text(expected), "{rules} {cell:?}");
        assert_eq!(fields.cut(), cut, "{rules} {cell:?}");
    }
}

#[test]
fn a_time_of_day_is_read_from_text() {
    for (written, expected) in [
        ("8:05", ok("08:05:00")),
        ("08:05:09", ok("08:05:09")),
        ("08:05:09.120", ok("08:05:09.12")),
        ("０８：０５", ok("08:05:00")),
        ("24:00", Err(DateInvalid)),
        ("8", Err(DateInvalid)),
        ("8:5", Err(DateInvalid)),
        ("08:05:60", Err(DateInvalid)),
        ("8:05 PM", Err(DateInvalid)),
    ] {
        assert_eq!(it(CLOCK, text(written)), expected, "{written}");
    }
}

fn moment(zone: &str, stored_in: &str, cell: SheetCell<'_>) -> Result<String, (RowCode, Value)> {
    let catalog = column(&format!(r#"type = "datetime", stored_in = "{stored_in}""#));
    let read = cell_in(&catalog, &json!({"timezone": zone}), From1900, cell);
    read.map_err(|error| (error.code, Value::Object(error.params)))
}

#[test]
fn a_datetime_is_wall_clock_of_the_tasks_zone_and_kept_in_the_columns() {
    let noon = [
        dated("46024.5"),
        text("2026-01-02 12:00"),
        text("2026/1/2 12:00:00"),
        text("2026年1月2日 12:00:00"),
        SheetCell::IsoDate("2026-01-02T12:00:00"),
        SheetCell::IsoDate("2026-01-02T12:00:00Z"),
    ];
    for cell in noon {
        let shanghai = moment("Asia/Shanghai", "UTC", cell);
        assert_eq!(shanghai.unwrap(), "2026-01-02 04:00:00", "{cell:?}");
        let new_york = moment("America/New_York", "UTC", cell);
        assert_eq!(new_york.unwrap(), "2026-01-02 17:00:00");
        assert_eq!(
            moment("UTC", "Asia/Tokyo", cell).unwrap(),
            "2026-01-02 21:00:00"
        );
    }
    // an offset says more than the task's zone
    for (written, expected) in [
        ("2026-01-02T12:00:00Z", "2026-01-02 12:00:00"),
        ("2026-01-02T12:00:00+08:00", "2026-01-02 04:00:00"),
        ("2026-01-02 12:00:00.5-0330", "2026-01-02 15:30:00.5"),
    ] {
        assert_eq!(
            moment("America/New_York", "UTC", text(written)).unwrap(),
            expected
        );
    }
    assert_eq!(
        moment("Asia/Shanghai", "UTC", text("2026-01-02")).unwrap(),
        "2026-01-01 16:00:00",
        "a date alone is its midnight"
    );
    let last = moment("America/New_York", "UTC", text("9999-12-31 23:59:59"));
    assert_eq!(last.unwrap_err().0, DateInvalid, "past the year 9999");
}

#[test]
fn a_time_that_the_zone_skips_is_refused_and_of_one_that_comes_twice_the_earlier_is_meant() {
    let skipped = moment("Europe/Berlin", "UTC", text("2026-03-29 02:30"));
    let (code, params) = skipped.unwrap_err();
    assert_eq!(code, DateInvalid);
    assert_eq!(
        params,
        json!({"skipped_in": "Europe/Berlin", "expected": "datetime"})
    );
    let twice = moment("Europe/Berlin", "UTC", text("2026-10-25 02:30"));
    assert_eq!(twice.unwrap(), "2026-10-25 00:30:00");
    // what needs no conversion is taken as it is
    let same = moment("Europe/Berlin", "Europe/Berlin", text("2026-03-29 02:30"));
    assert_eq!(same.unwrap(), "2026-03-29 02:30:00");
}

#[test]
fn bounds_of_dates_and_times_hold() {
    let rules = r#"type = "date", min = 2000-01-01, max = "2030-12-31""#;
    for (written, expected) in [
        ("2000-01-01", ok("2000-01-01")),
        ("1999-12-31", Err(RowCode::OutOfRange)),
        ("2030/12/31", ok("2030-12-31")),
        ("2031-01-01", Err(RowCode::OutOfRange)),
    ] {
        assert_eq!(it(rules, text(written)), expected, "{written}");
    }
    let rules = r#"type = "time", min = "08:00", max = 18:00:00"#;
    assert_eq!(it(rules, text("7:59")), Err(RowCode::OutOfRange));
    assert_eq!(it(rules, text("18:00")), ok("18:00:00"));
}
