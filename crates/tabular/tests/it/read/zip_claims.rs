//! The container's claims (A 3, 4b).

use domain::FailureCode::{ArchiveLimits, EncryptedWorkbook, NotAWorkbook};
use tabular::ReadLimits;

use super::kit::{Entry, Workbook, crc, rows_of, rows_within, zip, zip_that_counts};

const SHEET: &str = "xl/worksheets/sheet1.xml";

fn book() -> Workbook {
    Workbook::new("<row r=\"1\"><c><v>1</v></c></row>")
}

fn changed(change: impl FnOnce(&mut Entry)) -> Result<Vec<String>, domain::FailureCode> {
    rows_of(&book().with_entry(SHEET, change)).map_err(|refusal| refusal.code)
}

#[test]
fn an_honest_zip_is_read_deflated_or_stored() {
    assert_eq!(changed(|_| {}).unwrap(), ["1: A 1"]);
    let content = book().content(SHEET);
    let stored = changed(|entry| *entry = Entry::stored(SHEET, content.as_bytes()));
    assert_eq!(stored.unwrap(), ["1: A 1"]);
}

#[test]
fn a_wrong_checksum_or_size_is_refused_after_the_last_byte() {
    assert_eq!(changed(|entry| entry.crc ^= 1).unwrap_err(), NotAWorkbook);
    let size =
        |size: u32| changed(|entry| (entry.size, entry.local_size) = (size, size)).unwrap_err();
    assert_eq!(size(1), NotAWorkbook);
    assert_eq!(size(1_000_000), NotAWorkbook);
    let wrong = |entry: &mut Entry| entry.crc ^= 1;
    for part in ["xl/workbook.xml", "_rels/.rels", "[Content_Types].xml"] {
        let refusal = rows_of(&book().with_entry(part, wrong)).unwrap_err();
        assert_eq!(refusal.code, NotAWorkbook, "{part}");
    }
    let strings = book().strings("", "<si><t>a</t></si>");
    let refusal = rows_of(&strings.with_entry("xl/sharedStrings.xml", wrong)).unwrap_err();
    assert_eq!(refusal.code, NotAWorkbook);
}

#[test]
fn an_entry_cut_off_or_followed_by_more_is_refused() {
    let cut = |entry: &mut Entry| entry.data.truncate(entry.data.len() - 1);
    assert_eq!(changed(cut).unwrap_err(), NotAWorkbook);
    assert_eq!(
        changed(|entry| entry.data.push(0)).unwrap_err(),
        NotAWorkbook
    );
    assert_eq!(
        changed(|entry| entry.data[0] = 0xff).unwrap_err(),
        NotAWorkbook
    );
}

#[test]
fn a_directory_that_differs_from_its_entries_is_refused() {
    let renamed = |entry: &mut Entry| entry.local_name = b"xl/worksheets/sheet2.xml".to_vec();
    assert_eq!(changed(renamed).unwrap_err(), NotAWorkbook);
    assert_eq!(
        changed(|entry| entry.local_size += 1).unwrap_err(),
        NotAWorkbook
    );
    for count in [0, 4, 6, 999] {
        let bytes = zip_that_counts(&book().entries(), count);
        assert_eq!(rows_of(&bytes).unwrap_err().code, NotAWorkbook, "{count}");
    }
}

#[test]
fn sizes_that_stand_behind_the_entry_are_no_lie() {
    let streamed = |entry: &mut Entry| (entry.flags, entry.local_size) = (8, 0);
    assert_eq!(changed(streamed).unwrap(), ["1: A 1"]);
}

#[test]
fn an_encrypted_entry_is_an_encrypted_workbook() {
    assert_eq!(
        changed(|entry| entry.flags = 1).unwrap_err(),
        EncryptedWorkbook
    );
}

#[test]
fn an_unknown_compression_is_refused() {
    assert_eq!(
        changed(|entry| entry.method = 99).unwrap_err(),
        NotAWorkbook
    );
}

#[test]
fn a_part_that_is_named_twice_is_refused_in_any_spelling() {
    for name in [
        SHEET,
        "xl/Worksheets/SHEET1.xml",
        "/xl/worksheets/sheet1.xml",
        "xl\\worksheets\\sheet1.xml",
    ] {
        let mut entries = book().entries();
        entries.push(Entry::new(name, b"<worksheet/>"));
        assert_eq!(
            rows_of(&zip(&entries)).unwrap_err().code,
            NotAWorkbook,
            "{name}"
        );
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    for name in ["../etc/passwd", "xl/../../x", "..\\x", "/../x", ""] {
        let mut entries = book().entries();
        entries.push(Entry::new(name, b"x"));
        assert_eq!(
            rows_of(&zip(&entries)).unwrap_err().code,
            NotAWorkbook,
            "{name}"
        );
    }
}

#[test]
fn names_with_backslashes_or_a_leading_slash_are_found() {
    let mut entries = book().entries();
    for entry in &mut entries {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        entry.name = format!("/{}", name.replace('/', "\\")).into();
        entry.local_name.clone_from(&entry.name);
    }
    assert_eq!(rows_of(&zip(&entries)).unwrap(), ["1: A 1"]);
}

#[test]
fn too_many_entries_are_refused() {
    let mut entries = book().entries();
    let extra = |number| Entry::stored(&format!("xl/media/{number}.bin"), b"");
    entries.extend((0..10_000).map(extra));
    assert_eq!(rows_of(&zip(&entries)).unwrap_err().code, ArchiveLimits);
}

#[test]
fn inflated_bytes_are_counted_whatever_the_directory_says() {
    let rows: String = (1..=10_000).map(|n| format!("<row r=\"{n}\"/>")).collect();
    let book = Workbook::new(&rows);
    let limits = ReadLimits {
        entry_bytes: 100_000,
        ..ReadLimits::default()
    };
    assert_eq!(
        rows_within(&book.bytes(), &limits).unwrap_err().code,
        ArchiveLimits
    );
    let lying = book.with_entry(SHEET, |entry| (entry.size, entry.local_size) = (100, 100));
    assert_eq!(
        rows_within(&lying, &limits).unwrap_err().code,
        ArchiveLimits
    );
    let enough = ReadLimits {
        entry_bytes: 1_000_000,
        ..ReadLimits::default()
    };
    assert!(rows_within(&book.bytes(), &enough).is_ok());
    let all = ReadLimits {
        work: 100_000,
        ..ReadLimits::default()
    };
    assert_eq!(
        rows_within(&book.bytes(), &all).unwrap_err().code,
        ArchiveLimits
    );
    let large = book.content("xl/workbook.xml") + &" ".repeat(20_000_000);
    let book = book.part("xl/workbook.xml", large);
    assert_eq!(book.rows().unwrap_err().code, ArchiveLimits);
}

#[test]
fn a_large_ratio_alone_is_no_fault() {
    let rows = format!(
        "<row r=\"1\"><c><v>1</v></c></row>{}",
        " ".repeat(1_000_000)
    );
    assert_eq!(Workbook::new(&rows).rows().unwrap(), ["1: A 1"]);
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let bytes = book().bytes();
    for length in 1..bytes.len() {
        assert!(rows_of(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn entries_that_share_their_bytes_are_each_counted() {
    // what is read is bounded by what is inflated, so overlap gains nothing
    let content = "<worksheet><sheetData/></worksheet>";
    let sheets: Vec<_> = (0..50)
        .map(|n| (format!("s{n}"), format!("r{n}")))
        .collect();
    let listed: Vec<_> = sheets
        .iter()
        .map(|(name, id)| (name.as_str(), "", id.as_str()))
        .collect();
    let related: Vec<_> = sheets
        .iter()
        .map(|(_, id)| (id.as_str(), "worksheet", "worksheets/sheet1.xml"))
        .collect();
    let book = book()
        .part(SHEET, content)
        .part("xl/workbook.xml", super::kit::workbook("", &listed))
        .part(
            "xl/_rels/workbook.xml.rels",
            super::kit::relations(&related),
        );
    let small = u64::try_from(content.len()).unwrap() * 20 + 20_000;
    let limits = ReadLimits {
        work: small,
        ..ReadLimits::default()
    };
    let opened = super::kit::open_within(&book.bytes(), &limits).unwrap();
    let passes = || (0..50).cycle().take(2_000);
    let refused = passes().find_map(|sheet| {
        let mut rows = opened.rows(sheet, &tabular::Merges::default()).unwrap();
        super::kit::all(&mut rows).err()
    });
    assert_eq!(refused.unwrap().code, ArchiveLimits);
    assert_eq!(crc(b"123456789"), 0xcbf4_3926);
}
