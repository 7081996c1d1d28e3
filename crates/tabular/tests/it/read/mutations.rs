//! Random harm (A 5): a broken file ends as a refusal, never as a panic or an endless walk.

use domain::FailureCode;
use proptest::prelude::*;
use tabular::{Merges, ReadLimits, Refusal};

use super::kit::{Workbook, all, open_within, relations, workbook};

fn book() -> Workbook {
    let rows = "<row r=\"1\" spans=\"1:3\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" s=\"1\"><v>45000.5</v></c>\
         <c r=\"C1\" t=\"inlineStr\"><is><r><t>a_x000D_b</t></r></is></c></row><row r=\"3\" hidden=\"1\">\
         <c r=\"A3\" t=\"str\"><f>A1</f><v>x&amp;y</v></c><c r=\"C3\" t=\"e\"><v>#N/A</v></c></row>";
    Workbook::new("")
        .sheet(&format!("<dimension ref=\"A1:C3\"/><sheetData>{rows}</sheetData><mergeCells><mergeCell ref=\"A1:A3\"/></mergeCells>"))
        .strings("uniqueCount=\"2\"", "<si><t>a</t></si><si><r><t xml:space=\"preserve\"> b</t></r></si>")
        .styles(&["yyyy-mm-dd", "[Red]000"], &[0, 164, 165])
        .part("xl/workbook.xml", workbook("<workbookPr date1904=\"1\"/>", &[("S", "", "rId1"), ("T", "state=\"hidden\"", "rId9")]))
        .part("xl/_rels/workbook.xml.rels", relations(&[("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId2", "sharedStrings", "./sharedStrings.xml"), ("rId3", "styles", "/xl/styles.xml")]))
}

const PARTS: [&str; 7] = [
    "[Content_Types].xml",
    "_rels/.rels",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/worksheets/sheet1.xml",
];

/// What is put in the place of a piece.
const PIECES: &[&str] = &[
    "",
    "<",
    ">",
    "/",
    "\"",
    "'",
    "=",
    "&",
    ";",
    " ",
    "\n",
    "0",
    "9",
    "4294967296",
    "-",
    "A",
    "ZZZ",
    "&#x0;",
    "&#10;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "<!DOCTYPE",
    "<a>",
    "</a>",
    "<a/>",
    "<c/>",
    "</c>",
    "<v>1</v>",
    "<row/>",
    "</row>",
    "_x0000_",
    "\u{fffe}",
    "\u{1f600}",
    "..",
    "%2e%2e/",
    "r=\"1\"",
    "t=\"s\"",
    "xmlns:x=\"y\"",
    "x:",
];

fn read(bytes: &[u8], filling: bool) -> Result<usize, Refusal> {
    let limits = ReadLimits {
        strings_in_memory: 0,
        ..ReadLimits::default()
    };
    let book = open_within(bytes, &limits)?;
    let mut first = book.rows(0, &Merges::default())?;
    let rows = all(&mut first)?.len();
    let mut second = book.rows(0, &first.merges().clone().filling(filling))?;
    all(&mut second)?;
    Ok(rows)
}

fn is_honest(read: Result<usize, Refusal>) -> bool {
    read.map_or_else(
        |refusal| refusal.code != FailureCode::Internal,
        |rows| rows <= 3,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_part_changed_anywhere_is_read_or_refused(
        part in prop::sample::select(PARTS.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(PIECES.to_vec())), 1..4),
        filling: bool,
    ) {
        let book = book();
        let mut content: Vec<char> = book.content(part).chars().collect();
        for (at, length, piece) in changes {
            let at = at.index(content.len() + 1);
            let end = (at + length).min(content.len());
            content.splice(at..end, piece.chars());
        }
        let content: String = content.into_iter().collect();
        prop_assert!(is_honest(read(&book.part(part, content).bytes(), filling)));
    }

    #[test]
    fn bytes_of_the_archive_changed_anywhere_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        filling: bool,
    ) {
        let mut bytes = book().bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        prop_assert!(is_honest(read(&bytes, filling)));
    }
}

#[test]
fn the_file_that_is_harmed_is_whole_before() {
    assert_eq!(read(&book().bytes(), true).unwrap(), 2);
}
