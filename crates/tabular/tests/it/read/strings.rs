//! Shared strings (A 2, 4a, 4b, 7, 21).

use domain::FailureCode::{ArchiveLimits, NotAWorkbook};
use tabular::ReadLimits;

use super::kit::{Workbook, open, rows_within};

fn naming(index: &str) -> Workbook {
    Workbook::new(&format!("<row r=\"1\"><c t=\"s\"><v>{index}</v></c></row>"))
}

#[test]
fn a_cell_gets_the_string_it_names() {
    let strings = "<si><t>a</t></si><si/><si><t/></si><si><r><t>b</t></r><rPh sb=\"0\" eb=\"1\"><t>x</t></rPh>\
         <r><t>&lt;c_x000D_</t></r></si>";
    let row = |index| naming(index).strings("", strings).rows().unwrap();
    assert_eq!(row("0"), ["1: A \"a\""]);
    assert_eq!(row(" 3 "), ["1: A \"b<c\\r\""]);
    // empty texts alone are no row
    assert!(row("1").is_empty() && row("2").is_empty());
}

#[test]
fn a_string_that_is_not_there_is_never_another_one() {
    for index in [
        "1",
        "-1",
        "0x0",
        "1e0",
        "",
        " ",
        "4294967296",
        "99999999999999999999",
        "zero",
    ] {
        let book = naming(index).strings("", "<si><t>a</t></si>");
        assert_eq!(book.rows().unwrap_err().code, NotAWorkbook, "{index:?}");
    }
    assert_eq!(naming("0").rows().unwrap_err().code, NotAWorkbook);
}

#[test]
fn a_count_that_lies_reserves_nothing_and_a_lie_past_all_bounds_is_refused() {
    let strings = "<si><t>a</t></si>";
    for count in [
        "",
        "count=\"9\" uniqueCount=\"0\"",
        "uniqueCount=\"900000\"",
        "uniqueCount=\"x\"",
    ] {
        let read = naming("0").strings(count, strings).rows().unwrap();
        assert_eq!(read, ["1: A \"a\""], "{count}");
    }
    for count in [
        "1000000000",
        "4294967295",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        let book = naming("0").strings(&format!("uniqueCount=\"{count}\""), strings);
        assert_eq!(book.rows().unwrap_err().code, ArchiveLimits, "{count}");
    }
    let book = naming("0").strings("uniqueCount=\"20000000\"", strings);
    assert_eq!(book.rows().unwrap_err().code, NotAWorkbook);
}

#[test]
fn strings_beyond_the_bound_in_memory_spill_and_are_found_in_any_order() {
    const COUNT: usize = 50_000;
    let text = |number: usize| format!("员工 {number} {}", "x".repeat(number % 97));
    let strings: String = (0..COUNT)
        .map(|n| format!("<si><t>{}</t></si>", text(n)))
        .collect();
    // one after the other, then far apart
    let order = (0..COUNT).chain((0..COUNT).map(|n| n * 7_919 % COUNT));
    let rows = order.clone().zip(1..);
    let rows: String = rows
        .map(|(n, row)| format!("<row r=\"{row}\"><c t=\"s\"><v>{n}</v></c></row>"))
        .collect();
    let book = Workbook::new(&rows).strings("", &strings).bytes();
    for strings_in_memory in [0, 1_000_000, usize::MAX] {
        let limits = ReadLimits {
            strings_in_memory,
            ..ReadLimits::default()
        };
        let read = rows_within(&book, &limits).unwrap();
        let expected = order
            .clone()
            .zip(1..)
            .map(|(n, row)| format!("{row}: A {:?}", text(n)));
        assert!(read.into_iter().eq(expected));
    }
}

#[test]
fn long_strings_spill_too() {
    let text = |number: usize| format!("{number}").repeat(8_000);
    let strings: String = (0..130)
        .map(|n| format!("<si><t>{}</t></si>", text(n)))
        .collect();
    let rows: String = (1..=130)
        .map(|n| format!("<row r=\"{n}\"><c t=\"s\"><v>{}</v></c></row>", 130 - n))
        .collect();
    let book = Workbook::new(&rows).strings("", &strings).bytes();
    let limits = ReadLimits {
        strings_in_memory: 1_000,
        ..ReadLimits::default()
    };
    let read = rows_within(&book, &limits).unwrap();
    let expected = (1..=130).map(|n| format!("{n}: A {:?}", text(130 - n)));
    assert!(read.into_iter().eq(expected));
}

#[test]
fn strings_are_bounded_in_number_and_in_bytes() {
    let strings = "<si><t>0123456789</t></si>".repeat(1_000);
    let book = naming("999").strings("", &strings).bytes();
    let within = |limits: ReadLimits| rows_within(&book, &limits).map_err(|refusal| refusal.code);
    assert!(
        within(ReadLimits {
            strings: 1_000,
            strings_bytes: 10_000,
            ..ReadLimits::default()
        })
        .is_ok()
    );
    let fewer = ReadLimits {
        strings: 999,
        ..ReadLimits::default()
    };
    assert_eq!(within(fewer).unwrap_err(), ArchiveLimits);
    let shorter = ReadLimits {
        strings_bytes: 9_999,
        ..ReadLimits::default()
    };
    assert_eq!(within(shorter).unwrap_err(), ArchiveLimits);
}

#[test]
fn one_string_of_many_megabytes_is_refused() {
    let long = "x".repeat(50_000_000);
    let book = naming("0").strings("", &format!("<si><t>{long}</t></si>"));
    assert_eq!(open(&book.bytes()).err().unwrap().code, ArchiveLimits);
    let runs = "<r><t>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx</t></r>".repeat(1_000_000);
    let book = naming("0").strings("", &format!("<si>{runs}</si>"));
    assert_eq!(open(&book.bytes()).err().unwrap().code, ArchiveLimits);
}
