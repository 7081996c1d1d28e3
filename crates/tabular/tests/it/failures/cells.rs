//! Every cell reads back as the cell that it was.

use domain::{Calendar, NumberStyle, RowCode, UploadFormat};
use proptest::prelude::*;
use tabular::Merges;

use super::{Made, Told, column, date, error, number, read, text};
use crate::openpyxl::python;
use crate::people::open;

#[test]
fn whole_numbers_in_text_columns_become_text_as_they_were_shown_and_rounded_ones_do_not() {
    let made = Made::of(vec![
        column("会员号", "member_no", 0),
        column("等级", "level", 1),
    ]);
    let cases = [
        (number("13800000000"), text("13800000000")),
        (number("1.3800000000E10"), text("13800000000")),
        (number("7.0"), text("7")),
        (
            Told::Number("42".into(), NumberStyle::Zeros(6)),
            text("000042"),
        ),
        (number("999999999999999"), text("999999999999999")),
        (number("1234567890123456"), number("1234567890123456")),
        (
            number("1.2345678901234568E+17"),
            number("1.2345678901234568E+17"),
        ),
        (number("0.5"), number("0.5")),
        (number("-3"), number("-3")),
        (date("46053"), date("46053")),
    ];
    let rows: Vec<_> = (2..)
        .zip(&cases)
        .map(|(row, (cell, _))| (row, vec![cell.clone(), cell.clone()], Vec::new()))
        .collect();
    let seen = read(&made.write(&rows), UploadFormat::Xlsx, 2);
    for ((cell, expected), (_, found)) in cases.iter().zip(&seen[1..]) {
        assert_eq!(found[0], *expected);
        assert_eq!(
            found[1], *cell,
            "a column that is not of text keeps the number"
        );
    }
}

#[test]
fn dates_are_the_same_dates_in_the_calendar_that_they_come_from() {
    for calendar in [Calendar::From1900, Calendar::From1904] {
        let made = Made {
            calendar,
            ..Made::of(vec![
                column("生日", "birthday", 0),
                column("加入时间", "joined_at", 1),
                column("起床时间", "wakes_at", 2),
            ])
        };
        let cells = vec![date("46053"), date("46053.354166666664"), date("0.25")];
        let bytes = made.write(&[(2, cells.clone(), Vec::new())]);
        assert_eq!(read(&bytes, UploadFormat::Xlsx, 3)[1].1, cells);
        assert_eq!(open(&bytes, UploadFormat::Xlsx).calendar(), calendar);
        let shown = python(DATES, &bytes);
        let expected = match calendar {
            Calendar::From1900 => {
                "2026-01-31 00:00:00|yyyy-mm-dd\n2026-01-31 08:30:00|yyyy-mm-dd hh:mm:ss\n06:00:00|hh:mm:ss\n"
            }
            Calendar::From1904 => {
                "2030-02-01 00:00:00|yyyy-mm-dd\n2030-02-01 08:30:00|yyyy-mm-dd hh:mm:ss\n06:00:00|hh:mm:ss\n"
            }
        };
        assert_eq!(shown, expected);
    }
}

const DATES: &str = r#"
import sys, io, openpyxl
sheet = openpyxl.load_workbook(io.BytesIO(sys.stdin.buffer.read())).worksheets[0]
for cell in sheet[2][:3]:
    print(cell.value, cell.number_format, sep="|")
"#;

#[test]
fn where_not_the_value_is_at_fault_an_error_stands_instead_of_it() {
    let made = Made::of(vec![
        column("姓名", "name", 0),
        column("等级", "level", 1),
        column("别的", "", 2),
    ]);
    let covered = vec![Told::Merged; 3];
    let formulas = vec![Told::Formula("7".into()); 3];
    // the second fault is one too many to be told
    let fault = |code| error(Some("A"), Some("name"), code, "x");
    let rows = [
        (2, covered.clone(), vec![fault(RowCode::MergedCell)]),
        (3, covered, vec![fault(RowCode::Required)]),
        (4, formulas.clone(), vec![fault(RowCode::FormulaNotAllowed)]),
        (5, formulas, vec![fault(RowCode::PatternMismatch)]),
    ];
    let seen = read(&made.write(&rows), UploadFormat::Xlsx, 3);
    let no_value = Told::Error("#N/A".into());
    let expected = [
        [no_value.clone(), no_value, Told::Blank],
        [Told::Blank, Told::Blank, Told::Blank],
        [number("7"), number("7"), number("7")],
        [text("7"), number("7"), number("7")],
    ];
    for ((_, found), expected) in seen[1..].iter().zip(expected) {
        assert_eq!(found[..], expected);
    }
}

#[test]
fn a_formula_that_was_not_allowed_comes_back_as_one_that_shows_its_value() {
    let made = Made::of(vec![
        column("姓名", "name", 0),
        column("等级", "level", 1),
        column("生日", "birthday", 2),
        column("启用", "active", 3),
    ]);
    let iso = Told::IsoDate("2026-01-31".into());
    let error_cell = Told::Error("#N/A".into());
    let values = [
        [
            text("a \"b\" & <c>"),
            number("-1.5E+20"),
            date("46053"),
            Told::Bool(true),
        ],
        [
            text(&"王".repeat(300)),
            number("7"),
            date("46053.5"),
            Told::Bool(false),
        ],
        [text("two\nlines"), text(""), iso, text("_x0041_")],
        // what no formula can say
        [
            text(&"x".repeat(20_000)),
            text("\u{1}"),
            Told::FormulaWithoutValue,
            error_cell,
        ],
    ];
    let fault = error(Some("B"), Some("level"), RowCode::FormulaNotAllowed, "x");
    let bytes = made.write_formulas(&values, &fault);
    let book = open(&bytes, UploadFormat::Xlsx);
    let chunk = book.rows(0, &Merges::default()).unwrap().next();
    let chunk = chunk.unwrap().unwrap();
    for (row, values) in chunk.rows().skip(1).zip(&values) {
        for (column, value) in (0..).zip(values) {
            let found = row.cell(column);
            assert!(found.formula, "it fails again until it is typed over");
            let expected = match value {
                _ if row.number == 5 => Told::FormulaWithoutValue,
                Told::IsoDate(it) => text(it),
                it => it.clone(),
            };
            assert_eq!(Told::of(found.cell), expected);
        }
    }
    let shown = python(FORMULAS, &bytes);
    let (first, second) = shown.split_once('\n').unwrap();
    assert_eq!(first, "=\"a \"\"b\"\" & <c>\"|=-1.5E+20|=46053|=TRUE");
    assert!(second.contains("王\"&\"王"), "{second}");
}

const FORMULAS: &str = r#"
import sys, io, openpyxl
sheet = openpyxl.load_workbook(io.BytesIO(sys.stdin.buffer.read())).worksheets[0]
for row in sheet.iter_rows(min_row=2, max_row=3, max_col=4):
    print(*[cell.value for cell in row], sep="|")
"#;

/// Any cell that a reader gives where nothing is merged, its formulas aside.
pub(super) fn cell() -> impl Strategy<Value = Told> {
    let style = prop_oneof![
        Just(NumberStyle::Plain),
        Just(NumberStyle::Date),
        Just(NumberStyle::Percent),
        (2..20_u8).prop_map(NumberStyle::Zeros),
    ];
    let digits = prop_oneof![
        "-?(0|[1-9][0-9]{0,17})",
        "(0|[1-9][0-9]{0,6})\\.[0-9]{1,12}",
        "-?[1-9]\\.[0-9]{1,15}E[+-][0-9]{1,2}",
    ];
    prop_oneof![
        Just(Told::Blank),
        any::<String>().prop_map(Told::Text),
        "[ \t\r\n_x0041<&>\"'=+@-]{0,12}".prop_map(Told::Text),
        (digits, style).prop_map(|(text, style)| Told::Number(text, style)),
        any::<bool>().prop_map(Told::Bool),
        "20[0-9]{2}-0[1-9]-[012][1-8](T0[0-9]:[0-5][0-9]:00(\\.25)?)?".prop_map(Told::IsoDate),
        prop::sample::select(vec!["#N/A", "#REF!", "#SPILL!", "#DIV/0!"])
            .prop_map(|it| Told::Error(it.into())),
        Just(Told::FormulaWithoutValue),
    ]
}

/// Any but a number: whole ones become text there.
fn in_text_column() -> impl Strategy<Value = Told> {
    cell().prop_filter("a number", |it| !matches!(it, Told::Number(..)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_cell_reads_back_as_the_same_cell_whether_marked_or_not(
        rows in prop::collection::vec(
            (prop::collection::vec(cell(), 5), in_text_column(), any::<bool>()),
            1..8,
        ),
    ) {
        let made = Made::of(vec![
            column("等级", "level", 0),
            column("余额", "balance", 1),
            column("生日", "birthday", 2),
            column("加入时间", "joined_at", 3),
            column("别的", "", 4),
            column("姓名", "name", 5),
        ]);
        let rows: Vec<_> = (2..).zip(rows).map(|(number, (mut cells, last, marked))| {
            cells.push(last);
            let at = if marked { "ABCDEF" } else { "" };
            let errors = at.chars().map(|letter| {
                error(Some(&letter.to_string()), None, RowCode::TypeMismatch, "x")
            });
            (number, cells, errors.collect::<Vec<_>>())
        }).collect();
        let seen = read(&made.write(&rows), UploadFormat::Xlsx, 6);
        for ((_, cells, _), (_, found)) in rows.iter().zip(&seen[1..]) {
            prop_assert_eq!(cells, found);
        }
    }
}
