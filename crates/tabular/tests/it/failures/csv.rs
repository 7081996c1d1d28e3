//! Failure files as csv.

use domain::{Calendar, NumberStyle, RowCode, UploadFormat};
use proptest::prelude::*;

use super::{Made, Told, column, date, error, number, read, text};

#[test]
fn a_csv_reads_back_the_same_and_is_guarded() {
    let made = Made {
        format: UploadFormat::Csv,
        ..Made::of(vec![column("姓名", "name", 0), column("=x", "", 1)])
    };
    let rows = [
        (
            2,
            vec![text("=1+1"), text("")],
            vec![error(Some("A"), None, RowCode::TooLong, "太长")],
        ),
        (9, vec![text("a,\"b\"\r\nc"), Told::Blank], vec![]),
    ];
    let bytes = made.write(&rows);
    let shown = std::str::from_utf8(&bytes).unwrap();
    let expected = concat!(
        "\u{feff}姓名,'=x,原表行号 #18446744073709551615,导入错误代码,导入错误说明\r\n",
        "'=1+1,\"\",2,too_long,太长\r\n",
        "\"a,\"\"b\"\"\r\nc\",,9,\"\",\"\"\r\n",
    );
    assert_eq!(shown, expected);
    let seen = read(&bytes, UploadFormat::Csv, 2);
    assert_eq!(seen[0].1, [text("姓名"), text("=x")]);
    assert_eq!(seen[1].1, [text("=1+1"), text("")]);
    assert_eq!(seen[2].1, [text("a,\"b\"\r\nc"), Told::Blank]);
}

#[test]
fn a_csv_of_a_workbooks_rows_shows_what_the_sheet_showed() {
    let cases = [
        (date("46053"), "2026-01-31"),
        (date("46053.354166666664"), "2026-01-31 08:30:00"),
        (date("0.25"), "06:00:00"),
        (date("59"), "1900-02-28"),
        (date("60"), "60"),
        (date("61"), "1900-03-01"),
        (date("-1"), "-1"),
        (Told::Number("42".into(), NumberStyle::Zeros(6)), "000042"),
        (Told::Number("0.235".into(), NumberStyle::Percent), "0.235"),
        (number("1.1000000000000001"), "1.1000000000000001"),
        (Told::Bool(true), "TRUE"),
        (Told::IsoDate("2026-01-31".into()), "2026-01-31"),
        (Told::Error("#REF!".into()), "#REF!"),
        (Told::FormulaWithoutValue, "#N/A"),
    ];
    let made = Made {
        format: UploadFormat::Csv,
        ..Made::of(vec![column("x", "", 0)])
    };
    let rows: Vec<_> = cases
        .iter()
        .map(|(cell, _)| (2, vec![cell.clone()], Vec::new()))
        .collect();
    let seen = read(&made.write(&rows), UploadFormat::Csv, 1);
    for ((_, shown), (_, found)) in cases.iter().zip(&seen[1..]) {
        assert_eq!(found[0], text(shown));
    }
    let in_1904 = Made {
        calendar: Calendar::From1904,
        ..made
    };
    let seen = read(
        &in_1904.write(&[(2, vec![date("0.0")], vec![])]),
        UploadFormat::Csv,
        1,
    );
    assert_eq!(seen[1].1, [text("00:00:00")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_csv_field_reads_back_as_the_same_field(
        rows in prop::collection::vec(prop::collection::vec(any::<String>(), 3), 1..8)
    ) {
        let made = Made {
            format: UploadFormat::Csv,
            ..Made::of((0..3).map(|at| column("姓名", "", at)).collect())
        };
        let rows: Vec<_> = rows.into_iter().map(|cells| {
            let cells = cells.iter().map(|it| text(&it.replace('\0', ""))).collect();
            (2, cells, Vec::new())
        }).collect();
        let seen = read(&made.write(&rows), UploadFormat::Csv, 3);
        for ((_, cells, _), (_, found)) in rows.iter().zip(&seen[1..]) {
            prop_assert_eq!(cells, found);
        }
    }
}
