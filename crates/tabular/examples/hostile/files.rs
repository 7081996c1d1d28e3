//! The hostile files of cases.md A (1 to 5 and 23, 17, 24, 26), each with what it must be told.
//!
//! Taken in by the import worker's tests ([`QUICK`]) and written to a directory by this example
//! ([`QUICK`] and [`HEAVY`]) for `./dev bench hostile`, which measures what each costs a worker.

use super::kit::{Entry, Workbook, relations, workbook, worksheet, zip, zip_that_counts};

/// One file.
pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    /// The code that its import ends with; none where it is read like any other file, and must only
    /// cost no more than is promised.
    pub(crate) code: Option<&'static str>,
    pub(crate) bytes: fn() -> Vec<u8>,
}

const fn of(name: &'static str, code: &'static str, bytes: fn() -> Vec<u8>) -> Hostile {
    Hostile {
        name,
        code: Some(code),
        bytes,
    }
}

const fn read(name: &'static str, bytes: fn() -> Vec<u8>) -> Hostile {
    Hostile {
        name,
        code: None,
        bytes,
    }
}

/// Those that even a build without optimisation refuses in a few seconds.
pub(crate) const QUICK: &[Hostile] = &[
    of("half a GiB of text in one cell", "archive_limits", || {
        let open = "<sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>";
        sheet_of(open, "aaaaaaaa", 512, "</t></is></c></row></sheetData>")
    }),
    of("cells beyond any column", "too_many_columns", || {
        rows_of("<c r=\"ZZZZZZZ99999999999\"/>", 20)
    }),
    of("entities", "not_a_workbook", || {
        let doctype = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>";
        let cell = "<sheetData><row r=\"1\"><c t=\"str\"><v>&b;</v></c></row></sheetData>";
        let sheet = format!("{doctype}<worksheet>{cell}</worksheet>");
        with(vec![Entry::new(SHEET, sheet.as_bytes())])
    }),
    of("a sheet without end", "archive_limits", || {
        sheet_of("<sheetData>", "<row><c>", 4, "")
    }),
    of("noise", "not_a_workbook", || {
        let noise = (0..200_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        noise.collect()
    }),
    of(
        "strings that lie all over the disk where a header should be",
        "missing_columns",
        || spilling(""),
    ),
    of("pages where a header should be", "missing_columns", pages),
    of("parts as large as they may be", "archive_limits", parts),
    of("a sheet's name without end", "archive_limits", || {
        let name = "s".repeat(1 << 20);
        let part = workbook("", &[(&name, "", "rId1")]);
        Workbook::new("").part("xl/workbook.xml", part).bytes()
    }),
    of("a count of strings that lies", "archive_limits", || {
        let lie = "uniqueCount=\"4000000000\"";
        Workbook::new("").strings(lie, "<si><t>x</t></si>").bytes()
    }),
    of("elements within elements", "archive_limits", || {
        let deep = "<a>".repeat(100_000) + &"</a>".repeat(100_000);
        Workbook::new("").sheet(&deep).bytes()
    }),
    of(
        "more entries than any workbook has",
        "archive_limits",
        || {
            let many = (0..20_000).map(|n| Entry::stored(&format!("p{n}"), b""));
            let mut entries = Workbook::new("").entries();
            entries.extend(many);
            zip(&entries)
        },
    ),
    of("fewer entries than it says", "not_a_workbook", || {
        zip_that_counts(&Workbook::new("").entries(), 500)
    }),
    of("a part twice", "not_a_workbook", || {
        let mut entries = Workbook::new("").entries();
        entries.push(entries[entries.len() - 1].clone());
        zip(&entries)
    }),
    of(
        "more merged ranges than are taken",
        "archive_limits",
        || merged("<mergeCell ref=\"A5:B6\"/>", 300_000),
    ),
    of("merged ranges that all overlap", "not_a_workbook", || {
        merged("<mergeCell ref=\"A1:XFD1048576\"/>", 1_000)
    }),
    of(
        "as many headers as may be, and a mapping that names others",
        "missing_columns",
        mapped,
    ),
];

/// Those that are as much work as a file may be, or more.
pub(crate) const HEAVY: &[Hostile] = &[
    of("4 GiB of elements", "archive_limits", || {
        sheet_of("<sheetData>", "<a/>", 4_000, "</sheetData>")
    }),
    of("4 GiB of blank rows", "archive_limits", || {
        sheet_of("<sheetData>", "<row></row>", 4_000, "</sheetData>")
    }),
    of("4 GiB of comments", "archive_limits", || {
        sheet_of("<sheetData>", "<!---->", 4_000, "</sheetData>")
    }),
    of("4 GiB of blank cells", "archive_limits", || {
        rows_of("<c/>", 4_000)
    }),
    of(
        "strings that are fetched again and again",
        "archive_limits",
        || {
            let header: String = HEADER.iter().map(|name| text_cell(name)).collect();
            spilling(&format!("<row>{header}</row>"))
        },
    ),
    of("40 million shared strings", "archive_limits", || {
        strings_of("<si/>", 200)
    }),
    of(
        "more than a GiB of shared strings",
        "archive_limits",
        || strings_of(&format!("<si><t>{}</t></si>", "y".repeat(900)), 1_200),
    ),
    of("rows of 16,384 cells", "all_rows_failed", || {
        let header: String = HEADER.iter().map(|name| text_cell(name)).collect();
        let more = text_cell("more").repeat(16_384 - HEADER.len());
        let begin = format!("<sheetData><row>{header}{more}</row>");
        let row = format!("<row>{}</row>", "<c><v>1</v></c>".repeat(16_384));
        let ends = ["<worksheet>", "</sheetData></worksheet>"];
        let begin = format!("{}{begin}", ends[0]);
        with(vec![Entry::repeated(SHEET, &begin, &row, 8_000, ends[1])])
    }),
    read("200,000 merged ranges among 400,000 rows", || {
        let ranges: String = (0..199_000)
            .map(|n| format!("<mergeCell ref=\"G{}:G{}\"/>", 2 * n + 2, 2 * n + 3))
            .collect();
        let rows: String = (0..400_000).map(sheet_row).collect();
        let header: String = HEADER.iter().map(|name| text_cell(name)).collect();
        let data = format!("<sheetData><row>{header}</row>{rows}</sheetData>");
        let inside = format!("{data}<mergeCells>{ranges}</mergeCells>");
        Workbook::new("").sheet(&inside).bytes()
    }),
    of("ten mebibytes in one field", "archive_limits", || {
        format!("{}\n{}\n", HEADER.join(","), "a".repeat(10 << 20)).into()
    }),
    of("a quote that never ends", "archive_limits", || {
        let lines = "a,b,c\n".repeat(90 << 20 >> 3);
        format!("{}\n\"{lines}", HEADER.join(",")).into()
    }),
    of("a line of a million fields", "archive_limits", || {
        format!("{}\n{}\n", HEADER.join(","), "a,".repeat(1_000_000)).into()
    }),
    of("one key a million times", "all_rows_failed", || {
        csv_of(|_| "SAME".to_owned(), "13800000000")
    }),
    of("a million rows, all bad", "all_rows_failed", || {
        csv_of(|n| format!("B{n}"), "no mobile")
    }),
    read("a million keys that look alike", || {
        csv_of(alike, "13800000000")
    }),
];

const SHEET: &str = "xl/worksheets/sheet1.xml";
const STRINGS: &str = "xl/sharedStrings.xml";
/// Columns of the dataset `member` by their names.
const HEADER: [&str; 6] = ["member_no", "name", "mobile", "level", "points", "balance"];

/// A workbook in which these entries stand in the place of the usual ones.
fn with(own: Vec<Entry>) -> Vec<u8> {
    let mut entries = Workbook::new("").entries();
    entries.retain(|usual| own.iter().all(|one| one.name != usual.name));
    entries.extend(own);
    zip(&entries)
}

/// A sheet that repeats a piece of a mebibyte.
fn sheet_of(before: &str, piece: &str, mib: u32, after: &str) -> Vec<u8> {
    let (before, after) = (
        format!("<worksheet>{before}"),
        format!("{after}</worksheet>"),
    );
    let piece = piece.repeat((1 << 20) / piece.len());
    with(vec![Entry::repeated(SHEET, &before, &piece, mib, &after)])
}

/// Rows of 16,000 such cells.
fn rows_of(cell: &str, mib: u32) -> Vec<u8> {
    let row = format!("<row>{}</row>", cell.repeat(16_000));
    sheet_of("<sheetData>", &row, mib, "</sheetData>")
}

/// So many mebibytes of shared strings.
fn strings_of(one: &str, mib: u32) -> Vec<u8> {
    let piece = one.repeat((1 << 20) / one.len());
    let strings = Entry::repeated(STRINGS, "<sst>", &piece, mib, "</sst>");
    with(vec![strings])
}

/// Cells that name strings which lie on disk, each in another place than the one before.
fn spilling(header: &str) -> Vec<u8> {
    let one = format!("<si><t>{}</t></si>", "y".repeat(900)).repeat(1_000);
    let strings = Entry::repeated(STRINGS, "<sst>", &one, 200, "</sst>");
    let cells = "<c t=\"s\"><v>60000</v></c><c t=\"s\"><v>191072</v></c>".repeat(2_000);
    let rows = format!("<row>{cells}</row>");
    let before = format!("<worksheet><sheetData>{header}");
    let after = "</sheetData></worksheet>";
    let sheet = Entry::repeated(SHEET, &before, &rows, 1_000, after);
    with(vec![strings, sheet])
}

/// Rows of nearly eight mebibytes where a header is looked for.
fn pages() -> Vec<u8> {
    let text = "ﷺ".repeat(10_000);
    let cell = format!("<c t=\"str\"><v>{text}</v></c>");
    let row = format!("<row>{}</row>", cell.repeat(270));
    let ends = ["<worksheet><sheetData>", "</sheetData></worksheet>"];
    with(vec![Entry::repeated(SHEET, ends[0], &row, 20, ends[1])])
}

/// Rows of nearly eight mebibytes of headers as long as they may be, in a file of failures that maps two
/// thousand others.
fn mapped() -> Vec<u8> {
    let mapping: Vec<String> = (0..2_000).map(|n| format!("\"{n}\":\"name\"")).collect();
    let mapping = mapping.join(",");
    let stamp = format!(
        "{{\"dataset\":\"member\",\"version\":\"3\",\"task\":\"1\",\"mapping\":{{{mapping}}}}}"
    );
    let stamp = format!("<sheetData><row>{}</row></sheetData>", text_cell(&stamp));
    let sheets = [
        ("Sheet1", "", "rId1"),
        ("_quayside", "state=\"veryHidden\"", "rId2"),
    ];
    let places = [
        ("rId1", "worksheet", "worksheets/sheet1.xml"),
        ("rId2", "worksheet", "worksheets/sheet2.xml"),
    ];
    let book = Workbook::new("")
        .part("xl/workbook.xml", workbook("", &sheets))
        .part("xl/_rels/workbook.xml.rels", relations(&places))
        .part("xl/worksheets/sheet2.xml", worksheet(&stamp))
        .without(SHEET);
    let row = format!("<row>{}</row>", text_cell(&"x".repeat(500)).repeat(16_000));
    let ends = ["<worksheet><sheetData>", "</sheetData></worksheet>"];
    let mut entries = book.entries();
    entries.push(Entry::repeated(SHEET, ends[0], &row, 2, ends[1]));
    zip(&entries)
}

/// Parts that are read whole, as large as they may be.
fn parts() -> Vec<u8> {
    let relations =
        (0..300_000).map(|n| format!("<Relationship Id=\"{n}\" Type=\"a\" Target=\"b\"/>"));
    let relations = format!(
        "<Relationships>{}<Relationship Id=\"rId1\" Type=\"x/worksheet\" \
         Target=\"worksheets/sheet1.xml\"/></Relationships>",
        relations.collect::<String>()
    );
    let formats = "<xf numFmtId=\"14\"/>".repeat(700_000);
    let styles = format!("<styleSheet><cellXfs>{formats}</cellXfs></styleSheet>");
    Workbook::new("")
        .part("xl/_rels/workbook.xml.rels", relations)
        .part("xl/styles.xml", styles)
        .bytes()
}

/// Three rows and so many times this range.
fn merged(range: &str, times: usize) -> Vec<u8> {
    let header: String = HEADER.iter().map(|name| text_cell(name)).collect();
    let rows: String = (0..3).map(sheet_row).collect();
    let data = format!("<sheetData><row>{header}</row>{rows}</sheetData>");
    let ranges = range.repeat(times);
    let inside = format!("{data}<mergeCells>{ranges}</mergeCells>");
    Workbook::new("").sheet(&inside).bytes()
}

fn text_cell(text: &str) -> String {
    format!("<c t=\"str\"><v>{text}</v></c>")
}

/// A member that can be taken.
fn sheet_row(n: u32) -> String {
    let texts: String = [format!("M{n}"), format!("N{n}"), format!("138{n:08}")]
        .iter()
        .map(|text| text_cell(text))
        .collect();
    format!("<row>{texts}<c><v>1</v></c><c><v>1</v></c><c><v>1</v></c></row>")
}

/// A million members.
fn csv_of(key: impl Fn(u32) -> String, mobile: &str) -> Vec<u8> {
    let rows = (0..1_000_000_u32).map(|n| format!("{},n,{mobile},1,1,1\n", key(n)));
    format!("{}\n{}", HEADER.join(","), rows.collect::<String>()).into()
}

/// Twenty letters that differ in nothing but their case.
fn alike(n: u32) -> String {
    let letter = |bit: u32| if n >> bit & 1 == 1 { 'A' } else { 'a' };
    (0..20).map(letter).collect()
}
