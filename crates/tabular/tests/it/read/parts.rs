//! Workbooks put together in ways that people have (A 4c, 23).

use domain::FailureCode::{NotAWorkbook, UnsupportedMedia};

use super::kit::{Workbook, open, relations, workbook, worksheet};

const ROW: &str = "<row r=\"1\"><c t=\"s\"><v>0</v></c><c s=\"0\"><v>7</v></c></row>";
const READ: &str = "1: A \"a\" B date 7";
const SHEET: &str = "xl/worksheets/sheet1.xml";
const RELATIONS: &str = "xl/_rels/workbook.xml.rels";

fn book() -> Workbook {
    Workbook::new(ROW)
        .strings("", "<si><t>a</t></si>")
        .styles(&[], &[14])
}

/// The book with its three parts at these names and their relations' targets so.
fn moved(names: [&str; 3], targets: [&str; 3]) -> Workbook {
    let book = book();
    let old = [SHEET, "xl/sharedStrings.xml", "xl/styles.xml"];
    let mut other = book.clone();
    for (old, name) in old.iter().zip(names) {
        other = other.without(old).part(name, book.content(old));
    }
    let [sheet, strings, styles] = targets;
    let all = [
        ("rId1", "worksheet", sheet),
        ("rId2", "sharedStrings", strings),
        ("rId3", "styles", styles),
    ];
    other.part(RELATIONS, relations(&all))
}

#[test]
fn parts_are_found_under_any_name_that_their_relation_tells() {
    let names = ["xl/worksheets/a b&c.xml", "xl/texts.xml", "formats/s.xml"];
    let targets = [
        "worksheets/a%20b&amp;c.xml",
        "./texts.xml",
        "/formats/s.xml",
    ];
    assert_eq!(moved(names, targets).rows().unwrap(), [READ]);
    let targets = [
        "/xl/./worksheets/a b&#38;c.xml",
        "../xl/texts.xml",
        "..\\formats\\s.xml",
    ];
    assert_eq!(moved(names, targets).rows().unwrap(), [READ]);
    let targets = [
        "WORKSHEETS/A B&amp;C.XML",
        "/XL/texts.xml#x",
        "worksheets/../../formats/s.xml",
    ];
    assert_eq!(moved(names, targets).rows().unwrap(), [READ]);
}

#[test]
fn a_workbook_under_another_name_is_found() {
    let book = book();
    let other = book
        .clone()
        .without("xl/workbook.xml")
        .without(RELATIONS)
        .without("[Content_Types].xml")
        .part(
            "_rels/.rels",
            relations(&[("r", "officeDocument", "/book/main.xml")]),
        )
        .part("book/main.xml", book.content("xl/workbook.xml"))
        .part(
            "book/_rels/main.xml.rels",
            book.content(RELATIONS)
                .replace("=\"worksheets", "=\"/xl/worksheets")
                .replace("=\"s", "=\"/xl/s"),
        );
    assert_eq!(other.rows().unwrap(), [READ]);
}

#[test]
fn strict_files_are_read() {
    let mut strict = book();
    for part in [
        "_rels/.rels",
        "xl/workbook.xml",
        RELATIONS,
        SHEET,
        "xl/sharedStrings.xml",
        "xl/styles.xml",
    ] {
        let content = strict
            .content(part)
            .replace(
                "http://schemas.openxmlformats.org/officeDocument/2006/",
                "http://purl.oclc.org/ooxml/officeDocument/",
            )
            .replace(
                "http://schemas.openxmlformats.org/spreadsheetml/2006/",
                "http://purl.oclc.org/ooxml/spreadsheetml/",
            );
        strict = strict.part(part, content);
    }
    assert_eq!(strict.rows().unwrap(), [READ]);
}

#[test]
fn prefixed_names_are_read() {
    let sheet = "<x:worksheet xmlns:x=\"m\"><x:sheetData><x:row r=\"1\"><x:c r=\"A1\" t=\"s\"><x:v>0</x:v></x:c>\
         <x:c r=\"B1\" s=\"0\"><x:f>1</x:f><x:v>7</x:v></x:c></x:row></x:sheetData></x:worksheet>";
    let strings = "<y:sst xmlns:y=\"m\"><y:si><y:t>a</y:t></y:si></y:sst>";
    let styles =
        "<z:styleSheet xmlns:z=\"m\"><z:cellXfs><z:xf numFmtId=\"14\"/></z:cellXfs></z:styleSheet>";
    let main = "<w:workbook xmlns:w=\"m\" xmlns:rel=\"r\"><w:sheets><w:sheet name=\"S\" sheetId=\"1\" rel:id=\"rId1\"/></w:sheets></w:workbook>";
    let all = book()
        .content(RELATIONS)
        .replace("<Relationship", "<p:Relationship")
        .replace("</Relationship", "</p:Relationship")
        .replace("xmlns=", "xmlns:p=");
    let book = book()
        .part(SHEET, sheet)
        .part("xl/sharedStrings.xml", strings)
        .part("xl/styles.xml", styles)
        .part("xl/workbook.xml", main)
        .part(RELATIONS, all);
    assert_eq!(book.rows().unwrap(), ["1: A \"a\" B =date 7"]);
}

#[test]
fn tags_may_be_spaced_and_quoted_as_xml_allows() {
    let sheet = "<?xml version='1.0'?>\n<!-- x --><worksheet\n a = '>' >\r\n <sheetData >\n<row\tr='1' ><c r='A1'\n t='s' ><v\n>0</v ></c >\
         <c s='0' ><v> 7 </v></c></row ></sheetData ></worksheet >\n<!-- x -->\n";
    assert_eq!(book().part(SHEET, sheet).rows().unwrap(), [READ]);
}

#[test]
fn a_macro_sheet_or_a_relation_that_leads_nowhere_keeps_no_other_sheet_from_being_read() {
    let sheets = [
        ("Macro", "", "r1"),
        ("Gone", "", "r2"),
        ("Unrelated", "", "r9"),
        ("Data", "", "rId1"),
    ];
    let all = [
        ("r1", "xlMacrosheet", "macrosheets/sheet1.xml"),
        ("r2", "worksheet", "worksheets/gone.xml"),
        ("r3", "vbaProject", "vbaProject.bin"),
        ("rId1", "worksheet", "worksheets/sheet1.xml"),
        ("rId2", "sharedStrings", "sharedStrings.xml"),
        ("rId3", "styles", "styles.xml"),
    ];
    let book = book()
        .part("xl/workbook.xml", workbook("", &sheets))
        .part(RELATIONS, relations(&all))
        .part(
            "xl/macrosheets/sheet1.xml",
            "<xm:macrosheet xmlns:xm=\"x\"/>",
        );
    let book = open(&book.bytes()).unwrap();
    let readable: Vec<bool> = book.sheets().iter().map(|sheet| sheet.worksheet).collect();
    assert_eq!(readable, [false, false, false, true]);
    let mut rows = book.rows(3, &tabular::Merges::default()).unwrap();
    assert_eq!(super::kit::all(&mut rows).unwrap(), [READ]);
    for sheet in [0, 1, 2, 4] {
        let refusal = book.rows(sheet, &tabular::Merges::default()).err().unwrap();
        assert_eq!(refusal.code, NotAWorkbook);
    }
}

#[test]
fn a_link_to_outside_is_no_part() {
    let content = book().content(RELATIONS);
    let outside = "<Relationship Id=\"x\" Type=\"t/externalLink\" Target=\"file:///etc/passwd\" TargetMode=\"External\"/></Relationships>";
    let book = book().part(RELATIONS, content.replace("</Relationships>", outside));
    assert_eq!(book.rows().unwrap(), [READ]);
}

#[test]
fn two_relations_of_one_id_are_refused() {
    let all = [
        ("rId1", "worksheet", "worksheets/sheet1.xml"),
        ("rId1", "worksheet", "worksheets/sheet2.xml"),
    ];
    let book = book()
        .part("xl/worksheets/sheet2.xml", worksheet(""))
        .part(RELATIONS, relations(&all));
    assert_eq!(book.rows().unwrap_err().code, NotAWorkbook);
}

#[test]
fn styles_and_strings_may_be_missing_where_nothing_needs_them() {
    let plain = Workbook::new("<row r=\"1\"><c s=\"3\"><v>7</v></c></row>");
    assert_eq!(plain.rows().unwrap(), ["1: A 7"]);
}

#[test]
fn other_office_files_are_told_by_the_type_of_their_content() {
    let typed = |kind: &str| {
        let types = book().content("[Content_Types].xml");
        let main = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml";
        let book = book().part("[Content_Types].xml", types.replace(main, kind));
        book.rows().map_err(|refusal| refusal.code)
    };
    for kind in [
        "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml",
        "application/xml",
    ] {
        assert_eq!(typed(kind).unwrap(), [READ], "{kind}");
    }
    for kind in [
        "application/vnd.ms-excel.sheet.binary.macroEnabled.main",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
    ] {
        assert_eq!(typed(kind).unwrap_err(), UnsupportedMedia, "{kind}");
    }
}

#[test]
fn an_archive_without_a_workbook_is_none() {
    let book = book().without("xl/workbook.xml");
    assert_eq!(book.rows().unwrap_err().code, NotAWorkbook);
}
