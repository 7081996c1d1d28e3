//! Where cells stand (A 1, 4b, 6, 23).

use domain::FailureCode::{ArchiveLimits, NotAWorkbook, TooManyColumns};
use tabular::{Merges, ReadLimits};

use super::kit::{Workbook, all, open, rows_within};

fn refused(rows: &str) -> domain::FailureCode {
    Workbook::new(rows).rows().unwrap_err().code
}

#[test]
fn cells_at_both_ends_of_a_sheet_are_two_cells_whatever_the_dimension_says() {
    let data = "<sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row>\
         <row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row></sheetData>";
    for dimension in [
        "",
        "<dimension ref=\"A1\"/>",
        "<dimension ref=\"A1:ZZZZZZ99999999999\"/>",
    ] {
        let book = Workbook::new("").sheet(&format!("{dimension}{data}"));
        assert_eq!(book.rows().unwrap(), ["1: A 1", "1048576: XFD 2"]);
    }
}

#[test]
fn a_place_outside_of_a_sheet_is_refused() {
    assert_eq!(
        refused("<row r=\"1\"><c r=\"XFE1\"><v>1</v></c></row>"),
        TooManyColumns
    );
    assert_eq!(
        refused("<row r=\"1\"><c r=\"ZZZZZZZ1\"><v>1</v></c></row>"),
        TooManyColumns
    );
    assert_eq!(
        refused("<row r=\"1048577\"><c><v>1</v></c></row>"),
        ArchiveLimits
    );
    assert_eq!(
        refused("<row r=\"2\"><c r=\"A4294967298\"><v>1</v></c></row>"),
        ArchiveLimits
    );
    assert_eq!(
        refused("<row r=\"4294967298\"><c><v>1</v></c></row>"),
        ArchiveLimits
    );
    let far = "<row r=\"1\"><c r=\"ZZZZZZZ99999999999\"><v>1</v></c></row>";
    assert_eq!(refused(far), TooManyColumns);
    let cells = "<c><v>1</v></c>".repeat(16_385);
    assert_eq!(refused(&format!("<row>{cells}</row>")), TooManyColumns);
    assert_eq!(
        refused("<row r=\"1048576\"/><row><c><v>1</v></c></row>"),
        ArchiveLimits
    );
}

#[test]
fn a_place_that_is_none_is_refused() {
    for place in [
        "A0",
        "0",
        "A",
        "1",
        "",
        "A01",
        "A-1",
        "1A",
        "A1 ",
        "\u{ff21}1",
        "$A$1",
        "A1:B2",
    ] {
        let row = format!("<row r=\"1\"><c r=\"{place}\"><v>1</v></c></row>");
        assert_eq!(refused(&row), NotAWorkbook, "{place:?}");
    }
    for row in ["0", "-1", "", "1.0", "one", "01"] {
        let row = format!("<row r=\"{row}\"><c><v>1</v></c></row>");
        assert_eq!(refused(&row), NotAWorkbook, "{row:?}");
    }
}

#[test]
fn cells_and_rows_without_a_place_follow_the_one_before() {
    let rows = "<row><c><v>1</v></c><c r=\"C1\"><v>2</v></c><c><v>3</v></c></row>\
         <row r=\"7\"><c/><c><v>4</v></c></row><row><c><v>5</v></c></row>";
    let read = Workbook::new(rows).rows().unwrap();
    assert_eq!(read, ["1: A 1 C 2 D 3", "7: B 4", "8: A 5"]);
}

#[test]
fn rows_that_repeat_or_go_back_are_refused() {
    let row = |number: u32| format!("<row r=\"{number}\"><c><v>1</v></c></row>");
    assert_eq!(refused(&(row(2) + &row(2))), NotAWorkbook);
    assert_eq!(refused(&(row(2) + &row(1))), NotAWorkbook);
    assert_eq!(refused(&(row(2) + "<row r=\"1\"/>")), NotAWorkbook);
}

#[test]
fn cells_that_repeat_go_back_or_name_another_row_are_refused() {
    let row = |one: &str, two: &str| {
        format!("<row r=\"1\"><c r=\"{one}\"><v>1</v></c><c r=\"{two}\"><v>1</v></c></row>")
    };
    assert_eq!(refused(&row("B1", "A1")), NotAWorkbook);
    assert_eq!(refused(&row("A1", "A1")), NotAWorkbook);
    assert_eq!(refused(&row("A1", "B2")), NotAWorkbook);
}

#[test]
fn a_sheet_whose_rows_stand_in_two_places_is_refused() {
    let data = "<sheetData><row r=\"1\"><c><v>1</v></c></row></sheetData>";
    let book = Workbook::new("").sheet(&format!("{data}{data}"));
    assert_eq!(book.rows().unwrap_err().code, NotAWorkbook);
}

#[test]
fn blank_rows_are_no_rows_and_keep_their_numbers() {
    let rows = "<row r=\"1\"><c><v>1</v></c></row><row r=\"2\"/><row r=\"3\"><c s=\"1\"/></row>\
         <row r=\"4\"><c t=\"inlineStr\"><is><t></t></is></c></row><row r=\"6\"><c><v>2</v></c></row>";
    assert_eq!(Workbook::new(rows).rows().unwrap(), ["1: A 1", "6: A 2"]);
}

#[test]
fn a_million_styled_empty_rows_cost_nothing_and_hide_no_row_behind_them() {
    let mut rows = String::from("<row r=\"1\"><c><v>1</v></c></row>");
    for number in 2..=1_000_000 {
        rows += &format!("<row r=\"{number}\"><c r=\"A{number}\" s=\"1\"/></row>");
    }
    rows += "<row r=\"1000001\"><c><v>2</v></c></row>";
    let book = open(&Workbook::new(&rows).bytes()).unwrap();
    let mut pass = book.rows(0, &Merges::default()).unwrap();
    let chunk = pass.next().unwrap().unwrap();
    assert!(chunk.len() == 2 && chunk.size_bytes() < 1_000);
    assert!(pass.next().unwrap().is_none());
}

#[test]
fn rows_come_in_chunks_of_a_bounded_size_each_once() {
    let text = "x".repeat(1_000);
    let row = |number| format!("<row r=\"{number}\"><c t=\"str\"><v>{text}</v></c></row>");
    let rows: String = (1..=5_000).map(row).collect();
    let book = open(&Workbook::new(&rows).bytes()).unwrap();
    let mut pass = book.rows(0, &Merges::default()).unwrap();
    let mut numbers = Vec::new();
    while let Some(chunk) = pass.next().unwrap() {
        assert!(chunk.len() <= 1_000 && chunk.size_bytes() < 264_000);
        numbers.extend(chunk.rows().map(|row| row.number));
    }
    assert!(numbers.into_iter().eq(1..=5_000));
    assert!(pass.next().unwrap().is_none());
}

#[test]
fn bounds_of_rows_and_columns_can_be_set_lower() {
    let book = Workbook::new("<row r=\"3\"><c r=\"C3\"><v>1</v></c></row>").bytes();
    let limits = ReadLimits {
        rows: 2,
        ..ReadLimits::default()
    };
    assert_eq!(rows_within(&book, &limits).unwrap_err().code, ArchiveLimits);
    let limits = ReadLimits {
        columns: 2,
        ..ReadLimits::default()
    };
    assert_eq!(
        rows_within(&book, &limits).unwrap_err().code,
        TooManyColumns
    );
}

#[test]
fn a_book_and_its_rows_may_go_to_another_thread() {
    fn sent<T: Send>() {}
    sent::<tabular::Book>();
    sent::<tabular::SheetRows>();
}

#[test]
fn a_pass_that_is_left_early_lets_its_thread_go() {
    let rows: String = (1..=200_000)
        .map(|n| format!("<row r=\"{n}\"><c><v>1</v></c></row>"))
        .collect();
    let book = open(&Workbook::new(&rows).bytes()).unwrap();
    for _ in 0..20 {
        let mut pass = book.rows(0, &Merges::default()).unwrap();
        assert_eq!(pass.next().unwrap().unwrap().len(), 1_000);
    }
    let mut pass = book.rows(0, &Merges::default()).unwrap();
    assert_eq!(all(&mut pass).unwrap().len(), 200_000);
}
