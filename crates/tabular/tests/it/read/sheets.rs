//! Which sheets there are (A 9, 18, 4b).

use domain::Calendar;
use tabular::{Merges, Visibility};

use super::kit::{Workbook, all, open, relations, workbook, worksheet};

#[test]
fn sheets_keep_their_order_their_names_and_who_sees_them() {
    let sheets = [
        ("图表", "", "r1"),
        ("A &amp; B", "state=\"hidden\"", "r2"),
        ("_quayside", "state=\"veryHidden\"", "r3"),
        ("数据", "state=\"visible\"", "r4"),
    ];
    let kinds = [
        ("r1", "chartsheet", "chartsheets/sheet1.xml"),
        ("r2", "worksheet", "worksheets/sheet1.xml"),
        ("r3", "worksheet", "worksheets/sheet2.xml"),
        ("r4", "worksheet", "worksheets/sheet3.xml"),
    ];
    let row = |n: u32| {
        worksheet(&format!(
            "<sheetData><row r=\"1\"><c><v>{n}</v></c></row></sheetData>"
        ))
    };
    let book = Workbook::new("")
        .part("xl/workbook.xml", workbook("", &sheets))
        .part("xl/_rels/workbook.xml.rels", relations(&kinds))
        .part("xl/chartsheets/sheet1.xml", "<chartsheet/>")
        .part("xl/worksheets/sheet1.xml", row(1))
        .part("xl/worksheets/sheet2.xml", row(2))
        .part("xl/worksheets/sheet3.xml", row(3));
    let book = open(&book.bytes()).unwrap();
    let told: Vec<_> = book
        .sheets()
        .iter()
        .map(|sheet| (sheet.name.as_str(), sheet.visible, sheet.worksheet))
        .collect();
    let expected = [
        ("图表", Visibility::Visible, false),
        ("A & B", Visibility::Hidden, true),
        ("_quayside", Visibility::VeryHidden, true),
        ("数据", Visibility::Visible, true),
    ];
    assert_eq!(told, expected);
    for sheet in 1..4 {
        let mut rows = book.rows(sheet, &Merges::default()).unwrap();
        assert_eq!(all(&mut rows).unwrap(), [format!("1: A {sheet}")]);
    }
}

#[test]
fn two_sheets_of_one_name_are_two_sheets() {
    let sheets = [("Data", "state=\"hidden\"", "r1"), ("Data", "", "r2")];
    let kinds = [
        ("r1", "worksheet", "worksheets/sheet1.xml"),
        ("r2", "worksheet", "worksheets/sheet2.xml"),
    ];
    let book = Workbook::new("<row r=\"1\"><c><v>1</v></c></row>")
        .part(
            "xl/worksheets/sheet2.xml",
            worksheet("<sheetData><row r=\"1\"><c><v>2</v></c></row></sheetData>"),
        )
        .part("xl/workbook.xml", workbook("", &sheets))
        .part("xl/_rels/workbook.xml.rels", relations(&kinds));
    let book = open(&book.bytes()).unwrap();
    let visible = book
        .sheets()
        .iter()
        .position(|sheet| sheet.visible == Visibility::Visible);
    let mut rows = book.rows(visible.unwrap(), &Merges::default()).unwrap();
    assert_eq!(all(&mut rows).unwrap(), ["1: A 2"]);
}

#[test]
fn the_workbook_says_which_day_number_one_is() {
    let calendar = |before: &str| {
        let main = workbook(before, &[("S", "", "rId1")]);
        open(&Workbook::new("").part("xl/workbook.xml", main).bytes())
            .unwrap()
            .calendar()
    };
    assert_eq!(calendar(""), Calendar::From1900);
    assert_eq!(calendar("<workbookPr date1904=\"0\"/>"), Calendar::From1900);
    assert_eq!(calendar("<workbookPr date1904=\"1\"/>"), Calendar::From1904);
    assert_eq!(
        calendar("<workbookPr date1904=\"true\"></workbookPr>"),
        Calendar::From1904
    );
}

#[test]
fn a_sheet_without_rows_has_none() {
    for inside in [
        "",
        "<sheetData/>",
        "<sheetData></sheetData>",
        "<dimension ref=\"A1:Z9\"/>",
    ] {
        assert!(Workbook::new("").sheet(inside).rows().unwrap().is_empty());
    }
    let book = Workbook::new("").part("xl/worksheets/sheet1.xml", "<worksheet/>");
    assert!(book.rows().unwrap().is_empty());
}

#[test]
fn a_sheet_may_hold_rows_unless_a_short_look_shows_that_it_holds_none() {
    let blank = "<row r=\"1\"><c r=\"A1\" s=\"1\"/></row>";
    let long = format!("<row>{}</row>", "<c/>".repeat(1_000)).repeat(2_000);
    let data = |rows: &str| worksheet(&format!("<sheetData>{rows}</sheetData>"));
    let cases = [
        ("<row r=\"1\"><c><v>1</v></c></row>", true),
        ("", false),
        (blank, false),
        ("<row><c t=\"str\"><v></v></c></row>", false),
        ("<row r=\"1\">", true),
        (&*long, true),
    ];
    for (rows, may_hold) in cases {
        let book = Workbook::new("").part("xl/worksheets/sheet1.xml", data(rows));
        let book = open(&book.bytes()).unwrap();
        assert_eq!(book.may_hold_rows(0), may_hold, "{:.60}", rows);
        assert!(!book.may_hold_rows(1), "there is none");
    }
}
