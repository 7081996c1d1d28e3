//! XML made to harm (A 4, 4a, 23).

use domain::FailureCode::{self, ArchiveLimits, NotAWorkbook};

use super::kit::{Workbook, workbook, worksheet};

const SHEET: &str = "xl/worksheets/sheet1.xml";

fn refused(part: &str, content: &str) -> FailureCode {
    let book = Workbook::new("").strings("", "").styles(&[], &[]);
    book.part(part, content).rows().unwrap_err().code
}

#[test]
fn a_document_type_is_refused_in_every_part() {
    let declared = [
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
        "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"http://127.0.0.1/\">]>",
        "<!doctype x>",
        "<!ENTITY a \"b\">",
    ];
    let parts = [
        SHEET,
        "xl/workbook.xml",
        "xl/sharedStrings.xml",
        "xl/styles.xml",
        "_rels/.rels",
        "[Content_Types].xml",
    ];
    let book = Workbook::new("").strings("", "").styles(&[], &[]);
    for part in parts {
        let own = book.content(part);
        let own = own
            .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
            .unwrap_or(&own);
        assert!(book.clone().part(part, own).rows().is_ok());
        for declared in declared {
            assert_eq!(
                refused(part, &format!("<?xml version=\"1.0\"?>{declared}{own}")),
                NotAWorkbook
            );
        }
    }
}

#[test]
fn entities_other_than_the_five_are_refused() {
    let text = |text: &str| {
        let row = format!("<row r=\"1\"><c t=\"str\"><v>{text}</v></c></row>");
        Workbook::new(&row).rows().map_err(|refusal| refusal.code)
    };
    assert_eq!(
        text("&amp;&lt;&gt;&quot;&apos;&#65;&#x42;").unwrap(),
        ["1: A \"&<>\\\"'AB\""]
    );
    for wrong in [
        "&nbsp;",
        "&a;",
        "&;",
        "&",
        "&#;",
        "&#x;",
        "&#xD800;",
        "&#0;",
        "&#x110000;",
        "&#-1;",
        "&#+65;",
        "&amp",
        "&#99999999999999;",
    ] {
        assert_eq!(text(wrong).unwrap_err(), NotAWorkbook, "{wrong}");
    }
}

#[test]
fn xml_that_is_not_well_formed_is_refused() {
    let data = |inside: &str| worksheet(&format!("<sheetData>{inside}</sheetData>"));
    let wrong = [
        String::new(),
        " ".into(),
        "x".into(),
        "<".into(),
        "<worksheet".into(),
        "<worksheet>".into(),
        "<worksheet/><worksheet/>".into(),
        "<worksheet/>x".into(),
        "</worksheet>".into(),
        "<worksheet></worksheet></worksheet>".into(),
        "<worksheet><![CDATA[".into(),
        "<![CDATA[x]]><worksheet/>".into(),
        data("<row r=\"1\"><c><v>1</c></v></row>"),
        data("<row r=\"1\"><c><v>1</v></row>"),
        data("<row r=\"1\" r=\"2\"/>"),
        data("<row r=1/>"),
        data("<row r/>"),
        data("<row r=\"1/>"),
        data("<row r=\"<\"/>"),
        data("<row r=\"1\"s=\"2\"/>"),
        data("<row / >"),
        data("< row/>"),
        data("<!-- "),
        data("<row r=\"1\"><c t=\"str\"><v>\u{0}").replace('\0', "<"),
        worksheet("<sheetData>"),
        worksheet("<sheetData/></worksheet><x>"),
    ];
    for wrong in wrong {
        assert_eq!(refused(SHEET, &wrong), NotAWorkbook, "{wrong}");
    }
}

#[test]
fn a_fault_behind_the_last_row_is_found_before_the_end_is_told() {
    let rows = "<sheetData><row r=\"1\"><c><v>1</v></c></row></sheetData>";
    for behind in [
        "<mergeCells><mergeCell ref=\"A0:B1\"/></mergeCells>",
        "<x>",
        "<x></y>",
    ] {
        assert_eq!(
            refused(SHEET, &worksheet(&format!("{rows}{behind}"))),
            NotAWorkbook,
            "{behind}"
        );
    }
}

#[test]
fn a_part_of_another_kind_is_refused() {
    assert_eq!(refused(SHEET, "<chartsheet/>"), NotAWorkbook);
    assert_eq!(refused("xl/workbook.xml", "<worksheet/>"), NotAWorkbook);
    assert_eq!(refused("xl/sharedStrings.xml", "<workbook/>"), NotAWorkbook);
    assert_eq!(refused("xl/styles.xml", "<sst/>"), NotAWorkbook);
}

#[test]
fn tokens_depth_and_attributes_are_bounded() {
    let long = "x".repeat(3_000_000);
    for inside in [
        format!("<row {long}=\"1\"/>"),
        format!("<row a=\"{long}\"/>"),
        format!("<!--{long}-->"),
        format!("<row>{long}</row>"),
        format!("<row><c><f>{long}</f></c></row>"),
        format!("<{long}/>"),
    ] {
        let code = refused(
            SHEET,
            &worksheet(&format!("<sheetData>{inside}</sheetData>")),
        );
        assert_eq!(code, ArchiveLimits);
    }
    let deep = "<a>".repeat(100_000) + &"</a>".repeat(100_000);
    assert_eq!(refused(SHEET, &worksheet(&deep)), ArchiveLimits);
    let many: String = (0..5_000)
        .map(|number| format!(" a{number}=\"1\""))
        .collect();
    assert_eq!(
        refused(SHEET, &worksheet(&format!("<x{many}/>"))),
        NotAWorkbook
    );
}

#[test]
fn sheets_past_any_number_that_people_have_are_refused() {
    let sheets = vec![("s", "", "rId1"); 5_000];
    assert_eq!(
        refused("xl/workbook.xml", &workbook("", &sheets)),
        ArchiveLimits
    );
    let sheets = "<sheet/>".repeat(10_000_000);
    let many = format!("<workbook><sheets>{sheets}</sheets></workbook>");
    assert_eq!(refused("xl/workbook.xml", &many), ArchiveLimits);
}

#[test]
fn one_inline_string_of_many_megabytes_is_refused() {
    let long = "x".repeat(60_000_000);
    let row = format!("<row r=\"1\"><c t=\"inlineStr\"><is><t>{long}</t></is></c></row>");
    assert_eq!(Workbook::new(&row).rows().unwrap_err().code, ArchiveLimits);
    let parts = "<![CDATA[xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]]>".repeat(1_000_000);
    let row = format!("<row r=\"1\"><c><v>{parts}</v></c></row>");
    assert_eq!(Workbook::new(&row).rows().unwrap_err().code, ArchiveLimits);
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    let mut sheet =
        worksheet("<sheetData><row r=\"1\"><c t=\"str\"><v>\u{1}</v></c></row></sheetData>")
            .into_bytes();
    let at = sheet.iter().position(|byte| *byte == 1).unwrap();
    sheet[at] = 0xff;
    let book = Workbook::new("").part(SHEET, sheet);
    assert_eq!(book.rows().unwrap_err().code, NotAWorkbook);
}
