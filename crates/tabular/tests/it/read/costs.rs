//! What reading may cost (A 3, 4a, 5): files that are small and well-formed, and made to be as much
//! work as possible. Work is counted, so each of them ends in the same place on every machine.

use std::fs::read_link;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::FailureCode::{ArchiveLimits, Internal, NotAWorkbook};
use domain::UploadFormat;
use tabular::{Book, Merges, Pulse, ReadLimits, ReadTerms, Refusal, StopSign};

use super::kit::{Entry, Workbook, all, file, open, open_within, rows_within, workbook, zip};

const SHEET: &str = "xl/worksheets/sheet1.xml";
const STRINGS: &str = "xl/sharedStrings.xml";
const MIB: usize = 1 << 20;

/// A workbook in which these entries stand in the place of the usual ones.
fn with(own: Vec<Entry>) -> Vec<u8> {
    let mut entries = Workbook::new("").entries();
    entries.retain(|usual| own.iter().all(|one| one.name != usual.name));
    entries.extend(own);
    zip(&entries)
}

/// A sheet of so many mebibytes of `piece`; with the size of its part.
fn sheet_of(before: &str, piece: &str, mib: usize, after: &str) -> (Vec<u8>, u64) {
    let piece = piece.repeat((MIB / piece.len()).max(1));
    let times = u32::try_from(mib * MIB / piece.len()).unwrap();
    let (before, after) = (
        format!("<worksheet>{before}"),
        format!("{after}</worksheet>"),
    );
    let entry = Entry::repeated(SHEET, &before, &piece, times, &after);
    let size = entry.size;
    (with(vec![entry]), size.into())
}

/// Rows of so many of this cell.
fn rows_of(cell: &str, cells: usize, mib: usize) -> (Vec<u8>, u64) {
    let row = format!("<row>{}</row>", cell.repeat(cells));
    sheet_of("<sheetData>", &row, mib, "</sheetData>")
}

fn read_at(work: u64, bytes: &[u8]) -> Result<(), Refusal> {
    let limits = ReadLimits {
        work,
        ..ReadLimits::default()
    };
    let book = open_within(bytes, &limits)?;
    let mut rows = book.rows(0, &Merges::default())?;
    while rows.next()?.is_some() {}
    Ok(())
}

#[test]
fn a_file_of_ordinary_rows_costs_a_few_units_a_byte() {
    let row = "<c r=\"A1\" s=\"1\"><v>12345.678</v></c>".replace(" r=\"A1\"", "");
    let (bytes, size) = rows_of(&row, 20, 16);
    read_at(6 * size, &bytes).unwrap();
    assert_eq!(read_at(size, &bytes).unwrap_err().code, ArchiveLimits);
}

#[test]
fn tags_attributes_comments_and_cells_are_counted_and_not_their_bytes_alone() {
    let attributes: String = (0..500).map(|n| format!(" a{n}=\"\"")).collect();
    let long = format!("<a {}=\"{}\"/>", "b".repeat(400_000), "c".repeat(400_000));
    let deep = "<a>".repeat(200) + &"</a>".repeat(200);
    let data = |piece: &str| sheet_of("<sheetData>", piece, 16, "</sheetData>");
    let cases = [
        ("elements", data("<a/>")),
        ("elements with ends", data("<a></a>")),
        ("depth", data(&deep)),
        ("comments", data("<!---->")),
        ("instructions", data("<??>")),
        ("CDATA", data("<![CDATA[]]>")),
        ("many attributes", data(&format!("<a{attributes}/>"))),
        ("tags longer than a block", data(&long)),
        ("blank cells", rows_of("<c/>", 16_000, 16)),
        ("numbers", rows_of("<c><v>1</v></c>", 16_000, 16)),
    ];
    for (what, (bytes, size)) in cases {
        assert!(bytes.len() * 20 < 16 * MIB, "{what}: {}", bytes.len());
        let refused = read_at(3 * size, &bytes).expect_err(what);
        assert_eq!(refused.code, ArchiveLimits, "{what}: {refused}");
    }
    // text that is decoded costs more than text that is not
    let text = |it: &str| format!("<c t=\"str\"><v>{}</v></c>", it.repeat(30_000 / it.len()));
    let (plain, size) = rows_of(&text("abcd"), 60, 16);
    read_at(size * 5 / 2, &plain).unwrap();
    let (decoded, size) = rows_of(&text("&lt;"), 60, 16);
    assert_eq!(
        read_at(size * 5 / 2, &decoded).unwrap_err().code,
        ArchiveLimits
    );
}

/// Strings, and cells that name two of them in turn. Groups of 64 strings of up to 1,000 bytes are
/// cached, larger ones are not.
fn spilling(length: usize) -> Vec<u8> {
    let one = format!("<si><t>{}</t></si>", "y".repeat(length)).repeat(1_000);
    let strings = Entry::repeated(STRINGS, "<sst>", &one, 200, "</sst>");
    // two groups that have one place in the cache
    let cells = "<c t=\"s\"><v>60000</v></c><c t=\"s\"><v>191072</v></c>".repeat(1_000);
    let rows = format!("<row>{cells}</row>");
    let sheet = Entry::repeated(
        SHEET,
        "<worksheet><sheetData>",
        &rows,
        8,
        "</sheetData></worksheet>",
    );
    with(vec![strings, sheet])
}

#[test]
fn cells_that_fetch_their_strings_from_disk_again_and_again_are_counted() {
    // what opening such a file costs, and what reading it does
    for (length, opened, read) in [
        (600, 260_000_000, 460_000_000),
        (1_100, 460_000_000, 540_000_000),
    ] {
        let bytes = spilling(length);
        let limits = |work| ReadLimits {
            work,
            strings_in_memory: MIB,
            ..ReadLimits::default()
        };
        let rows = rows_within(&bytes, &limits(read)).unwrap();
        assert_eq!(rows.len(), 8, "the file is whole");
        let book = open_within(&bytes, &limits(opened)).unwrap();
        let refused = all(&mut book.rows(0, &Merges::default()).unwrap()).unwrap_err();
        assert_eq!(refused.code, ArchiveLimits, "{length}: {refused}");
    }
}

#[test]
fn every_pass_over_a_file_counts() {
    let (bytes, size) = rows_of("<c s=\"1\"><v>123456789</v></c>", 20, 4);
    let limits = ReadLimits {
        work: 10 * size,
        ..ReadLimits::default()
    };
    let book = open_within(&bytes, &limits).unwrap();
    let pass = || all(&mut book.rows(0, &Merges::default())?).map(|rows| rows.len());
    let rows = pass().unwrap();
    assert!(rows > 1_000);
    let refused = (0..10).find_map(|_| pass().err()).unwrap();
    assert_eq!(refused.code, ArchiveLimits);
}

#[test]
fn names_and_paths_of_many_kilobytes_are_refused() {
    let long = "x/".repeat(MIB);
    let named = [("s".repeat(600), "rId1"), ("s".to_owned(), &*long)];
    for (name, id) in named {
        let book = Workbook::new("").part("xl/workbook.xml", workbook("", &[(&name, "", id)]));
        assert_eq!(book.rows().unwrap_err().code, ArchiveLimits);
    }
    let relations = [("rId1", "worksheet", &*long)];
    let book = Workbook::new("").part(
        "xl/_rels/workbook.xml.rels",
        super::kit::relations(&relations),
    );
    assert_eq!(book.rows().unwrap_err().code, ArchiveLimits);
}

#[test]
fn of_many_attributes_as_of_few_none_may_come_twice() {
    for count in [2, 8, 9, 300] {
        let names = (0..count).map(|n| format!(" a{n}=\"\""));
        let tag = |more: &str| format!("<x{}{more}/>", names.clone().collect::<String>());
        assert!(Workbook::new(&tag("")).rows().is_ok(), "{count}");
        for twice in ["a0", &format!("a{}", count - 1)] {
            let refused = Workbook::new(&tag(&format!(" {twice}=\"\"")))
                .rows()
                .unwrap_err();
            assert_eq!(refused.code, NotAWorkbook, "{count} {twice}");
        }
    }
}

/// A sign that goes up when it has been asked so often, and how often it was.
fn after(asks: u64) -> (StopSign, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&asked);
    let sign = StopSign::when(move || own.fetch_add(1, Ordering::SeqCst) >= asks);
    (sign, asked)
}

#[test]
fn a_reading_that_is_told_to_stop_ends_wherever_it_is_and_so_does_its_thread() {
    let (spaces, _) = sheet_of("<sheetData>", "<a/>", 16, "</sheetData>");
    let strings = spilling(900);
    let csv = "a,b\n".repeat(200_000).into_bytes();
    let cases = [
        (&spaces, UploadFormat::Xlsx, 40),
        (&strings, UploadFormat::Xlsx, 40),
        (&strings, UploadFormat::Xlsx, 4_000),
        (&csv, UploadFormat::Csv, 3),
        (&csv, UploadFormat::Csv, 30),
    ];
    for (bytes, format, asks) in cases {
        let (stop, asked) = after(asks);
        let terms = ReadTerms {
            stop,
            ..ReadTerms::default()
        };
        let read = || {
            let book = Book::open(file(bytes), format, &terms)?;
            all(&mut book.rows(0, &Merges::default())?)
        };
        assert_eq!(read().unwrap_err().code, Internal);
        let asked_in_all = asked.load(Ordering::SeqCst);
        assert!(asked_in_all < asks + 10, "{asked_in_all} {asks}");
        drop(terms);
        // the sign lives in whatever still reads
        assert_eq!(Arc::strong_count(&asked), 1);
    }
}

#[test]
fn strings_spill_into_the_directory_that_is_told_under_no_name() {
    let bytes = spilling(900);
    let directory = tempfile::tempdir().unwrap();
    let terms = |temp_dir: &std::path::Path| ReadTerms {
        temp_dir: Some(temp_dir.to_owned()),
        ..ReadTerms::default()
    };
    let book = Book::open(file(&bytes), UploadFormat::Xlsx, &terms(directory.path())).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let open_files = std::fs::read_dir("/proc/self/fd").unwrap();
    let names = open_files.filter_map(|entry| read_link(entry.unwrap().path()).ok());
    let ours = names.filter(|name| name.starts_with(directory.path()));
    assert_eq!(ours.count(), 1, "one file, unlinked");
    assert_eq!(
        all(&mut book.rows(0, &Merges::default()).unwrap())
            .unwrap()
            .len(),
        8
    );

    let nowhere = directory.path().join("nowhere");
    let refused = Book::open(file(&bytes), UploadFormat::Xlsx, &terms(&nowhere));
    assert_eq!(refused.err().unwrap().code, Internal);
    assert!(open(&bytes).is_ok(), "the system's own directory");
}

#[test]
fn a_reading_gives_signs_all_along_whether_it_gives_rows_or_not() {
    // 16 MiB without a row: at least one sign for each block of 128 KiB
    let (blank, _) = sheet_of("<sheetData>", "<a/>", 16, "</sheetData>");
    let strings = spilling(900);
    let csv = "a,b\n".repeat(200_000).into_bytes();
    let cases = [
        (&blank, UploadFormat::Xlsx, 128),
        (&strings, UploadFormat::Xlsx, 1_400),
        (&csv, UploadFormat::Csv, 24),
    ];
    for (bytes, format, least) in cases {
        let pulse = Pulse::default();
        let terms = ReadTerms {
            pulse: pulse.clone(),
            ..ReadTerms::default()
        };
        let book = Book::open(file(bytes), format, &terms).unwrap();
        let opened = pulse.beats();
        let mut rows = book.rows(0, &Merges::default()).unwrap();
        while rows.next().unwrap().is_some() {}
        assert!(pulse.beats() > opened, "{format:?}");
        assert!(pulse.beats() >= least, "{format:?}: {}", pulse.beats());
        assert!(!pulse.is_fetching());
    }
    let pulse = Pulse::default();
    assert!(pulse.fetch(|| pulse.is_fetching()));
}
