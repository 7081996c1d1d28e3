//! What stands in a cell (A 4b, 4c, 11, 12, 14, 15, 16, 20, 21).

use domain::FailureCode::{ArchiveLimits, NotAWorkbook};
use tabular::ReadLimits;

use super::kit::{Workbook, rows_within};

/// The cells of one row, given as their XML.
fn cells(inside: &str) -> String {
    let rows = Workbook::new(&format!("<row r=\"1\">{inside}</row>"))
        .rows()
        .unwrap();
    rows.into_iter().next().unwrap_or_default()
}

fn refused(inside: &str) -> domain::FailureCode {
    let book = Workbook::new(&format!("<row r=\"1\">{inside}</row>"));
    book.rows().unwrap_err().code
}

#[test]
fn a_number_keeps_every_digit_that_the_file_has() {
    let numbers = [
        "123456789012345678",
        "1.1000000000000001",
        "3.5E+17",
        "-0",
        "1e-7",
        "00012",
        "11.111000000001",
    ];
    for number in numbers {
        assert_eq!(
            cells(&format!("<c><v>{number}</v></c>")),
            format!("1: A {number}")
        );
        assert_eq!(
            cells(&format!("<c t=\"n\"><v> {number}\n</v></c>")),
            format!("1: A {number}")
        );
    }
}

#[test]
fn a_value_cut_by_comments_cdata_or_references_is_whole() {
    assert_eq!(cells("<c><v>12<!-- -->34</v></c>"), "1: A 1234");
    assert_eq!(cells("<c><v><![CDATA[12]]>34</v></c>"), "1: A 1234");
    assert_eq!(cells("<c><v>1&#50;3&#x34;</v></c>"), "1: A 1234");
    assert_eq!(cells("<c><v>12<?x y?>34</v></c>"), "1: A 1234");
}

#[test]
fn what_is_no_finite_number_is_an_error_cell_and_the_others_are_read() {
    for wrong in [
        "NaN", "INF", "-INF", "inf", "1e999", "abc", "1,5", "0x10", "1 2", "+", ".",
    ] {
        let row = cells(&format!("<c><v>{wrong}</v></c><c><v>7</v></c>"));
        assert_eq!(row, format!("1: A error {wrong} B 7"));
    }
}

#[test]
fn zero_false_empty_text_and_blank_are_four_things() {
    let row = "<c><v>0</v></c><c t=\"b\"><v>0</v></c><c t=\"inlineStr\"><is><t></t></is></c><c s=\"1\"/><c><v>1</v></c>";
    assert_eq!(cells(row), "1: A 0 B false C \"\" E 1");
}

#[test]
fn truth_is_read_in_either_spelling() {
    let row = "<c t=\"b\"><v>1</v></c><c t=\"b\"><v>true</v></c><c t=\"b\"><v>false</v></c><c t=\"b\"><v>2</v></c>";
    assert_eq!(cells(row), "1: A true B true C false D error 2");
}

#[test]
fn a_formula_gives_its_last_result_wherever_it_stands() {
    assert_eq!(cells("<c><f>1+1</f><v>2</v></c>"), "1: A =2");
    assert_eq!(cells("<c><v>2</v><f>1+1</f></c>"), "1: A =2");
    assert_eq!(
        cells("<c t=\"str\"><f>A2&amp;\"x\"</f><v>yx</v></c>"),
        "1: A =\"yx\""
    );
    assert_eq!(
        cells("<c><f t=\"shared\" si=\"0\"/><v>3</v></c>"),
        "1: A =3"
    );
    assert_eq!(cells("<c t=\"b\"><f>TRUE()</f><v>1</v></c>"), "1: A =true");
}

#[test]
fn a_formula_without_a_value_is_never_blank() {
    for content in ["<f>1+1</f>", "<f>1+1</f><v></v>", "<f>1+1</f><v/>", "<f/>"] {
        assert_eq!(cells(&format!("<c>{content}</c>")), "1: A =formula?");
    }
    assert_eq!(cells("<c t=\"str\"><f>A2</f></c>"), "1: A =formula?");
    // the result is an empty text
    assert_eq!(
        cells("<c t=\"str\"><f>A2</f><v></v></c><c><v>1</v></c>"),
        "1: A =\"\" B 1"
    );
}

#[test]
fn every_error_is_an_error_cell_those_of_newer_excel_too() {
    let errors = [
        "#N/A",
        "#REF!",
        "#DIV/0!",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#GETTING_DATA",
        "#BLOCKED!",
        "#BEZUG!",
    ];
    for error in errors {
        let row = cells(&format!(
            "<c t=\"e\" vm=\"1\"><f>X()</f><v>{error}</v></c><c><v>1</v></c>"
        ));
        assert_eq!(row, format!("1: A =error {error} B 1"));
    }
}

#[test]
fn a_date_in_iso_text_is_read() {
    assert_eq!(
        cells("<c t=\"d\"><v>2026-01-02T03:04:05</v></c>"),
        "1: A iso 2026-01-02T03:04:05"
    );
}

#[test]
fn spaces_of_any_kind_are_kept_in_text() {
    for text in [
        "  x ",
        "\u{3000}x\u{3000}",
        "\u{200b}x\u{feff}",
        " ",
        "\u{a0}x",
        "a\tb\nc",
    ] {
        for space in ["", " xml:space=\"preserve\""] {
            let cell = format!("<c t=\"inlineStr\"><is><t{space}>{text}</t></is></c>");
            assert_eq!(cells(&cell), format!("1: A {text:?}"));
        }
    }
}

#[test]
fn escapes_of_characters_are_decoded_once() {
    let text = |raw: &str| cells(&format!("<c t=\"str\"><v>{raw}</v></c>"));
    assert_eq!(text("a_x000D_b"), "1: A \"a\\rb\"");
    assert_eq!(text("_x0041__x0042_"), "1: A \"AB\"");
    assert_eq!(text("_x005F_x000D_"), "1: A \"_x000D_\"");
    assert_eq!(text("_xD83D__xDE00_"), "1: A \"\u{1f600}\"");
    assert_eq!(
        text("_xD83D_ _xZZZZ_ _x41_ _x0041"),
        "1: A \"_xD83D_ _xZZZZ_ _x41_ _x0041\""
    );
    assert_eq!(text("_x4e2d_文"), "1: A \"中文\"");
    assert_eq!(text("_x好好好_"), "1: A \"_x好好好_\"");
}

#[test]
fn line_ends_are_as_xml_has_them_and_referenced_ones_stay() {
    let text = |raw: &str| cells(&format!("<c t=\"str\"><v>{raw}</v></c>"));
    assert_eq!(text("a\r\nb\rc\nd"), "1: A \"a\\nb\\nc\\nd\"");
    assert_eq!(text("a&#13;&#10;b"), "1: A \"a\\r\\nb\"");
    assert_eq!(text("<![CDATA[a\r\nb&amp;]]>"), "1: A \"a\\nb&amp;\"");
}

#[test]
fn rich_text_is_joined_and_how_it_is_pronounced_is_dropped() {
    let rich = "<is><r><rPr><b/></rPr><t>東</t></r><r><t xml:space=\"preserve\"> 京</t></r>\
         <rPh sb=\"0\" eb=\"1\"><t>トウ</t></rPh><phoneticPr fontId=\"1\"/></is>";
    assert_eq!(
        cells(&format!("<c t=\"inlineStr\">{rich}</c>")),
        "1: A \"東 京\""
    );
}

#[test]
fn what_is_added_to_a_cell_or_a_row_by_newer_programs_is_passed_over() {
    let more =
        "<extLst><ext uri=\"{x}\"><y:c xmlns:y=\"y\" r=\"Z9\"><y:v>9</y:v></y:c></ext></extLst>";
    assert_eq!(
        cells(&format!(
            "<c>{more}<v>1</v>{more}</c>{more}<c cm=\"1\"><v>2</v></c>"
        )),
        "1: A 1 B 2"
    );
}

#[test]
fn a_cell_that_has_two_values_or_an_unknown_type_is_refused() {
    assert_eq!(refused("<c><v>1</v><v>2</v></c>"), NotAWorkbook);
    assert_eq!(refused("<c t=\"x\"><v>1</v></c>"), NotAWorkbook);
    assert_eq!(refused("<c><is><t>a</t></is></c>"), NotAWorkbook);
    assert_eq!(
        refused("<c t=\"inlineStr\"><is><t>a</t></is><v>1</v></c>"),
        NotAWorkbook
    );
}

#[test]
fn text_is_bounded_in_utf16_units() {
    let fits = "\u{1f600}".repeat(16_383) + "x";
    let cell = |text: &str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
    assert!(cells(&cell(&fits)).contains(&fits));
    assert_eq!(refused(&cell(&(fits.clone() + "y"))), ArchiveLimits);
    let runs = format!("<c t=\"inlineStr\"><is><r><t>{fits}</t></r><r><t>y</t></r></is></c>");
    assert_eq!(refused(&runs), ArchiveLimits);
}

#[test]
fn a_row_and_a_sheet_are_bounded_in_text_however_often_a_string_is_shared() {
    let limits = ReadLimits {
        row_bytes: 100_000,
        text_bytes: 1_000_000,
        ..ReadLimits::default()
    };
    let book = |cells: usize, rows: u32| {
        let cells = "<c t=\"s\"><v>0</v></c>".repeat(cells);
        let rows: String = (1..=rows)
            .map(|n| format!("<row r=\"{n}\">{cells}</row>"))
            .collect();
        let text = "x".repeat(30_000);
        Workbook::new(&rows)
            .strings("", &format!("<si><t>{text}</t></si>"))
            .bytes()
    };
    assert_eq!(rows_within(&book(3, 11), &limits).unwrap().len(), 11);
    assert_eq!(
        rows_within(&book(4, 1), &limits).unwrap_err().code,
        ArchiveLimits
    );
    assert_eq!(
        rows_within(&book(3, 12), &limits).unwrap_err().code,
        ArchiveLimits
    );
}

#[test]
fn hidden_rows_say_so() {
    let rows = "<row r=\"1\" hidden=\"1\"><c><v>1</v></c></row><row r=\"2\" hidden=\"true\"><c><v>2</v></c></row>\
         <row r=\"3\" hidden=\"0\"><c><v>3</v></c></row>";
    let read = Workbook::new(rows).rows().unwrap();
    assert_eq!(read, ["1 hidden: A 1", "2 hidden: A 2", "3: A 3"]);
}
