//! Parts in other encodings (A 4c).

use domain::FailureCode::NotAWorkbook;

use super::kit::{Workbook, worksheet};

const PARTS: [&str; 5] = [
    "[Content_Types].xml",
    "_rels/.rels",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "xl/worksheets/sheet1.xml",
];

fn book() -> Workbook {
    Workbook::new("<row r=\"1\"><c t=\"str\"><v>员工\u{1f600}</v></c></row>")
}

/// Every part in the encoding that `encode` makes of text.
fn read(encode: impl Fn(&str) -> Vec<u8>) -> Vec<String> {
    let mut other = book();
    for part in PARTS {
        let content = other
            .content(part)
            .replace("encoding=\"UTF-8\"", "encoding=\"UTF-16\"");
        other = other.part(part, encode(&content));
    }
    other.rows().unwrap()
}

fn wide(text: &str, order: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

#[test]
fn parts_in_utf16_are_read_with_and_without_a_mark() {
    let expected = ["1: A \"员工\u{1f600}\""];
    assert_eq!(
        read(|text| wide(&format!("\u{feff}{text}"), u16::to_le_bytes)),
        expected
    );
    assert_eq!(
        read(|text| wide(&format!("\u{feff}{text}"), u16::to_be_bytes)),
        expected
    );
    let declared = |text: &str| match text.starts_with("<?xml") {
        true => text.to_owned(),
        false => format!("<?xml version=\"1.0\"?>{text}"),
    };
    assert_eq!(
        read(|text| wide(&declared(text), u16::to_le_bytes)),
        expected
    );
    assert_eq!(
        read(|text| wide(&declared(text), u16::to_be_bytes)),
        expected
    );
    // says UTF-16 and is not
    assert_eq!(read(|text| text.into()), expected);
    assert_eq!(read(|text| format!("\u{feff}{text}").into()), expected);
}

#[test]
fn a_large_part_in_utf16_is_read_to_its_end() {
    let row = |n| format!("<row r=\"{n}\"><c t=\"str\"><v>员工{n}</v></c></row>");
    let rows: String = (1..=20_000).map(row).collect();
    let sheet = worksheet(&format!("<sheetData>{rows}</sheetData>")).replace("UTF-8", "UTF-16");
    let sheet = wide(&format!("\u{feff}{sheet}"), u16::to_le_bytes);
    let read = book()
        .part("xl/worksheets/sheet1.xml", sheet)
        .rows()
        .unwrap();
    assert!(
        read.into_iter()
            .eq((1..=20_000).map(|n| format!("{n}: A \"员工{n}\"")))
    );
}

#[test]
fn a_declared_encoding_is_followed_and_an_unknown_one_refused() {
    let sheet = |label: &str| {
        worksheet("<sheetData><row r=\"1\"><c t=\"str\"><v>\u{1}</v></c></row></sheetData>")
            .replace("UTF-8", label)
            .into_bytes()
            .into_iter()
            .flat_map(|byte| {
                if byte == 1 {
                    vec![0xb9, 0xa4]
                } else {
                    vec![byte]
                }
            })
            .collect::<Vec<u8>>()
    };
    let read = |label| book().part("xl/worksheets/sheet1.xml", sheet(label)).rows();
    assert_eq!(read("GB18030").unwrap(), ["1: A \"工\""]);
    assert_eq!(read("ISO-8859-1").unwrap(), ["1: A \"¹¤\""]);
    assert_eq!(read("UTF-8").unwrap_err().code, NotAWorkbook);
    assert_eq!(read("x-unheard-of").unwrap_err().code, NotAWorkbook);
}

#[test]
fn half_a_character_of_utf16_is_refused() {
    let sheet =
        worksheet("<sheetData><row r=\"1\"><c t=\"str\"><v>\u{1}</v></c></row></sheetData>");
    let mut sheet = wide(&format!("\u{feff}{sheet}"), u16::to_le_bytes);
    let at = sheet.iter().position(|byte| *byte == 1).unwrap();
    sheet[at..at + 2].copy_from_slice(&[0x00, 0xd8]);
    let book = book().part("xl/worksheets/sheet1.xml", sheet);
    assert_eq!(book.rows().unwrap_err().code, NotAWorkbook);
}
