//! What a csv looks like, byte by byte and to a reader.

use chrono::{Datelike, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use domain::{Cell, ColumnType, ExportFormat, Warning};
use proptest::prelude::*;
use tabular::Layout;

use crate::written::{Written, column, layout, write};

fn csv(columns: &[(&str, ColumnType)]) -> Layout {
    let columns = columns.iter().map(|(label, kind)| column(label, *kind));
    Layout {
        format: ExportFormat::Csv,
        ..layout(columns.collect())
    }
}

fn texts() -> Layout {
    csv(&[("a", ColumnType::String), ("b", ColumnType::String)])
}

fn shown(written: &Written) -> &str {
    std::str::from_utf8(&written.bytes).unwrap()
}

/// One column of texts without header, as the file's lines.
fn lines(layout: Layout, cells: &[Cell<'_>]) -> Vec<String> {
    let bare = Layout {
        header: false,
        ..layout
    };
    let rows: Vec<_> = cells.iter().map(|cell| vec![*cell]).collect();
    let written = write(bare, &rows);
    let text = shown(&written).strip_prefix('\u{feff}').unwrap();
    let lines = text.strip_suffix("\r\n").unwrap().split("\r\n");
    lines.map(str::to_owned).collect()
}

fn read(written: &Written) -> Vec<Vec<String>> {
    let bytes = written.bytes.strip_prefix("\u{feff}".as_bytes()).unwrap();
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(bytes);
    let records = reader.records().map(|record| {
        let record = record.unwrap();
        record.iter().map(str::to_owned).collect()
    });
    records.collect()
}

#[test]
fn a_file_begins_with_a_byte_order_mark_and_labels_and_its_lines_end_in_crlf() {
    let rows = [vec![Cell::Text("赵伟"), Cell::Text("x")]];
    let written = write(
        csv(&[("姓名", ColumnType::String), ("a,b", ColumnType::String)]),
        &rows,
    );
    assert_eq!(shown(&written), "\u{feff}姓名,\"a,b\"\r\n赵伟,x\r\n");
    assert_eq!(written.summary.rows, 1);
    assert_eq!(shown(&write(texts(), &[])), "\u{feff}a,b\r\n");
    let bare = Layout {
        header: false,
        ..texts()
    };
    assert_eq!(shown(&write(bare, &[])), "\u{feff}");
}

#[test]
fn only_text_that_needs_quotes_has_them_and_empty_text_differs_from_null() {
    let cases = [
        (Cell::Text("a b"), "a b"),
        (Cell::Text("a,b"), "\"a,b\""),
        (Cell::Text("say \"hi\""), "\"say \"\"hi\"\"\""),
        (Cell::Text("a;b|c"), "a;b|c"),
        (Cell::Text(" a "), " a "),
    ];
    for (cell, line) in cases {
        assert_eq!(lines(csv(&[("c", ColumnType::String)]), &[cell]), [line]);
    }
    let written = write(
        texts(),
        &[
            vec![Cell::Text("a\r\nb"), Cell::Text("")],
            vec![Cell::Null; 2],
        ],
    );
    assert_eq!(shown(&written), "\u{feff}a,b\r\n\"a\r\nb\",\"\"\r\n,\r\n");
}

#[test]
fn a_row_with_nothing_in_it_is_still_a_row() {
    let written = write(
        csv(&[("a", ColumnType::String)]),
        &[vec![Cell::Null], vec![Cell::Null]],
    );
    assert_eq!(read(&written).len(), 3);
    let named = Layout {
        null_text: Some("--".into()),
        ..csv(&[("a", ColumnType::String)])
    };
    assert_eq!(lines(named, &[Cell::Null]), ["--"]);
}

#[test]
fn what_could_be_a_formula_is_guarded_and_counted_and_a_plain_number_stays_one() {
    let one = || csv(&[("c", ColumnType::String)]);
    let guarded = [
        "=1+1", "+1+1", "-1-cmd", "@SUM(A1)", "\tx", "-", "=", "+86 138", "-1.2.3", "'=1",
    ];
    let expected = [
        "'=1+1",
        "'+1+1",
        "'-1-cmd",
        "'@SUM(A1)",
        "'\tx",
        "-",
        "'=",
        "'+86 138",
        "'-1.2.3",
        // else it would read back as if it were guarded
        "''=1",
    ];
    assert_eq!(lines(one(), &guarded.map(Cell::Text)), expected);
    let plain = [
        "-12.50",
        "+8613800000000",
        "0012345",
        "1E5",
        "a=b",
        "--",
        "'it",
    ];
    assert_eq!(lines(one(), &plain.map(Cell::Text)), plain);
    let quoted = lines(one(), &[Cell::Text("=A1,\"x\"")]);
    assert_eq!(quoted, ["\"'=A1,\"\"x\"\"\""]);
    assert_eq!(lines(one(), &[Cell::Text("\rx")]), ["\"'\rx\""]);

    let written = write(
        one(),
        &[
            vec![Cell::Text("=1")],
            vec![Cell::Text("=2")],
            vec![Cell::Int(-1)],
        ],
    );
    let warning = Warning::new("formula_guarded", 2);
    assert_eq!(written.summary.warnings, [warning]);
    let unguarded = Layout {
        guard_formulas: false,
        ..one()
    };
    assert_eq!(lines(unguarded, &[Cell::Text("=1+1")]), ["=1+1"]);
}

#[test]
fn numbers_keep_every_digit() {
    let cells = [
        Cell::Int(i64::MIN),
        Cell::UInt(u64::MAX),
        Cell::Decimal("-99999999999999999999.990"),
        Cell::Decimal("-0.00"),
        Cell::Float(0.1),
        Cell::Float(-2.5e-300),
        Cell::Float(f64::NAN),
        Cell::Bool(true),
        Cell::Bool(false),
    ];
    let expected = [
        "-9223372036854775808",
        "18446744073709551615",
        "-99999999999999999999.990",
        "0.00",
        "0.1",
        "-2.5e-300",
        "\"\"",
        "TRUE",
        "FALSE",
    ];
    assert_eq!(lines(csv(&[("c", ColumnType::Decimal)]), &cells), expected);
}

#[test]
fn dates_are_iso_in_the_zone_of_the_task_whatever_the_year() {
    let day = |year| NaiveDate::from_ymd_opt(year, 1, 31).unwrap();
    let cells = [
        Cell::Date(day(2026)),
        Cell::Date(day(1)),
        Cell::Odd("0000-00-00"),
        Cell::DateTime(day(2026).and_hms_opt(20, 0, 0).unwrap()),
        Cell::DateTime(day(2026).and_hms_micro_opt(0, 0, 0, 120_000).unwrap()),
        Cell::Time(NaiveTime::from_hms_opt(8, 30, 0).unwrap()),
    ];
    let expected = [
        "2026-01-31",
        "0001-01-31",
        "0000-00-00",
        "2026-02-01 04:00:00",
        "2026-01-31 08:00:00.12",
        "08:30:00",
    ];
    assert_eq!(lines(csv(&[("c", ColumnType::Datetime)]), &cells), expected);
    let last = day(9999).and_hms_opt(23, 59, 59).unwrap();
    let last = last.with_month(12).unwrap();
    let marker = [Cell::DateTime(last), Cell::Odd("-01:00:00")];
    let shape = csv(&[("c", ColumnType::Datetime)]);
    let written = write(shape, &marker.map(|cell| vec![cell]));
    assert!(shown(&written).ends_with("\r\n9999-12-31 23:59:59\r\n-01:00:00\r\n"));
    let warning = Warning::new("date_as_text", 2);
    assert_eq!(written.summary.warnings, [warning]);
    let mut new_york = csv(&[("c", ColumnType::Datetime)]);
    new_york.columns[0].stored_in = Tz::America__New_York;
    let never = NaiveDate::from_ymd_opt(2026, 3, 8)
        .unwrap()
        .and_hms_opt(2, 30, 0)
        .unwrap();
    let written = write(new_york, &[vec![Cell::DateTime(never)]]);
    assert!(shown(&written).contains("\r\n2026-03-08 02:30:00\r\n"));
    assert_eq!(written.summary.warnings[0].code, "date_as_text");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_reads_back(rows in prop::collection::vec((field(), field()), 1..20)) {
        let cells: Vec<_> = rows.iter().map(|(a, b)| vec![Cell::Text(a), Cell::Text(b)]).collect();
        let unguarded = Layout { guard_formulas: false, header: false, ..texts() };
        let expected: Vec<_> = rows.iter().map(|(a, b)| vec![a.clone(), b.clone()]).collect();
        prop_assert_eq!(read(&write(unguarded, &cells)), expected);
    }

    #[test]
    fn no_guarded_text_begins_as_a_formula(text in field()) {
        let one = Layout { header: false, ..csv(&[("c", ColumnType::String)]) };
        let seen = read(&write(one, &[vec![Cell::Text(&text)]])).remove(0).remove(0);
        let harmless = seen.parse::<f64>().is_ok() || seen.bytes().all(|it| it == b'-');
        prop_assert!(harmless || !seen.starts_with(['=', '+', '-', '@', '\t', '\r']), "{:?}", seen);
        let guarded = format!("'{text}");
        prop_assert!(seen == text || seen == guarded, "{:?}", seen);
    }
}

fn field() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["[=+@,;\"'\r\n\t -]{1,3}", "[0-9.]{1,3}", any::<String>(),];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}
