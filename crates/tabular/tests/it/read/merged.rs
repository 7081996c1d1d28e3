//! Merged cells (A 17).

use domain::FailureCode::{ArchiveLimits, NotAWorkbook, TooManyColumns};
use tabular::{Merges, ReadLimits, Refusal};

use super::kit::{Workbook, all, open_within};

fn book(rows: &str, ranges: &[&str]) -> Workbook {
    let ranges: String = ranges
        .iter()
        .map(|range| format!("<mergeCell ref=\"{range}\"/>"))
        .collect();
    Workbook::new("").sheet(&format!(
        "<sheetData>{rows}</sheetData><mergeCells count=\"99\">{ranges}</mergeCells>"
    ))
}

/// Reads twice, as importers do.
fn twice(book: &Workbook, filling: bool, limits: &ReadLimits) -> Result<Vec<String>, Refusal> {
    let opened = open_within(&book.bytes(), limits)?;
    let mut first = opened.rows(0, &Merges::default())?;
    all(&mut first)?;
    let merges = first.merges().clone().filling(filling);
    let mut second = opened.rows(0, &merges)?;
    let read = all(&mut second)?;
    assert_eq!(second.merges(), &merges);
    Ok(read)
}

fn read(rows: &str, ranges: &[&str], filling: bool) -> Vec<String> {
    twice(&book(rows, ranges), filling, &ReadLimits::default()).unwrap()
}

const ROWS: &str = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>x</v></c><c r=\"B1\"/><c r=\"D1\"><v>4</v></c></row>\
     <row r=\"2\"><c r=\"A2\"><v>9</v></c><c r=\"D2\"><f>1</f><v>5</v></c></row><row r=\"3\"><c r=\"E3\"><v>6</v></c></row><row r=\"4\"/>";

#[test]
fn a_first_pass_finds_the_ranges_and_gives_the_cells_as_they_stand() {
    let opened = open_within(
        &book(ROWS, &["A1:B3", "D2:D4", "C9"]).bytes(),
        &ReadLimits::default(),
    )
    .unwrap();
    let mut pass = opened.rows(0, &Merges::default()).unwrap();
    assert!(pass.merges().is_empty());
    assert_eq!(
        all(&mut pass).unwrap(),
        ["1: A \"x\" D 4", "2: A 9 D =5", "3: E 6"]
    );
    assert_eq!(pass.merges().len(), 2);
}

#[test]
fn covered_cells_say_where_their_value_stands_whatever_they_hold() {
    let expected = [
        "1: A \"x\" B merged A1 D 4",
        "2: A merged A1 B merged A1 D =5",
        "3: A merged A1 B merged A1 D merged D2 E 6",
    ];
    assert_eq!(read(ROWS, &["A1:B3", "D2:D4"], false), expected);
    assert_eq!(read(ROWS, &["B3:A1", "D4:D2"], false), expected);
}

#[test]
fn covered_cells_can_be_filled_with_their_first() {
    let expected = [
        "1: A \"x\" B \"x\" D 4",
        "2: A \"x\" B \"x\" D =5",
        "3: A \"x\" B \"x\" D =5 E 6",
    ];
    assert_eq!(read(ROWS, &["A1:B3", "D2:D4"], true), expected);
    // nothing stands in the first cell, or it is not there
    assert_eq!(
        read(ROWS, &["B1:C2", "C3:D3"], true),
        ["1: A \"x\" D 4", "2: A 9 D =5", "3: E 6"]
    );
}

#[test]
fn a_row_in_which_only_merges_from_elsewhere_stand_is_no_row() {
    let rows = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"2\"><c r=\"A2\"/><c r=\"B2\"/></row><row r=\"3\"><c r=\"A3\"><v>3</v></c></row>";
    for filling in [false, true] {
        assert_eq!(read(rows, &["A1:B2"], filling).len(), 2);
    }
    assert_eq!(read(rows, &["A1:A3"], false), ["1: A 1"]);
}

#[test]
fn ranges_that_overlap_give_every_cell_once() {
    let read = read(ROWS, &["A1:D2", "B1:E1", "A1:B3"], false);
    for row in read {
        let letters: Vec<&str> = row
            .split(' ')
            .filter(|word| word.len() == 1 && word.chars().all(char::is_uppercase))
            .collect();
        assert!(
            letters.is_sorted() && letters.windows(2).all(|two| two[0] != two[1]),
            "{row}"
        );
    }
}

#[test]
fn ranges_that_overlap_without_end_are_refused() {
    let ranges = vec!["A1:XFD9"; 100_000];
    let refusal = twice(&book(ROWS, &ranges), false, &ReadLimits::default()).unwrap_err();
    assert_eq!(refusal.code, NotAWorkbook);
}

#[test]
fn ranges_over_whole_columns_and_rows_are_read() {
    let read = read(
        "<row r=\"1\"><c><v>1</v></c></row><row r=\"9\"><c r=\"B9\"><v>2</v></c></row>",
        &["A1:A1048576"],
        true,
    );
    assert_eq!(read, ["1: A 1", "9: A 1 B 2"]);
}

#[test]
fn ranges_are_bounded_in_number_in_cells_and_in_text() {
    let limits = ReadLimits {
        merges: 2,
        merged_cells: 100_000,
        row_bytes: 60_000,
        ..ReadLimits::default()
    };
    let refused =
        |rows: &str, ranges: &[&str]| twice(&book(rows, ranges), true, &limits).unwrap_err().code;
    let rows: String = (1..=10)
        .map(|n| format!("<row r=\"{n}\"><c><v>1</v></c></row>"))
        .collect();
    assert_eq!(refused(&rows, &["A1:B1", "A2:B2", "A3:B3"]), ArchiveLimits);
    assert_eq!(refused(&rows, &["A1:XFD1048576"]), ArchiveLimits);
    let long = format!(
        "<c r=\"A1\" t=\"str\"><v>{0}</v></c><c r=\"C1\" t=\"str\"><v>{0}</v></c>",
        "x".repeat(29_990)
    );
    assert_eq!(
        refused(&format!("<row r=\"1\">{long}</row>"), &["A1:B2", "C1:D2"]),
        ArchiveLimits
    );
}

#[test]
fn a_range_that_is_none_is_refused() {
    let refused = |range: &str| {
        twice(&book("", &[range]), false, &ReadLimits::default())
            .unwrap_err()
            .code
    };
    for range in ["", "A", "A1:", ":", "A0:B1", "A1:B2:C3", "A1 B2"] {
        assert_eq!(refused(range), NotAWorkbook, "{range}");
    }
    assert_eq!(refused("A1:XFE1"), TooManyColumns);
    assert_eq!(refused("A1:A1048577"), ArchiveLimits);
}
