//! What a file is, by its bytes (A 22, 4a).

use domain::FailureCode::{
    self, EmptyFile, EncryptedWorkbook, LegacyXls, NotAWorkbook, UnsupportedMedia,
};
use domain::UploadFormat::{Csv, Xlsx};
use proptest::prelude::*;
use tabular::sniff;

use super::kit::{Entry, Workbook, open, zip};

fn refused(head: &[u8]) -> FailureCode {
    let code = sniff(head).unwrap_err().code;
    // a workbook is opened with the same eyes
    assert_eq!(open(head).err().unwrap().code, code);
    code
}

/// A compound file with these names in its directory, which begins at a sector of 512 bytes.
fn compound(names: &[&str], directory: u32, table: &[u32]) -> Vec<u8> {
    let mut file = vec![0_u8; 512 * 128];
    file[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    file[28..32].copy_from_slice(&[0xfe, 0xff, 9, 0]);
    file[44] = 1;
    file[48..52].copy_from_slice(&directory.to_le_bytes());
    file[76..80].copy_from_slice(&0_u32.to_le_bytes());
    for (at, next) in table.iter().enumerate() {
        file[512 + 4 * at..][..4].copy_from_slice(&next.to_le_bytes());
    }
    for (at, name) in names.iter().enumerate() {
        // four names in a sector; the sectors of the directory stand behind one another
        let start = 512 * (usize::try_from(directory).unwrap() + 1) + 128 * at;
        let Some(entry) = file.get_mut(start..start + 128) else {
            break;
        };
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        entry[..wide.len()].copy_from_slice(&wide);
        entry[64] = u8::try_from(wide.len() + 2).unwrap();
        entry[66] = 2;
    }
    file
}

#[test]
fn legacy_and_encrypted_workbooks_are_told_apart_by_their_directory() {
    let end = 0xffff_fffe;
    assert_eq!(
        refused(&compound(&["Root Entry", "Workbook"], 1, &[0, end])),
        LegacyXls
    );
    assert_eq!(
        refused(&compound(&["Root Entry", "Book"], 7, &[0])),
        LegacyXls
    );
    let names = [
        "Root Entry",
        "a",
        "b",
        "c",
        "EncryptionInfo",
        "EncryptedPackage",
    ];
    assert_eq!(
        refused(&compound(&names, 1, &[0, 2, end])),
        EncryptedWorkbook
    );
    assert_eq!(
        refused(&compound(&["Root Entry", "WordDocument"], 1, &[0, end])),
        UnsupportedMedia
    );
    assert_eq!(
        refused(&compound(&["Root Entry", "Contents"], 1, &[0, end])),
        UnsupportedMedia
    );
}

#[test]
fn a_directory_behind_the_head_is_guessed_by_what_the_head_holds() {
    let mut file = compound(&[], 100_000, &[]);
    file[512..514].copy_from_slice(&[0x09, 0x08]);
    assert_eq!(refused(&file), LegacyXls);
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    file[4_096..4_096 + name.len()].copy_from_slice(&name);
    assert_eq!(refused(&file), EncryptedWorkbook);
}

#[test]
fn a_compound_file_that_loops_or_is_cut_or_odd_is_refused_at_once() {
    assert_eq!(refused(&compound(&[], 1, &[0, 1])), NotAWorkbook);
    assert_eq!(refused(&compound(&[], 1, &[0, 2, 1])), NotAWorkbook);
    assert_eq!(refused(&compound(&[], u32::MAX, &[0])), NotAWorkbook);
    let whole = compound(&["Root Entry", "Workbook"], 1, &[0]);
    for length in [8, 30, 31, 76, 511, 512] {
        assert_eq!(refused(&whole[..length]), NotAWorkbook, "{length}");
    }
    for shift in [0, 1, 8, 10, 31, 64, 255] {
        let mut odd = whole.clone();
        odd[30] = shift;
        assert_eq!(refused(&odd), NotAWorkbook, "{shift}");
    }
}

#[test]
fn pictures_pages_and_other_documents_are_not_supported() {
    let kinds: [&[u8]; 14] = [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"%PDF-1.7",
        b"{\\rtf1",
        b"\x1f\x8b\x08",
        b"Rar!\x1a\x07\0",
        b"<html><body><table>",
        b"\xef\xbb\xbf  \r\n<!DOCTYPE HTML PUBLIC>",
        b"<TABLE border=1>",
        b"<?xml version=\"1.0\"?><?mso-application progid=\"Excel.Sheet\"?><Workbook/>",
        b"<meta charset=\"utf-8\">",
        b"MIME-Version: 1.0\r\nX-Document-Type: Workbook",
        b"<!-- x --><table>",
    ];
    for kind in kinds {
        assert_eq!(refused(kind), UnsupportedMedia, "{kind:?}");
    }
}

#[test]
fn other_archives_are_told_by_their_first_entries_or_their_content() {
    let of = |entries: &[Entry]| refused(&zip(entries));
    let ods = Entry::stored(
        "mimetype",
        b"application/vnd.oasis.opendocument.spreadsheet",
    );
    assert_eq!(
        of(&[ods, Entry::new("content.xml", b"<x/>")]),
        UnsupportedMedia
    );
    let types = Entry::new("[Content_Types].xml", b"<Types/>");
    assert_eq!(
        of(&[types.clone(), Entry::new("xl/workbook.bin", b"x")]),
        UnsupportedMedia
    );
    assert_eq!(
        of(&[types.clone(), Entry::new("word/document.xml", b"x")]),
        UnsupportedMedia
    );
    assert_eq!(refused(&zip(&[])), NotAWorkbook);
    for other in [zip(&[Entry::new("a.csv", b"1,2")]), zip(&[types])] {
        assert_eq!(sniff(&other).unwrap(), Xlsx);
        assert_eq!(open(&other).err().unwrap().code, NotAWorkbook);
    }
}

#[test]
fn an_archive_is_a_workbook_and_text_is_csv_whatever_they_are_called() {
    assert_eq!(sniff(&Workbook::new("").bytes()).unwrap(), Xlsx);
    let texts: [&[u8]; 8] = [
        b"a,b\r\n1,2\r\n",
        b"\xef\xbb\xbfa;b",
        "\u{feff}a\tb".as_bytes(),
        b"\xff\xfea\0,\0b\0",
        b"a\0,\0b\0\r\0\n\0",
        b"\xb1\xe0\xba\xc5,\xd0\xd5\xc3\xfb",
        b"a < b\n",
        b"x",
    ];
    for text in texts {
        assert_eq!(sniff(text).unwrap(), Csv, "{text:?}");
    }
    assert_eq!(open(b"a,b").err().unwrap().code, NotAWorkbook);
}

#[test]
fn bytes_that_are_nothing_are_no_workbook_and_none_are_an_empty_file() {
    assert_eq!(refused(b""), EmptyFile);
    let noise: Vec<u8> = (0..2_000_u32)
        .map(|n| u8::try_from(n * n % 251 % 32).unwrap())
        .collect();
    assert_eq!(refused(&noise), NotAWorkbook);
    assert_eq!(refused(&[0; 4_096]), NotAWorkbook);
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(
        magic in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x05\x06"]),
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let whole = [magic, &bytes].concat();
        let opened = open(&whole);
        prop_assert!(opened.is_err());
        let _judged = sniff(&whole);
    }
}
